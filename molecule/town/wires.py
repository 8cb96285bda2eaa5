"""The lab's network: a namespace with one bridge per LAN and one for the WAN, and veth pairs.

Nothing of it is in the machine's own network: no address, route, sysctl or firewall rule.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from blueprint import Machine, Port
from tools import processes, run


@dataclass(frozen=True)
class Namespace:
    """A network namespace of the machine, by name."""

    name: str

    @property
    def exists(self) -> bool:
        """Whether it is there."""
        return Path("/run/netns", self.name).exists()

    def command(self, *command: str) -> list[str]:
        """Return ``command`` so that it runs inside."""
        return ["ip", "netns", "exec", self.name, *command]

    def links(self) -> set[str]:
        """Return the names of its interfaces."""
        return {link["ifname"] for link in json.loads(run(["ip", "-n", self.name, "-j", "link"]))}

    def add(self, bridges: Iterable[str], addresses: Iterable[tuple[str, str]]) -> None:
        """Create it with its bridges and the ``(bridge, CIDR)`` addresses; may be there already."""
        if not self.exists:
            run(["ip", "netns", "add", self.name])
        # No way through, which would join the LANs, and no IPv6 chatter of its own on the WAN.
        ipv6 = [f"net.ipv6.conf.{name}.disable_ipv6=1" for name in ("all", "default")]
        run(self.command("sysctl", "-qew", "net.ipv4.ip_forward=0", *ipv6))
        there = self.links()
        lines = [f"link add {b} type bridge" for b in bridges if b not in there]
        lines += [f"link set {b} up" for b in ("lo", *bridges)]
        lines += [f"address replace {address} dev {b}" for b, address in addresses]
        self._batch(lines)

    def plug(self, machine: Machine, pid: int) -> None:
        """Connect the network namespace of process ``pid``; what is connected already stays."""
        there = self.links()
        for port in machine.ports:
            cable = cable_name(machine, port)
            if cable in there and port.name in ports_of(pid):
                continue
            self._batch(
                ([f"link del {cable}"] if cable in there else [])
                + [
                    f"link add {cable} type veth peer name {port.name} netns {pid}",
                    f"link set {cable} alias {machine.name}.{port.name} master {port.bridge} up",
                ]
            )
        lines = ["link set lo up"]
        for port in machine.ports:
            if not machine.platform:  # a switch takes its address from its own configuration
                addresses = [port.address, *([f"{port.address6} nodad"] if port.address6 else [])]
                lines += [f"address replace {a} dev {port.name}" for a in addresses]
            lines += [f"link set {port.name} up"]
        if not machine.platform:
            ways = {"0.0.0.0/0": machine.gateway, "::/0": machine.gateway6}
            # A router's own routes come first: of the kernel's, zebra reads 200 as the distance.
            metric = f" metric {200 << 24}" if machine.routes else ""
            lines += [f"route replace {net} via {way}{metric}" for net, way in ways.items() if way]
        run(["nsenter", "-t", str(pid), "-n", "ip", "-batch", "-"], "\n".join(lines))

    def pids(self) -> list[int]:
        """Return the processes that run inside."""
        return [int(pid) for pid in run(["ip", "netns", "pids", self.name]).split()]

    def serve(self, program: str, *words: str) -> bool:
        """Let a Python program run inside until it ends; False where it does."""
        if not set(self.pids()).isdisjoint(processes(program, *words)):
            return False
        subprocess.Popen(
            self.command(sys.executable, "-B", program, *words), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        return True

    def remove(self) -> None:
        """Delete it with its bridges and cables, if it is there."""
        if self.exists:
            run(["ip", "netns", "del", self.name])

    def _batch(self, lines: list[str]) -> None:
        run(["ip", "-n", self.name, "-batch", "-"], "\n".join(lines))


def cable_name(machine: Machine, port: Port) -> str:
    """Return the name of the bridge's end: names of interfaces have at most 15 characters."""
    return "v" + hashlib.sha256(f"{machine.name}.{port.name}".encode()).hexdigest()[:12]


def ports_of(pid: int) -> set[str]:
    """Return the interfaces that process ``pid`` has; none when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/net/dev").read_text(encoding="ascii").splitlines()[2:]
    except FileNotFoundError:
        return set()
    return {line.split(":")[0].strip() for line in lines}


def listens(pid: int, port: int) -> bool:
    """Return whether something listens on TCP ``port`` in the network of process ``pid``."""
    for table in ("tcp", "tcp6"):
        try:
            rows = Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]
        except FileNotFoundError:
            continue  # the process is gone, or the kernel has no IPv6
        for _, local, _, state, *_ in (row.split() for row in rows):
            if state == "0A" and int(local.rsplit(":", 1)[1], 16) == port:
                return True
    return False
