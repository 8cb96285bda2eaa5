"""Which routing table counts: what is marked for a line has that line's own, made by the router.

WireGuard marks what its tunnels send, the firewall marks answers to what came in by a line.
"""

from collections.abc import Iterator
from typing import Any

from pyinfra import host
from pyinfra.api import FactBase, operation

from deploys.steps import told

CLOSED = 100
"""So far behind the rule of a table stands the one for what found nothing in it."""
OTHERS = "ip -$v rule show | grep -Ev '^(0|32766|32767):' | sed s,:,,"  # than the kernel's own
DUMP = f"for v in 4 6; do {OTHERS} | sed s/^/$v\\ /; done >rules.before; true"
STEPS = f"""\
for v in 4 6; do {OTHERS} | while read -r at rule; do ip -$v rule del pref $at $rule; done; done
while read -r v at rule; do ip -$v rule add pref $at $rule; done <rules.before"""


class Rules(FactBase):
    """The rules of both families, but for the kernel's own, as ``4 101 from all …``."""

    default = list

    def command(self) -> str:
        return f"for v in 4 6; do {OTHERS} | sed s/^/$v\\ /; done; true"

    def process(self, output: list[str]) -> list[str]:
        return [" ".join(line.split()) for line in output]


@operation()
def exactly(tables: list[int]) -> Iterator[Any]:
    """Have what bears the number of one of ``tables`` as its mark use it, and no other rule.

    Before the router fills the tables, only the main line's, the first, may leave by the default
    route: a tunnel of another that once came from there would stay with it, at both of its ends.
    """
    now = host.get_fact(Rules)
    marked = [(v, t, f"from all fwmark {t:#x}") for v in (4, 6) for t in tables]
    wanted = [f"{v} {t} {mark} lookup {t}" for v, t, mark in marked]
    wanted += [f"{v} {t + CLOSED} {mark} unreachable" for v, t, mark in marked if t != tables[0]]
    commands = [_command("del", rule) for rule in now if rule not in wanted]
    commands += [_command("add", rule) for rule in wanted if rule not in now]
    yield from told(
        commands,
        {
            "resource": "rules of routing",
            "action": "update" if now else "create",
            "before": "\n".join(now),
            "after": "\n".join(wanted),
            "risk": ("cuts-path",) if now else (),
        },
        back={"dumps": (DUMP,), "steps": (STEPS,)},
    )


def _command(verb: str, rule: str) -> str:
    version, at, what = rule.split(" ", 2)
    return f"ip -{version} rule {verb} pref {at} {what}"
