"""Which routing table counts: what is marked for a line has that line's own, made by the router.

WireGuard marks what its tunnels send, the firewall marks answers to what came in by a line.
"""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_interface
from typing import Any

from pyinfra import host
from pyinfra.api import FactBase, operation

from deploys.steps import told

CLOSED = 100
"""So far behind the rule of a table stands the one for what found nothing in it."""
IPSEC = 220
"""Table, and place of its rule, of strongSwan's ways to its peers (charon.routing_table)."""
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


def rules_of(
    lines: Sequence[Mapping[str, Any]],
    interfaces: Mapping[str, Mapping[str, str]],
    peers: Sequence[Mapping[str, Any]] = (),
) -> list[str]:
    """Return the rules of lines to carriers, the main one first: its mark has the line's table.

    With ``peers`` of IPsec there is strongSwan's own, which it makes whenever it starts.

    Until the router has filled the tables, only what goes from main line to main line may leave by
    another: a tunnel that once came from another would stay with it, at both of its ends.
    """
    main, *others = [(line["table"], f"fwmark {line['table']:#x}") for line in lines] or [None]
    marks = [main, *others] if main else []
    found = [f"{v} {t} from all {mark} lookup {t}" for v in (4, 6) for t, mark in marks]
    found += [f"{v} {t + CLOSED} from all {mark} unreachable" for v in (4, 6) for t, mark in others]
    for line in lines[1:]:
        network = ip_interface(interfaces[line["interface"]]["address"]).network
        found.append(f"4 {main[0] + CLOSED} from all to {network} {main[1]} unreachable")
    found += [f"{v} {IPSEC} from all lookup {IPSEC}" for v in (4, 6) if peers]
    return found


@operation()
def exactly(wanted: list[str]) -> Iterator[Any]:
    """Have these rules, as ``rules_of`` words them, and no others."""
    now = host.get_fact(Rules)
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
