"""The way back of pyinfra's changes: what each operation needs for it, and the script on the host.

Before a system is changed, what that will touch is saved in a folder on the host, beside a script
that restores it (way_back.sh: read it first). Where the path to the host is at stake, a timer of
the host's own runs that script unless a new login over that path comes first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import gevent
from paramiko import SSHException
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import ConnectError, PyinfraError
from pyinfra.facts.deb import DebPackages
from pyinfra.facts.server import Sysctl, Users
from pyinfra.facts.systemd import SystemdEnabled, SystemdStatus

from kahya.engines.pyinfra_meaning import Operation, unit_of
from kahya.engines.pyinfra_ssh import LOST, Connection
from kahya.model import OutcomeStatus

FOLDER = "/var/lib/kahya/return"
SCRIPT = Path(__file__).with_name("way_back.sh")
RESERVE_SECONDS = 5  # of the timer, left for the confirmation
PATIENCE_SECONDS = 30  # after the timer, for the host to answer again

BY_ITSELF = ("timer", "unconfirmed")  # who undid a change that was not confirmed
RETURNED = "it had returned by itself, for nobody confirmed the change"
UNTOUCHED = "nothing was changed here by this plan"
NO_WAY = {
    "": "no way back: nothing was changed here since such states are kept",
    "revert": "no way back: it was reverted already",
    "again": "the last revert waits for its confirmation; try again in a minute",
}

SETTLED = """
set -e
umask 077
mkdir -p {folder}
cd {folder}
for armed in */armed; do
    [ ! -e "$armed" ] || {{
        echo "${{armed%/*}} was changed and waits for its confirmation;" \
            "it returns by itself: try again in a minute" >&2
        exit 1
    }}
done
"""
SAVE = """
rm -rf .new
mkdir .new
{files}
(cd .new && sh ./way_back save)
if [ -n {resumed} ] && [ ! -e {name}/returned ] && cmp -s .new/label {name}/label; then
    mv {name} .new/earlier
fi
rm -rf {name}
mv .new {name}
sync -f {name}
"""


@dataclass(frozen=True)
class Way:
    """What one operation needs to be undone: see way_back.sh."""

    saves: tuple[str, ...] = ()
    dumps: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()


def way_back(host: Any, op: Operation) -> Way | None:
    """Return how ``op`` is undone; None when that is not known, or would cost data."""
    told = [c for c in op.commands if hasattr(c, "meaning")]
    if told:
        ways = [c.way for c in told]
        return Way(**ways[0]) if all(ways) else None
    return WAYS[op.kind](host, op) if op.kind in WAYS else None


def _file(_: Any, op: Operation) -> Way | None:
    wanted = op.arguments
    return None if wanted.get("recursive") else Way(saves=(wanted.get("dest") or wanted["path"],))


def _packages(host: Any, op: Operation) -> Way | None:
    """Return how to remove what is new; their settings and data stay."""
    names = op.arguments["packages"] or []
    there = host.get_fact(DebPackages)
    specs = [names] if isinstance(names, str) else names
    new = [name for name in (s.partition("=")[0] for s in specs) if name not in there]
    replaced = any("=" in s and s.partition("=")[0] in there for s in specs)
    if not op.arguments["present"] or op.arguments["latest"] or replaced:
        return None
    return Way(steps=(f"DEBIAN_FRONTEND=noninteractive dpkg --remove {_words(new)}",) * bool(new))


def _user(host: Any, op: Operation) -> Way | None:
    wanted, name = op.arguments, op.arguments["user"]
    now = host.get_fact(Users).get(name)
    if not wanted["present"] or wanted["password"]:
        return None
    home = wanted["home"] or (now or {}).get("home") or f"/home/{name}"
    saves = (f"{home}/.ssh/authorized_keys", f"{home}/.ssh", home)
    if now is None:
        return Way(saves, steps=(f"userdel {quote(name)}",))  # a home with files in it stays
    options = {"-c": "comment", "-d": "home", "-s": "shell", "-g": "group"}
    given = [f"{o} {quote(now[key])}" for o, key in options.items() if wanted[key]]
    if wanted["groups"]:
        given.append(f"-G {quote(','.join(now['groups']))}")
    return Way(saves, steps=(f"usermod {' '.join(given)} {quote(name)}",) * bool(given))


def _sysctl(host: Any, op: Operation) -> Way | None:
    key = op.arguments["key"]
    live = host.get_fact(Sysctl, keys=[key]).get(key)
    text = " ".join(map(str, live)) if isinstance(live, list) else str(live)
    return Way(
        saves=(op.arguments["persist_file"],),
        steps=() if live is None else (f"sysctl -q -w {quote(f'{key}={text}')}",),
    )


def _service(host: Any, op: Operation) -> Way | None:
    unit = unit_of(op.arguments["service"])
    active = host.get_fact(SystemdStatus, services=[unit]).get(unit, False)
    enabled = host.get_fact(SystemdEnabled, services=[unit]).get(unit, False)
    steps = []
    if op.arguments["running"] not in (None, active):
        steps.append(f"systemctl {'start' if active else 'stop'} {quote(unit)}")
    if op.arguments["enabled"] not in (None, enabled):
        steps.append(f"systemctl {'enable' if enabled else 'disable'} {quote(unit)}")
    return Way(steps=tuple(steps))


def _timezone(_host: Any, _: Operation) -> Way | None:
    return Way(saves=("/etc/localtime", "/etc/timezone"))


WAYS: dict[str, Callable[[Any, Operation], Way | None]] = {
    "apt.packages": _packages,
    "files.directory": _file,
    "files.file": _file,
    "files.put": _file,
    "files.template": _file,
    "server.sysctl": _sysctl,
    "server.timezone": _timezone,
    "server.user": _user,
    "systemd.service": _service,
}


class Return:
    """The way back of one system on one host."""

    def __init__(self, connection: Connection, system: str, seconds: int) -> None:
        self._connection, self._system, self.seconds = connection, system, seconds
        self._until = 0.0  # when the host's timer ends, while it is armed
        self._goal: tuple[str, ...] = BY_ITSELF  # what its status says once it is back

    def save(
        self, host: Any, operations: Sequence[Operation], label: str, *, resumed: bool
    ) -> None:
        """Save on the host what ``operations`` will touch, and how to get it back.

        ``label`` names what was approved; where an interrupted apply of the same is ``resumed``,
        the way back goes through both.

        Raises:
            PyinfraError: it could not be saved; nothing was changed.
        """
        doing = [op for op in operations if op.commands]
        if not doing:
            if resumed:  # what is there may have been done by a run that did not confirm it
                self._connection.send("sudo -H -n sh", SETTLED.format(folder=FOLDER))
            return
        ways = [(op, way_back(host, op) or Way()) for op in doing]
        done = {id(op.meta) for op in doing}
        follow = [op for op in operations if any(id(meta) in done for meta in op.triggers() or ())]
        then = [(op.cuts, command) for op in follow for command in _repeated(host, op)]
        undo = [(op.cuts, step) for op, way in reversed(ways) for step in way.steps]
        files = {
            "way_back": SCRIPT.read_text(encoding="utf-8"),
            "label": label,
            "paths": _lines(dict.fromkeys(path for _, way in ways for path in way.saves)),
            "dumps": _lines(dump for _, way in ways for dump in way.dumps),
            "steps": _lines(f"step {quote(step)}" for _, step in then + undo),
            "cuts": _lines(f"step {quote(step)}" for cuts, step in then + undo if cuts),
        }
        # Through cat, which says it when the disk is full.
        writes = [f"printf %s {quote(text)} | cat >.new/{name}" for name, text in files.items()]
        script = (SETTLED + SAVE).format(
            folder=FOLDER,
            files="\n".join(writes),
            name=quote(self._system),
            resumed="yes" if resumed else "''",
        )
        self._connection.send("sudo -H -n sh", f"{{\n{script}\n}}\n")

    def arm(self) -> None:
        """Have the host return by itself, unless ``confirm`` comes in time."""
        if not self.armed:
            began = time.monotonic()
            self._call("arm", str(self.seconds))
            self._until = began + self.seconds

    @property
    def armed(self) -> bool:
        """Say whether the host's timer runs."""
        return bool(self._until)

    def limit(self, words: str) -> gevent.Timeout:
        """Return a context that raises PyinfraError(``words``) shortly before the timer ends."""
        left = self._until - RESERVE_SECONDS - time.monotonic() if self.armed else None
        return gevent.Timeout(left if left is None else max(left, 0.1), PyinfraError(words))

    def confirm(self, action: str = "confirm") -> None:
        """Log in anew over the path that was changed; only then stop the timer.

        ``action`` is what to ask of way_back.sh then.

        Raises:
            LOST: no login was possible, or it came too late.
        """
        if self.armed:
            with self.limit("the path to the host is cut: no new login was possible"):
                self._settle(action)
            self._until = 0.0

    def revert(self, run: str = "") -> str:
        """Go back to the state that was saved.

        Args:
            run: the label under which it was saved; nothing is done if another was last.

        Returns:
            Words about it, "" for an ordinary return.

        Raises:
            PyinfraError: there is no way back, or the host could not go all of it.
            LOST: the path was cut by it; see ``await_return``.
        """
        if run and self._label() != run:
            return UNTOUCHED
        state, *cuts = self._call("status").split() or [""]
        if state in NO_WAY:
            raise PyinfraError(NO_WAY[state])
        if state in BY_ITSELF:
            self._call("claim")
            return RETURNED
        if cuts:
            self._until, self._goal = time.monotonic() + self.seconds, ("kept",)
        with self.limit("lost while it went back"):
            self._call("revert", str(self.seconds))
        self.confirm("settle")
        return ""

    def became(self, run: str) -> tuple[OutcomeStatus, str]:
        """Say whether what was done under the label ``run`` is still there; nothing is changed.

        Raises:
            LOST: the host can't be asked.
        """
        if self._label() != run:
            return "reverted", UNTOUCHED
        state = (self._call("status").split() or [""])[0]
        if state in ("armed", "again"):
            return "unreachable", "its own return is still to come"
        if state in (*BY_ITSELF, "revert"):
            return "reverted", RETURNED
        return "failed", "it can be reached again, and what was done is still there"

    def await_return(self, words: str) -> tuple[bool, str]:
        """Wait for the host's own return; say whether it is back, and what to tell of it."""
        until = self._until + PATIENCE_SECONDS
        while time.monotonic() < until:
            gevent.sleep(1)
            try:
                with gevent.Timeout(PATIENCE_SECONDS):
                    self._connection.reconnect()
                    if self._goal == BY_ITSELF:
                        self._call("undo", "unconfirmed")  # it can be reached: no need to wait
                    if self._call("status").startswith(self._goal):
                        return True, f"{words}; the host has returned to the state before"
            except LOST:
                continue
        return False, f"{words}; the host is lost and not back yet: check it on site"

    def _label(self) -> str:
        path = f"{FOLDER}/{self._system}/label"
        script = f"cat {quote(path)} 2>/dev/null || true"
        return self._connection.send(f"sudo -H -n sh -c {quote(script)}", "").decode()

    def _call(self, *arguments: str) -> str:
        path = f"{FOLDER}/{self._system}/way_back"
        script = f"test ! -e {quote(path)} || sh {quote(path)} {_words(arguments)}"
        return self._connection.send(f"sudo -H -n sh -c {quote(script)}", "").decode()

    def _settle(self, action: str) -> None:
        while True:
            try:
                self._connection.reconnect()
                self._call(action)
            except (ConnectError, OSError, EOFError, SSHException):
                gevent.sleep(0.5)
            else:
                return


def _repeated(host: Any, op: Operation) -> list[str]:
    """Return the commands of what follows from a change, where it follows from its undoing too.

    What did not run before is not told to read anew: undoing its start is enough.
    """
    reads_anew = op.arguments.get("restarted") or op.arguments.get("reloaded")
    if reads_anew:
        unit = unit_of(op.arguments["service"])
        reads_anew = host.get_fact(SystemdStatus, services=[unit]).get(unit, False)
    if not (reads_anew or op.kind in ("server.shell", "systemd.daemon_reload")):
        return []
    return [c.get_raw_value() for c in op.generate() if isinstance(c, StringCommand)]


def _lines(texts: Any) -> str:
    return "".join(f"{text}\n" for text in texts)


def _words(arguments: Any) -> str:
    return " ".join(map(quote, arguments))
