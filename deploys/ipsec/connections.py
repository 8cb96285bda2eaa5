"""Connections to the gateways of others: what the daemon is to load, and what it has loaded."""

from collections.abc import Iterator
from typing import Any

from pyinfra import host
from pyinfra.api import FactBase, operation

from deploys.steps import told

UNIT = "strongswan.service"
REKEY, CHILD_REKEY, DPD = 14400, 3600, 10  # seconds
IKE, ESP = "aes256gcm16-prfsha384-ecp384", "aes256gcm16-ecp384"
LISTED = """\
{name}: IKEv2, no reauthentication, rekeying every {rekey}s, dpd delay {dpd}s
local:  {own}
remote: {address}
local pre-shared key authentication:
id: {own_identity}
remote pre-shared key authentication:
id: {identity}
{name}: TUNNEL, rekeying every {child_rekey}s, dpd action is start
local:  {own_networks}
remote: {networks}"""


class Loaded(FactBase):
    """The connections that the daemon has, by name, as swanctl lists them; None while it is off."""

    def command(self) -> str:
        return (
            f"! systemctl -q is-active {UNIT} || {{ echo on; swanctl --list-conns 2>/dev/null; }}"
        )

    def process(self, output: list[str]) -> dict[str, str] | None:
        found: dict[str, list[str]] = {}
        for line in output[1:]:
            if not line.startswith(" "):
                name = line.partition(":")[0]
                found[name] = []
            found[name].append(line.strip())
        return {n: "\n".join(lines) for n, lines in found.items()} if output else None


def listed(peer: dict[str, Any], own: str) -> str:
    """Return how swanctl lists the connection to ``peer``; ``own`` is this gateway's address."""
    times = {"rekey": REKEY, "child_rekey": CHILD_REKEY, "dpd": DPD}
    networks = {key: " ".join(peer[key]) for key in ("networks", "own_networks")}
    return LISTED.format(**peer | networks | times, own=own)


@operation()
def loaded(wanted: dict[str, str]) -> Iterator[Any]:
    """Have the daemon load its files again where it has other connections than ``wanted``."""
    now = host.get_fact(Loaded)
    if now is None:
        return  # it loads them when it starts
    meanings = [
        {
            "resource": f"connection {name}",
            "action": ("update" if name in now else "create") if name in wanted else "delete",
            "before": now.get(name, ""),
            "after": wanted.get(name, ""),
        }
        for name in {**wanted, **now}
        if now.get(name) != wanted.get(name)
    ]
    if meanings:
        yield from told([f"systemctl restart {UNIT}"], *meanings, back=None)
