"""A WireGuard tunnel as one resource: its file, its service and the running interface."""

from collections.abc import Iterator
from io import StringIO
from typing import Any

from pyinfra import host
from pyinfra.api import FactBase, operation
from pyinfra.operations import files

from deploys.steps import told
from deploys.vpn.keys import FOLDER, NEXT, NOW


class Tunnel(FactBase):
    """What is there of a tunnel, as lines; keys are masked on the host already."""

    default = list

    def command(self, interface: str) -> str:
        path = f"{FOLDER}/{interface}.conf"
        return (
            f"if [ -e {path} ]; then stat -c 'file %U:%G %04a' {path}; "
            "sed -E 's/^[[:space:]]*(PrivateKey|PresharedKey).*/\\1 = (hidden)/I; s/^/file | /' "
            f"{path}; fi; "
            f"systemctl -q is-enabled wg-quick@{interface} 2>/dev/null && echo 'starts at boot'; "
            f"if ip link show dev {interface} up 2>/dev/null | grep -q .; then "
            f"ip -o addr show dev {interface} | awk '{{print \"address \" $4}}'; "
            f"for what in public-key listen-port fwmark endpoints allowed-ips; do "
            f'wg show {interface} $what | sed -E "s/\\t/ /g; s/^/$what /"; done; fi; true'
        )

    def process(self, output: list[str]) -> list[str]:
        return list(output)


class TunnelNames(FactBase):
    """The names of all tunnels that have a file or an interface."""

    default = list

    def command(self) -> str:
        return (
            f"ls {FOLDER} 2>/dev/null | sed -n 's/\\.conf$//p'; "
            "wg show interfaces 2>/dev/null | tr ' ' '\\n'; true"
        )

    def process(self, output: list[str]) -> list[str]:
        return sorted({line for line in output if line})


ADDRESSES = "ip -o addr show dev {0} | awk '{{print $4}}'"
DUMP = f"""\
if ip link show dev {{0}} up 2>/dev/null | grep -q .; then
    wg showconf {{0}} >{{0}}.running
    {ADDRESSES} >{{0}}.addresses
fi"""
RESTORE = f"""\
systemctl daemon-reload
if [ ! -e {{0}}.running ]; then
    systemctl stop wg-quick@{{0}} || true
    ip link delete dev {{0}} 2>/dev/null || true
    exit 0
fi
if ! ip link show dev {{0}} up 2>/dev/null | grep -q .; then
    systemctl stop wg-quick@{{0}} || true
    ip link delete dev {{0}} 2>/dev/null || true
    systemctl start wg-quick@{{0}}
fi
wg setconf {{0}} {{0}}.running
if [ "$({ADDRESSES})" != "$(cat {{0}}.addresses)" ]; then
    ip addr flush dev {{0}}
    while read -r address; do ip addr add "$address" dev {{0}}; done <{{0}}.addresses
fi"""


def configuration(tunnel: dict[str, Any]) -> str:
    """Return the file of ``tunnel``. The private key stays in a file of its own."""
    return f"""\
# Kept by Kâhya. The routes over it are OSPF's.
[Interface]
Address = {tunnel["address"]}
ListenPort = {tunnel["listen_port"]}
FwMark = {tunnel["table"]:#x}
Table = off
PostUp = wg set %i private-key {FOLDER}/{NEXT if tunnel["next_key"] else NOW}
PostUp = ip -6 address flush dev %i; ip address add {tunnel["address6"]} dev %i

[Peer]
PublicKey = {tunnel["peer_public_key"]}
AllowedIPs = 0.0.0.0/0, ::/0
Endpoint = {tunnel["endpoint"]}
"""


@operation()
def present(tunnel: dict[str, Any]) -> Iterator[Any]:
    """Bring a tunnel up; only what deviates is touched, and no other tunnel."""
    name, peer = tunnel["name"], tunnel["peer_public_key"]
    path, text = f"{FOLDER}/{name}.conf", configuration(tunnel)
    now = host.get_fact(Tunnel, interface=name)
    wanted = [
        "file root:root 0600",
        *(f"file | {line}" for line in text.splitlines()),
        "starts at boot",
        f"address {tunnel['address']}",
        f"address {tunnel['address6']}",
        f"public-key {tunnel['public_key']}",
        f"listen-port {tunnel['listen_port']}",
        f"fwmark {tunnel['table']:#x}",
        f"endpoints {peer} {tunnel['endpoint']}",
        f"allowed-ips {peer} 0.0.0.0/0 ::/0",
    ]
    if now == wanted:
        return
    put = files.put._inner(StringIO(text), path, user="root", group="root", mode="600")
    commands = list(put)
    if "starts at boot" not in now:
        commands.append(f"systemctl enable wg-quick@{name}")
    restarts = _running(now) != _running(wanted)
    if restarts:
        commands.append(
            f"systemctl stop wg-quick@{name}; ip link delete dev {name} 2>/dev/null; "
            f"systemctl start wg-quick@{name}"
        )
    yield from told(
        commands,
        {
            "resource": f"tunnel {name}",
            "action": "update" if now else "create",
            "before": "\n".join(now),
            "after": "\n".join(wanted),
            "risk": ("cuts-path",) if now and restarts else (),
        },
        back=way_back(name, now),
    )


def way_back(name: str, now: list[str]) -> dict[str, tuple[str, ...]] | None:
    """Return how the tunnel gets back to ``now``; an interface without a file can't be made."""
    if _running(now) and not any(line.startswith("file") for line in now):
        return None
    boot = f"/etc/systemd/system/multi-user.target.wants/wg-quick@{name}.service"
    return {
        "saves": (f"{FOLDER}/{name}.conf", boot),
        "dumps": (DUMP.format(name),),
        "steps": (RESTORE.format(name),),
    }


def _running(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith(("file", "starts"))]


@operation()
def absent(name: str) -> Iterator[Any]:
    """Remove a tunnel that no longer is in the inventory."""
    now = host.get_fact(Tunnel, interface=name)
    commands = [
        f"systemctl disable --now wg-quick@{name} || true",
        f"ip link delete dev {name} 2>/dev/null || true",
        f"rm -f {FOLDER}/{name}.conf",
    ]
    yield from told(
        commands,
        {
            "resource": f"tunnel {name}",
            "action": "delete",
            "before": "\n".join(now) or name,
            "after": "",
            "risk": ("cuts-path",),
        },
        back=way_back(name, now),
    )
