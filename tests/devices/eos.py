"""The commands of Arista EOS."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from devices import diff, eos_show
from devices.cli import Answer, RefusedError, command
from devices.config import Config
from devices.device import Device
from devices.grammar import CliError

MAX_PENDING = 5


@dataclass
class Session:
    """A candidate of its own."""

    config: Config
    base: Config = field(repr=False)
    state: str = "pending"


class EosCli(eos_show.EosShow):
    """A session on EOS. ``session`` is the candidate that is being edited, if one is."""

    def __init__(self, device: Device, user: str, level: int = 15, **ask: Any) -> None:
        super().__init__(device, user, level, **ask)
        self.session = ""

    @property
    def prompt(self) -> str:
        """The host name, and where one is."""
        name = self.device.hostname
        if not self.cursor:
            return f"{name}#"
        session = f"-s-{self.session[:6]}" if self.session else ""
        return f"{name}(config{session})#" if not self.typed else ""

    def refusal(self, error: CliError) -> str:
        """Return EOS's words."""
        before = error.line[: error.at].split()
        words = error.line.split()[len(before) :]
        at = f" (at token {len(before)}: {words[0] if words else None!r})"
        kind = {"ambiguous": "Ambiguous command", "invalid": "Invalid input"}
        return f"% {kind.get(error.kind, 'Incomplete command')}{at}\n"

    def filter(self, answer: Answer, kind: str, pattern: str = "") -> Answer:
        """Know two more things behind a ``|``."""
        if kind == "json":
            return json.dumps(answer, indent=4) + "\n"
        return answer if kind == "no-more" else super().filter(answer, kind, pattern)

    def _leaves(self, line: str) -> bool:
        word = line.strip().split(" ")[0]
        if self.session and word in ("commit", "abort", "rollback"):
            return True
        return word == "show"

    @command("enable", "terminal length NUM", "terminal width NUM")
    def enable(self, lines: str = "") -> None:
        """Be understood; whoever logs in is enabled already."""
        if self.words[:2] == ("terminal", "length"):
            self.page = int(lines)

    @command("exit", "quit", "logout", "disable")
    def exit(self) -> None:
        """End the session."""
        self.done = True

    @command("configure [terminal]")
    def configure(self) -> None:
        """Change the running configuration line by line."""
        self.enter(self.device.running)

    @command("configure session WORD")
    def edit(self, name: str) -> None:
        """Edit a candidate, which begins as what runs."""
        sessions = self.device.sessions
        if name not in sessions or sessions[name].state == "completed":
            if sum(s.state == "pending" for s in sessions.values()) >= MAX_PENDING:
                raise RefusedError("% Maximum number of pending sessions has been reached\n")
            base = self.device.running.clone()
            sessions[name] = Session(base.clone(), base)
        self.session = name
        self.enter(sessions[name].config)

    @command("rollback clean-config")
    def clean(self) -> None:
        """Begin the candidate anew, with nothing configured."""
        session = self._session(self.session)
        session.config = Config(self.device.grammar)
        self.enter(session.config)

    @command("abort", "configure session WORD abort")
    def abort(self, name: str = "") -> None:
        """Throw a candidate away; undo it where it waits to be confirmed."""
        name = name or self.session
        timer = self.device.timer
        if timer and timer.name == name:
            self.device.revert()
        self.device.sessions.pop(name, None)
        self.leave()

    @command("commit", "configure session WORD commit")
    def commit(self, name: str = "") -> None:
        """Make a candidate the running configuration, or confirm that it is."""
        session = self._session(name or self.session)
        timer = self.device.timer
        if timer and timer.name == (name or self.session):
            self.device.disarm()
        else:
            self._commit(session)
        session.state = "completed"
        self.leave()

    @command("commit timer TIME", "configure session WORD commit timer TIME")
    def commit_timer(self, *words: str) -> None:
        """Commit, and go back when nobody confirms within H:M:S."""
        name, time = words if len(words) > 1 else (self.session, words[0])
        session = self._session(name)
        hours, minutes, seconds = map(int, time.split(":"))
        if self.device.timer:
            raise RefusedError("% Another session is pending commit timer\n")
        self.device.arm((hours * 60 + minutes) * 60 + seconds, self.user, name)
        self._commit(session)
        session.state = "pendingCommitTimer"
        self.leave()

    @command("configure replace FILE")
    def replace(self, name: str) -> None:
        """Have the running configuration become exactly that of a file."""
        config = Config(self.device.grammar)
        refused = config.load(self._load(name))
        if refused:
            raise RefusedError("".join(f"> {e.line.strip()}\n{self.refusal(e)}" for e in refused))
        self.device.run(config)

    @command("show session-config named WORD diffs")
    def diffs(self, name: str) -> str:
        """Compare a candidate with what runs."""
        if name not in self.device.sessions:
            return ""
        before = self._whole(self.device.running, "running-config").splitlines()
        after = self._whole(self.device.sessions[name].config, "running-config").splitlines()
        return diff.unified(before, after, name)

    @command("show session-config named WORD [sanitized]")
    def show_session(self, name: str) -> str:
        """Show a candidate."""
        if name not in self.device.sessions:
            return ""
        config = self.device.sessions[name].config
        return self._sanitized(self._whole(config, f"session-configuration named {name}"))

    @command("show configuration sessions [detail]")
    def show_sessions(self) -> dict[str, Any]:
        """Show all candidates; times are seconds since the device was switched on."""
        timer = self.device.timer
        found: dict[str, Any] = {
            name: {"state": session.state, "instances": {}, "completedTime": 0.0}
            for name, session in self.device.sessions.items()
        }
        if timer and timer.name in found:
            found[timer.name]["commitBy"] = timer.ends - self.device.booted
        return {"sessions": found, "maxSavedSessions": 1, "maxOpenSessions": MAX_PENDING}

    @command("copy startup-config FILE", "copy running-config FILE")
    def copy(self, name: str) -> str:
        """Write a file."""
        config = self.device.startup if self.words[1] == "startup-config" else self.device.running
        try:
            self.device.store(name, "\n".join(config.lines()) + "\n")
        except OSError as error:
            raise RefusedError(f"% Error copying {self.words[1]} to {name} ({error})\n") from None
        return "Copy completed successfully.\n"

    @command("dir FILE")
    def dir(self, name: str) -> str:
        """List all files."""
        files = sorted(self.device.flash.iterdir())
        rows = "".join(f"       -rw-  {f.stat().st_size:10}  {f.name}\n" for f in files)
        return f"Directory of {name}/\n\n{rows}\n{self.device.free()} bytes free\n"

    @command("more FILE")
    def more(self, name: str) -> str:
        """Show a file."""
        return self._load(name)

    @command("delete FILE")
    def delete(self, name: str) -> None:
        """Remove a file."""
        self._load(name)
        self.device.file(name).unlink()

    @command("write [memory]", "copy running-config startup-config")
    def write(self) -> str:
        """Keep what runs for the next start."""
        if self.device.free() == 0:
            raise RefusedError("% Error copying system:/running-config (No space left on device)\n")
        self.device.save()
        return "Copy completed successfully.\n"

    @command("reload [now]")
    def reload(self) -> None:
        """Restart from the startup configuration."""
        self.device.reload()
        self.done = True

    def leave(self) -> None:
        """Leave the candidate as it is."""
        super().leave()
        self.session = ""

    def _commit(self, session: Session) -> None:
        self.device.run(session.config.clone())

    def _session(self, name: str) -> Session:
        try:
            found: Session = self.device.sessions[name]
        except KeyError:
            raise RefusedError(f"% Session {name} does not exist\n") from None
        return found

    def _load(self, name: str) -> str:
        path = self.device.file(name)
        if not path.is_file():
            raise RefusedError(f"% Error: {name}: No such file or directory\n")
        return path.read_text(encoding="utf-8")
