"""The addresses on block lists: a table of their own, made on the gateway from its lists."""

from collections.abc import Iterator
from typing import Any

from pyinfra import host
from pyinfra.api import FactBase, operation

from deploys.steps import told

PROGRAM = "/usr/local/sbin/kahya-listed"
FOLDER = "/var/lib/kahya/addresses"
TABLE = "table inet kahya-lists"
DROP_IN = "/etc/systemd/system/nftables.service.d/kahya.conf"
LOAD = f"{PROGRAM} load"
GONE = f"nft '{TABLE}; delete {TABLE}'"
LOAD_OR_GONE = f"if [ -x {PROGRAM} ]; then {LOAD}; else {GONE}; fi"
"""On the way back to before the first lists there is no such program."""
UNIT = f"""\
# Kept by Kâhya: what loads the rules takes the lists away.
[Unit]
RequiresMountsFor={FOLDER} /tmp
After=local-fs.target systemd-remount-fs.service
[Service]
ExecStartPost={LOAD}
ExecReload={LOAD}
"""
SAVE = f"if nft list {TABLE} >listed.nft 2>&1; then :; else : >listed.nft; fi"
RETURN = f"{{ echo {TABLE}; echo delete {TABLE}; cat listed.nft; }} | nft -f -"


class Listed(FactBase):
    """Digest and size of the table that is loaded, and of what the lists make; nothing before."""

    default = list

    def command(self) -> str:
        return f"test ! -x {PROGRAM} || {PROGRAM} seen"

    def process(self, output: list[str]) -> list[tuple[str, ...]]:
        return [tuple(line.split()) for line in output]


@operation()
def loaded() -> Iterator[Any]:
    """Have what the gateway's lists say be loaded."""
    found = host.get_fact(Listed)
    if len(set(found)) == 1 or not found:
        return
    before, after = (f"sha256 {digest}\nentries {count}" for digest, count in found)
    meaning = {"resource": f"nftables {TABLE}", "action": "update", "risk": ("cuts-path",)}
    back = {"saves": (), "dumps": (SAVE,), "steps": (RETURN,)}
    yield from told([LOAD], {**meaning, "before": before, "after": after}, back=back)
