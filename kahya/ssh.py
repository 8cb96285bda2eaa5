"""One OpenSSH configuration for all engines, made from the inventory."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kahya.model import Host, Town
from kahya.topology import wan_address

SSH_PORT = 22
HTTPS_PORT = 443
REACH_SECONDS = 3.0
CONVERGE_SECONDS = 30.0


def write_ssh_config(
    town: Town, directory: Path, via_wan: Iterable[str] = (), *, shared: bool = False
) -> Path:
    """Write ``directory``/ssh_config and return its path.

    Args:
        town: the hosts to name in it.
        directory: a private folder.
        via_wan: hosts that can't be reached over the VPN yet (see ``beyond_vpn``); they are
            reached through the workstation's own gateway and the branch gateway's WAN address.
        shared: let many short commands share one connection to a host (probes do).
    """
    jumps = _jumps(town, set(via_wan))
    hosts = [*town.hosts.values(), *town.outside.values()]
    blocks = [_block(host, jumps.get(host.name)) for host in hosts]
    if shared:
        options = {"ControlMaster": "auto", "ControlPath": directory / "%C", "ControlPersist": "15"}
        blocks.append("Host *\n" + "".join(f"    {k} {v}\n" for k, v in options.items()))
    path = directory / "ssh_config"
    path.touch(mode=0o600)
    path.write_text("\n".join(blocks), encoding="utf-8")
    return path


def hang_up(directory: Path) -> None:
    """End the connections that were shared by way of ``directory``: none outlives its use."""
    for path in directory.iterdir():
        if path.is_socket():
            command = ["ssh", "-o", f"ControlPath={path}", "-O", "exit", "any"]
            subprocess.run(command, capture_output=True, check=False)


def host_keys(town: Town, names: Iterable[str]) -> dict[str, str]:
    """Return the fingerprint of the key by which each host is known, "" where it has none."""
    found = {}
    for name in names:
        host = town.hosts[name]
        command = ["ssh-keygen", "-lF", host.address, "-f", host.vars["ssh_known_hosts_file"]]
        lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        keys = [line for line in lines.splitlines() if line and not line.startswith("#")]
        found[name] = " ".join(sorted(line.split()[2] for line in keys))
    return found


def beyond_vpn(town: Town) -> tuple[str, ...]:
    """Return the hosts of buildings whose gateway doesn't answer from here (first bring-up)."""
    gateways = [h for h in town.hosts.values() if "gateways" in h.groups]
    with ThreadPoolExecutor(len(gateways) or 1) as pool:
        found = dict(zip((g.building for g in gateways), pool.map(answers, gateways), strict=True))
    return tuple(h.name for h in town.hosts.values() if not found.get(h.building, True))


def await_vpn(town: Town) -> bool:
    """Wait until all gateways answer: routers need some seconds to find each other."""
    until = time.monotonic() + CONVERGE_SECONDS
    while beyond_vpn(town):
        if time.monotonic() > until:
            return False
        time.sleep(1)
    return True


def answers(host: Host) -> bool:
    """Return whether a port by which one logs in to the host can be reached from here."""
    ports = [host.vars.get("ansible_port", SSH_PORT)]
    connection = str(host.vars.get("ansible_connection", ""))
    if "switches" in host.groups or connection.endswith("httpapi"):  # logged in to over HTTPS
        ports.append(host.vars.get("ansible_httpapi_port", HTTPS_PORT))
    return any(_open(host.address, int(port)) for port in ports)


def _open(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), REACH_SECONDS).close()
    except OSError:
        return False
    return True


def _jumps(town: Town, via_wan: set[str]) -> Mapping[str, tuple[str, str]]:
    """Return address and jump host for each host in ``via_wan``."""
    gateways = {h.building: h for h in town.hosts.values() if "gateways" in h.groups}
    home = next((h.building for h in town.hosts.values() if "workstations" in h.groups), "")
    # Hosts outside are logged in to from the nearest gateway: the town's LANs may not reach them.
    jumps = {
        h.name: (h.address, gateways[h.building or home].name)
        for h in town.outside.values()
        if home
    }
    for name in via_wan:
        host = town.hosts[name]
        gateway = gateways.get(host.building)
        if host is gateway and host.building != home and home in gateways:
            jumps[name] = (wan_address(host.vars), gateways[home].name)
        elif gateway and host.building != home:
            jumps[name] = (host.address, gateway.name)
    return jumps


def _block(host: Host, jump: tuple[str, str] | None) -> str:
    lines = {
        "HostName": jump[0] if jump else host.address,
        "Port": str(host.vars.get("ansible_port", "")),
        "User": host.vars["ansible_user"],
        "IdentityFile": host.vars.get("ansible_ssh_private_key_file", ""),
        "IdentitiesOnly": "yes" if "ansible_ssh_private_key_file" in host.vars else "",
        "UserKnownHostsFile": host.vars["ssh_known_hosts_file"],
        "StrictHostKeyChecking": "yes",
        "ConnectTimeout": "8",
        "LogLevel": "ERROR",  # without the hosts' login banner
        "ServerAliveInterval": "10",
        "ServerAliveCountMax": "3",
        "ProxyJump": jump[1] if jump else "",
    }
    return f"Host {host.name}\n" + "".join(f"    {k} {v}\n" for k, v in lines.items() if v)
