"""The package mirror: the town's only way to the outside, and only to Debian's archive.

apt-cacher-ng runs on the machine without any TCP port; in the lab, each building has a relay to
its socket. One cache serves all labs of a checkout.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from blueprint import MirrorPort
from tools import LabError, own, owner, processes, run
from wires import Namespace

SUPPORT = Path("/usr/lib/apt-cacher-ng")
RELEASE = "bookworm"
ARCHIVES = {
    RELEASE: "http://deb.debian.org/debian",
    f"{RELEASE}-security": "http://deb.debian.org/debian-security",
}
"""Where Debian keeps each suite; the addresses that the hosts of the lab know."""
LONGEST_SOCKET_PATH = 107

CONFIG = """\
CacheDir: {cache}/packages
LogDir: {cache}/log
SupportDir: {support}
SocketPath: {cache}/socket
# Port 0 means 3142 to this version; an address that nobody has keeps it from any TCP port.
BindAddress: 240.0.0.1
ForeGround: 1
ForceManaged: 1
{proxy}
Remap-debian: deb.debian.org/debian ; {main}
Remap-security: deb.debian.org/debian-security security.debian.org/debian-security ; {security}
"""


def sources() -> dict[str, str]:
    """Return, by suite, where this machine itself gets Debian 12 from."""
    found = dict(ARCHIVES)
    targets = run(["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)"])
    for line in targets.splitlines():
        suite, uri = line.split(maxsplit=1)
        if suite in ARCHIVES and uri.startswith("http"):
            found[suite] = uri.rstrip("/")
    return found


def apt_setting(name: str) -> str:
    """Return a setting of this machine's apt, or "" when it has none."""
    return run(["apt-config", "shell", "V", name]).strip().removeprefix("V=").strip("'")


@dataclass(frozen=True)
class Mirror:
    """A package cache in the folder ``cache``."""

    cache: Path

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.cache / "socket"

    def start(self) -> bool:
        """Start it; return False when it runs already.

        Raises:
            LabError: it doesn't listen after ten seconds.
        """
        if self.pids() and self.socket.is_socket():
            return False
        if len(str(self.socket)) > LONGEST_SOCKET_PATH:
            raise LabError(f"{self.socket}: too long for a socket", "Move the checkout up.")
        self.stop()
        for name in ("packages", "log", "config"):
            (self.cache / name).mkdir(exist_ok=True)
            own(self.cache / name)
        where, proxy = sources(), apt_setting("Acquire::http::Proxy")
        (self.cache / "config" / "acng.conf").write_text(
            CONFIG.format(
                cache=self.cache,
                support=SUPPORT,
                proxy=f"Proxy: {proxy}" if proxy else "",
                main=where[RELEASE],
                security=where[f"{RELEASE}-security"],
            ),
            encoding="utf-8",
        )
        user, group = map(str, owner())
        identity = ["setpriv", "--reuid", user, "--regid", group, "--clear-groups"]
        log = self.cache / "log" / "start.log"
        _spawn([*identity, "/usr/sbin/apt-cacher-ng", "-c", str(self.cache / "config")], log)
        for _ in range(100):
            if self.socket.is_socket():
                return True
            time.sleep(0.1)
        raise LabError(f"apt-cacher-ng did not start:\n{log.read_text(encoding='utf-8')}")

    def pids(self) -> list[int]:
        """Return the processes of this cache."""
        return list(processes("/usr/sbin/apt-cacher-ng", str(self.cache / "config")))

    def stop(self) -> None:
        """End it, if it runs."""
        for pid in self.pids():
            _end(pid)
        self.socket.unlink(missing_ok=True)

    def relay(self, namespace: Namespace, where: MirrorPort) -> None:
        """Let it be found at ``where`` in the namespace, if it isn't yet."""
        if self.relays(namespace, where):
            return
        # in.acng is apt-cacher-ng's own bridge for inetd: it tells the client's address first.
        bridge = f"EXEC:{SUPPORT}/in.acng {self.socket},nofork"
        _spawn(namespace.command("socat", _listen(where), bridge), self.cache / "log" / "relay.log")

    def relays(self, namespace: Namespace, where: MirrorPort) -> bool:
        """Return whether it can be found there."""
        if not namespace.exists or not self.pids():
            return False
        return not set(namespace.pids()).isdisjoint(processes("socat", _listen(where)))


def _listen(where: MirrorPort) -> str:
    address = where.address.split("/")[0]
    return f"TCP-LISTEN:{where.port},bind={address},fork,reuseaddr"


def end_all(namespace: Namespace) -> None:
    """End every process in the namespace: relays, captures and what `lab run` started there."""
    for pid in namespace.pids() if namespace.exists else []:
        _end(pid)


def _spawn(command: list[str], log: Path) -> None:
    with log.open("ab") as file:
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )


def _end(pid: int, patience: float = 3.0) -> None:
    """Ask the process to end; force it after ``patience`` seconds."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
            deadline = time.monotonic() + patience
            while time.monotonic() < deadline:
                os.kill(pid, 0)
                if _is_zombie(pid):
                    return
                time.sleep(0.02)
        except (ProcessLookupError, FileNotFoundError):
            return


def _is_zombie(pid: int) -> bool:
    return ") Z " in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
