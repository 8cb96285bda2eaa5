"""What the running resolver was told: its zones, and who it asks. See the program ``zones``.

The zones are made from the lists at each start, so no third place can deviate. What changes in
the lists is told to the resolver as it runs; what it was told by hand is found, and taken back.
"""

from collections.abc import Iterator
from typing import Any

from pyinfra import host
from pyinfra.api import FactBase, operation

from deploys.steps import told

FOLDER = "/var/lib/kahya/resolver"
PROGRAM = "/usr/local/lib/kahya-resolver/zones"
TELL = f"test ! -x {PROGRAM} || {PROGRAM} sync"  # on the way back it may be gone


class Strays(FactBase):
    """How that differs from the lists and the settings of the host, as ``zones tell`` says it.

    Nothing where they don't, or where no resolver runs.
    """

    default = list

    def command(self) -> str:
        return f"test ! -x {PROGRAM} || {PROGRAM} tell"

    def process(self, output: list[str]) -> list[str]:
        return [] if output[-1:] == ["0 0"] else output


@operation()
def as_listed() -> Iterator[Any]:
    """Have the running resolver know what lists and settings say, and nothing else."""
    *some, counts = host.get_fact(Strays) or [""]
    if not counts:
        return
    many, few = map(int, counts.split())
    before = [f"{many} not listed", *(s[1:] for s in some if s[0] == "-")]
    after = [f"{few} listed and not known", *(s[1:] for s in some if s[0] == "+")]
    yield from told(
        [f"{PROGRAM} sync"],
        {
            "resource": "zones of the running resolver",
            "action": "update",
            "before": "\n".join(before),
            "after": "\n".join(after),
        },
        back={
            "saves": (),
            "dumps": (f"{PROGRAM} running >zones || rm zones",),
            "steps": (f"test ! -e zones || {PROGRAM} sync zones",),
        },
    )
