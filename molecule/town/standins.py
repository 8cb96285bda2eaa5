"""The lab's switches: stand-ins (tests/devices), each a process in a network of its own."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from blueprint import Machine
from containers import Container
from tools import LabError, own, processes

from kahya.model import Host

TESTS = Path(__file__).resolve().parents[2] / "tests"
ALL = "0.0.0.0"  # noqa: S104 - of a network of its own
FACTORY = {
    "ios": """\
hostname {name}
enable secret 0 {enable}
username {user} privilege 15 secret 0 {password}
archive
 path flash:archive
file prompt quiet
ip scp server enable
interface Vlan1
 ip address {address} {mask}
ip default-gateway {gateway}
line vty 0 15
 login local
 transport input ssh
""",
    "eos": """\
hostname {name}
enable password 0 {enable}
username {user} privilege 15 role network-admin secret 0 {password}
interface Vlan1
 ip address {address}/{length}
ip route 0.0.0.0/0 {gateway}
management api http-commands
 no shutdown
""",
}
"""Day zero: an address, a user, and what it takes to be reached and to load a configuration."""


def factory(host: Host) -> str:
    """Return the configuration that the switch ``host`` is delivered with."""
    lan = ipaddress.ip_network(host.vars["building"]["lan"])
    return FACTORY[host.vars["platform"]].format(
        name=host.name,
        user=host.vars["ansible_user"],
        password=host.vars["ansible_password"],
        enable=host.vars.get("ansible_become_password", host.vars["ansible_password"]),
        address=host.address,
        mask=lan.netmask,
        length=lan.prefixlen,
        gateway=host.vars["building"]["gateway"],
    )


@dataclass(frozen=True)
class Standins:
    """The stand-ins whose folders are in ``folder``, one for each switch."""

    folder: Path

    def there(self) -> dict[str, Container]:
        """Return them by name, in the form in which podman's containers are told."""
        folders = sorted(self.folder.iterdir()) if self.folder.exists() else []
        return {path.name: self._one(path) for path in folders}

    def _one(self, path: Path) -> Container:
        pids = list(processes("devices", "--state", str(path)))
        key, spec = path / "host_key.pub", path / "spec"
        shown = " ".join(key.read_text(encoding="ascii").split()[:2]) if key.exists() else ""
        made = spec.read_text(encoding="ascii") if spec.exists() else ""
        return Container(path.name, pids[0] if pids else 0, bool(made), made, shown)

    def create(self, machine: Machine, configuration: str) -> None:
        """Make a switch as it is delivered, switched off."""
        path = self.folder / machine.name
        path.mkdir(mode=0o700, parents=True)
        for file, text in (
            (path / "factory", configuration),
            (path / "spec", spec(machine, configuration)),
        ):
            file.touch(mode=0o600)
            file.write_text(text, encoding="utf-8")

    def start(self, machines: Iterable[Machine]) -> None:
        """Switch them on, with no cable plugged in yet."""
        for machine in machines:
            path = self.folder / machine.name
            with (path / "log").open("ab") as log:
                subprocess.Popen(
                    [*["unshare", "--net", sys.executable, "-B", "-m", "devices"],
                     *[machine.platform, "--state", str(path), "--factory", str(path / "factory")],
                     *["--address", ALL, "--known-as", machine.addresses[0]],
                     *["--uplink", machine.ports[0].name, "--ports", machine.card],
                     *(word for cable in machine.cables for word in ("--plug", *cable))],
                    cwd=TESTS, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True,
                )  # fmt: skip
            self._await(machine.name)

    def _await(self, name: str, patience: float = 10.0) -> None:
        """Wait until the process is in its own network."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            pid = self.there()[name].pid
            if pid and _network(pid) != _network(os.getpid()):
                return
            time.sleep(0.02)
        log = (self.folder / name / "log").read_text(encoding="utf-8")
        raise LabError(f"{name} did not start:\n{log}")

    def stop(self, names: Iterable[str]) -> None:
        """Pull the plug: what ran and was not saved is lost."""
        there = self.there()
        for name in names:
            if name in there and there[name].runs:
                os.kill(there[name].pid, signal.SIGKILL)
                while self.there()[name].runs:
                    time.sleep(0.02)

    def remove(self, names: Iterable[str]) -> None:
        """Remove them, whether they run or not."""
        names = [name for name in names if (self.folder / name).exists()]
        self.stop(names)
        for name in names:
            shutil.rmtree(self.folder / name)

    def certify(self, path: Path) -> None:
        """Write the certificates by which those behind HTTPS are known; each vouches for itself."""
        found = sorted(self.folder.glob("*/certificate.pem"))
        path.write_text("".join(p.read_text(encoding="ascii") for p in found), encoding="ascii")
        own(path)

    def console(self, name: str, commands: str) -> list[str]:
        """Return the command that types at a switch's console."""
        python = ["env", f"PYTHONPATH={TESTS}", sys.executable, "-B", "-m", "devices"]
        return [*python, "console", str(self.folder / name), commands]


def spec(machine: Machine, configuration: str) -> str:
    """Return a digest of what the switch is made from: another one means making it anew."""
    return hashlib.sha256(repr((machine, configuration)).encode()).hexdigest()[:16]


def _network(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/net").readlink())
    except FileNotFoundError:
        return ""
