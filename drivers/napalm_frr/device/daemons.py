"""FRR's daemons on this router: which there are, and whether they live.

A daemon that crashes is started again by FRR's watchfrr, some seconds later.
"""

import time
from pathlib import Path

SOCKETS = Path("/run/frr")
PATIENCE = 15  # seconds for a crashed daemon to come back


def names() -> list[str]:
    """Return the daemons that vtysh talks to, zebra first."""
    found = sorted(path.stem for path in SOCKETS.glob("*.vty") if path.stem != "watchfrr")
    return sorted(found, key=lambda name: name != "zebra")


def process(name: str) -> str:
    """Return the process number of a daemon, "" when it does not run."""
    try:
        pid = (SOCKETS / f"{name}.pid").read_text().strip()
        alive = Path("/proc", pid, "cmdline").read_text()  # empty of one that ended just now
    except OSError:
        return ""
    return pid if alive else ""


def processes() -> dict[str, str]:
    """Return all daemons with their process numbers."""
    return {name: process(name) for name in names()}


def awaited() -> dict[str, str]:
    """Return the same, once all of them run, or patience has ended."""
    until = time.monotonic() + PATIENCE
    while "" in (found := processes()).values() and time.monotonic() < until:
        time.sleep(0.5)
    return found
