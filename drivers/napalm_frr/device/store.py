"""Private files, the lock and the return timer: what must outlive one call.

RUN is in memory and gone after a reboot, as the uncommitted change itself is. VAR is on disk.
Both are open to root only: configurations hold secrets.
"""

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RUN = Path("/run/napalm-frr")
VAR = Path("/var/lib/napalm-frr")
PENDING = RUN / "pending.json"
ROLLBACK = VAR / "rollback.conf"
HISTORY = VAR / "history.jsonl"
UNIT = "napalm-frr-return"
LOCK_WAIT = 20.0  # seconds to wait for another change on this device to end
KEPT_RESULTS = 8


class BusyError(Exception):
    """Another change is being made on this device."""


def prepare() -> None:
    """Create the directories, for root only, whatever the umask was."""
    os.umask(0o077)
    for directory in (RUN, VAR):
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)


def write(path: Path, content: str) -> None:
    """Replace a file as a whole, so that a power cut leaves the old or the new one."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    with new.open("w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def read(path: Path) -> str | None:
    """Return the content of a file, None when there is none."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def lock(wait: float = LOCK_WAIT) -> Iterator[None]:
    """Hold the device's only lock; commit, confirm and the return timer exclude each other.

    Raises BusyError after `wait` seconds.
    """
    with (RUN / "lock").open("w") as file:
        until = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise BusyError("another change is being made on this device") from None
                time.sleep(0.02)
        yield


def pending() -> dict[str, Any] | None:
    """Return the commit that waits for its confirmation."""
    content = read(PENDING)
    return json.loads(content) if content else None


def arm(seconds: int, commit: dict[str, Any]) -> None:
    """Have systemd return to `commit["before"]` in `seconds`, unless disarmed by then.

    Called before the change, so that nothing that happens to us can prevent the return.
    """
    write(PENDING, json.dumps({**commit, "until": time.time() + seconds}))
    command = ["systemd-run", "--quiet", "--collect", f"--unit={UNIT}", f"--on-active={seconds}"]
    command += ["--timer-property=AccuracySec=100ms"]
    command += ["--property=Type=oneshot"]
    command += ["--property=Restart=on-failure", "--property=RestartSec=3"]
    subprocess.run([*command, sys.executable, "-I", sys.argv[0], "revert"], check=True)


def disarm() -> None:
    """Forget the waiting commit and its timer. The pending file goes first: it alone decides."""
    PENDING.unlink(missing_ok=True)
    command = ["systemctl", "--quiet", "stop", f"{UNIT}.timer"]
    subprocess.run(command, stderr=subprocess.DEVNULL, check=False)  # gone already: fine


def record(event: str, **facts: Any) -> None:
    """Append to the device's own history of changes (no configuration text, no secrets)."""
    with HISTORY.open("a") as file:
        file.write(json.dumps({"time": int(time.time()), "event": event, **facts}) + "\n")


def last_event() -> str:
    """Return what was recorded last, "" when nothing ever was."""
    lines = (read(HISTORY) or "").splitlines()
    return str(json.loads(lines[-1])["event"]) if lines else ""


def last_message() -> str:
    """Return the message of the last commit that was recorded, "" when there is none."""
    for line in reversed((read(HISTORY) or "").splitlines()):
        entry = json.loads(line)
        if entry["event"] == "commit":
            return str(entry["message"])
    return ""


def recall(key: str) -> str | None:
    """Return the prediction remembered under a key."""
    return read(RUN / f"staged-{key}")


def remember(key: str, prediction: str) -> None:
    """Keep a prediction in memory; only the newest few stay."""
    write(RUN / f"staged-{key}", prediction)
    kept = sorted(RUN.glob("staged-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in kept[KEPT_RESULTS:]:
        old.unlink(missing_ok=True)
