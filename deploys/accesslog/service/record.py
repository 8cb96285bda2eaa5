"""Records who had which address and which connections passed the gateway (law 5651)."""

import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from ipaddress import ip_address
from pathlib import Path
from types import FrameType
from typing import Any

from chain import Log
from sources import connection, leases, neighbours

CONNTRACK = "/usr/sbin/conntrack"
SYNC_SECONDS = 0.5
LOOK_SECONDS = 10.0  # between two looks at the neighbours and leases
AGAIN_SECONDS = 10.0  # between two looks at all connections, where losses go on
ALIVE_SECONDS = 60.0  # a line at least this often: so a gap is known to the minute
BUFFER_BYTES = 16 * 1024 * 1024


class Recorder:
    """Writes what ``config`` (see the deploy) asks for into the chain in ``folder``."""

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        self.own = {str(ip_address(own)) for own in config["own"]}  # as conntrack writes them
        self.inside = set(config["interfaces"])
        self.host, self.leases = config["host"], config["leases"]
        self.conntrack = config.get("conntrack", CONNTRACK)
        self._lock = (folder / "lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # two writers would break the chain
        self.log = Log(folder, config["file_megabytes"] * 1_000_000)
        self.known: dict[str, tuple[str, str]] = {}
        self.stop, self.turn = "", False
        self.looked = self.told = self.shot = 0.0
        self.unread: set[str] = set()  # lease files, told once
        signal.signal(signal.SIGTERM, self._told)
        signal.signal(signal.SIGHUP, self._told)

    def _told(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self.turn = True
        else:
            self.stop = "asked to"

    def run(self) -> int:
        """Record until told to stop (0) or until conntrack ends (1)."""
        command = [self.conntrack, "--buffer-size", str(BUFFER_BYTES), "-E", "-e", "NEW,DESTROY"]
        events = subprocess.Popen(
            [*command, "-o", "timestamp,extended,id"], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        machine = Path("/etc/machine-id").read_text(encoding="ascii").strip()
        new = self.log.new
        self.log.put("start", host=self.host, machine=machine, torn=self.log.torn)
        if new:  # sealed at once: nobody can begin the log anew later
            self.log.close()
        self._snapshot()
        notify("READY=1")
        try:
            self._follow(events)
        finally:
            self.log.put("stop", why=self.stop)
            self.log.sync()
            events.terminate()
            events.wait()
        return 0 if self.stop == "asked to" else 1

    def _follow(self, events: "subprocess.Popen[bytes]") -> None:
        assert events.stdout  # noqa: S101 - for the types
        rest = b""
        while not self.stop:
            if select.select([events.stdout], [], [], SYNC_SECONDS)[0]:
                chunk = os.read(events.stdout.fileno(), 1 << 20)
                if not chunk:
                    self.stop = self.stop or "conntrack ended"
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._event(line.decode(errors="replace"))
            self._between()

    def _between(self) -> None:
        """Do what is due beside the events."""
        if self.turn or self.log.due():
            self.turn = False
            self.log.close()
            self._snapshot()
            self.log.base = self.log.written  # or a busy gateway would do nothing else
        elif self.log.holed and time.monotonic() - self.shot > AGAIN_SECONDS:
            self._snapshot()  # which of those that were open still are
        elif time.monotonic() - self.looked > LOOK_SECONDS:
            self._addresses()
        if time.monotonic() - self.log.at > ALIVE_SECONDS:
            self.log.put("alive")
        self.log.sync(SYNC_SECONDS)
        if time.monotonic() - self.told > SYNC_SECONDS:
            self.told = time.monotonic()
            notify(f"WATCHDOG=1\nSTATUS={self._state()}")

    def _state(self) -> str:
        if self.log.lost:
            return f"NOT RECORDING: {self.log.lost} records lost for want of room"
        return f"record {self.log.n}"

    def _event(self, line: str) -> None:
        if "ENOBUFS" in line:
            self.log.put("lost", why="kernel")
        elif found := connection(line, self.own):
            at, what, fields = found
            self.log.put(what, at, **fields)
        elif line and "src=" not in line and not line.startswith(("NOTICE", "conntrack v")):
            print(line, file=sys.stderr, flush=True)  # never who talks to whom

    def _snapshot(self) -> None:
        """Write what is so right now, so that each file can be understood alone."""
        self.known, self.log.holed, self.shot = {}, False, time.monotonic()
        self._addresses()
        for line in run(self.conntrack, "-L", "-o", "extended,id").splitlines():
            self._event(line)
        self.log.put("alive")

    def _addresses(self) -> None:
        """Write which addresses have another owner than when last looked."""
        self.looked = time.monotonic()
        leased: dict[str, tuple[str, str]] = {}
        for path in self.leases:
            try:
                leased |= leases(Path(path).read_text(encoding="utf-8", errors="replace"))
            except FileNotFoundError:  # no lease yet
                continue
            except OSError as error:
                if path not in self.unread:
                    print(f"lease file not read: {error}", file=sys.stderr, flush=True)
                self.unread.add(path)
        seen = neighbours(run("ip", "-json", "neighbour"), self.inside)
        owners = leased | {
            address: (mac, leased[address][1] if leased.get(address, ("",))[0] == mac else "")
            for address, mac in seen.items()
        }
        for address, owner in owners.items():
            if self.known.get(address) != owner:
                self.log.put("address", address=address, mac=owner[0], name=owner[1])
                self.known[address] = owner


def run(*command: str) -> str:
    """Return what a command printed; one that fails is told to the journal."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{command[0]}: {done.stderr}", file=sys.stderr, flush=True)
    return done.stdout


def notify(text: str) -> None:
    """Tell systemd, see sd_notify(3)."""
    if where := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.connect(where.replace("@", "\0", 1) if where[0] == "@" else where)
            to.send(text.encode())


if __name__ == "__main__":
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.exit(Recorder(settings, Path(os.environ["STATE_DIRECTORY"])).run())
