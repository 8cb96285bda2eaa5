"""FRRDriver: a NAPALM driver for routers that run FRRouting on Linux."""

import difflib
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from napalm.base.base import NetworkDriver
from napalm.base.exceptions import (
    CommandErrorException,
    CommitError,
    ConnectionClosedException,
    MergeConfigException,
    ReplaceConfigException,
)

from . import bundle
from .device import text
from .getters import Getters
from .sanitize import sanitize
from .transport import Result, Transport, is_root

Model = dict[str, Any]


class LastChange:
    """What the device remembers of the last change; not NAPALM's."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask

    def event(self) -> str:
        """Return what became of it.

        "commit" (waits, or was kept at once), "confirm", "return" (by itself), "rollback", "undone"
        (not all lines took, so none was kept), "refused", or "" for none ever.
        """
        return str(self._ask("status")["ok"]["last"])

    def message(self) -> str:
        """Return the message of the last commit, waiting or not."""
        return str(self._ask("status")["ok"]["message"])


class FRRDriver(Getters, NetworkDriver):
    """Manage an FRR router over SSH. See README.md for options, capabilities and limits.

    The candidate lives in this object, not on the device: nothing stale can stay behind.
    """

    def __init__(
        self,
        hostname: str,
        username: str,
        password: str,
        timeout: int = 60,
        optional_args: Model | None = None,
    ) -> None:
        self.hostname = hostname
        self.username = username
        self.password = password
        self.timeout = timeout
        self.optional_args = optional_args or {}
        self.platform = "frr"
        self.profile = ["frr"]
        self._ssh = Transport(hostname, username, password, timeout, self.optional_args)
        self._sudo = "" if is_root(username) else "sudo -n "
        self._base: str | None = None  # running, when the candidate was staged
        self._candidate: str | None = None  # what running would be after the commit
        self._mode = "replace"
        self.last = LastChange(self._ask)  # beside NAPALM's own methods, which are a closed list

    # ---- connection

    def open(self) -> None:
        """Connect. Raises ConnectionException, also for an unknown or changed host key."""
        self._ssh.open()

    def close(self) -> None:
        """Disconnect and forget the candidate; a commit that waits for confirmation goes on."""
        self.discard_config()
        self._ssh.close()

    def is_alive(self) -> Model:
        """Return {"is_alive": bool}."""
        return {"is_alive": self._ssh.is_alive()}

    def _run(self, command: str, given: bytes = b"") -> Result:
        return self._ssh.run(self._sudo + command, given)

    def _output(self, command: str) -> str:
        """Return the standard output of a command. Raises CommandErrorException."""
        done = self._run(command)
        if done.status:
            raise CommandErrorException(f"{command}: {(done.err + done.out).strip()}")
        return done.out

    def _vtysh(self, command: str) -> str:
        return self._output(f"vtysh -c {shlex.quote(command)}")

    def _ask(self, operation: str, **arguments: Any) -> Model:
        """Have the agent on the device do something; install it there first when it is missing.

        Returns {"ok": ...}, {"refused": why} or {"rejected": reasons}.
        """
        command = f"python3 -I {bundle.remote_path()} {operation}"
        given = json.dumps(arguments).encode()
        done = self._run(command, given)
        if "can't open file" in done.err:
            self._install()
            done = self._run(command, given)
        try:
            answer: Model = json.loads(done.out.splitlines()[-1])
        except (IndexError, ValueError):
            said = (done.err + done.out).strip() or "the program on the device was killed"
            raise CommandErrorException(f"{operation}: {said}") from None
        return answer

    def _install(self) -> None:
        # Unpacked, so that Python keeps it compiled. Someone else may be installing it, too.
        path = bundle.remote_path()
        script = (
            f"umask 077 && install -d -m 700 {Path(path).parent} && cat > {path}.$$.zip"
            f" && python3 -I -m zipfile -e {path}.$$.zip {path}.$$ && rm {path}.$$.zip"
            f" && {{ mv -T {path}.$$ {path} || test -d {path}; }}"
        )
        done = self._run(f"sh -c {shlex.quote(script)}", bundle.agent())
        if done.status:
            raise CommandErrorException(f"cannot install the agent: {done.err.strip()}")

    # ---- configuration

    def load_replace_candidate(
        self, filename: str | None = None, config: str | None = None
    ) -> None:
        """Stage a whole configuration. Raises ReplaceConfigException with every rejected line."""
        self._stage("replace", filename, config, ReplaceConfigException)

    def load_merge_candidate(self, filename: str | None = None, config: str | None = None) -> None:
        """Stage lines to add or to undo. Raises MergeConfigException with every rejected line."""
        self._stage("merge", filename, config, MergeConfigException)

    def _stage(
        self, mode: str, filename: str | None, config: Any, failure: type[Exception]
    ) -> None:
        self.discard_config()
        if filename:
            config = Path(filename).read_text(encoding="utf-8")
        if not isinstance(config, str):
            config = "\n".join(config or [])
        answer = self._ask("stage", mode=mode, candidate=config)
        if "ok" not in answer:
            raise failure("; ".join(answer.get("rejected", [answer.get("refused")])))
        self._base, self._candidate = answer["ok"]["base"], answer["ok"]["prediction"]
        self._mode = mode

    def compare_config(self) -> str:
        """Return a unified diff from running to the candidate, "" when they mean the same."""
        if self._base is None or self._candidate is None:
            return ""
        lines = difflib.unified_diff(
            self._base.splitlines(), self._candidate.splitlines(), lineterm=""
        )
        return "\n".join(list(lines)[2:])  # without the two lines of file names

    def commit_config(self, message: str = "", revert_in: int | None = None) -> None:
        """Make the candidate the running configuration.

        With `revert_in` (seconds) the device itself returns unless confirm_commit comes in time,
        and the startup configuration is left alone until then. `message` is kept in the device's
        history. Raises CommitError when the device refuses or had to undo the change, and
        ConnectionClosedException when the way to the device is lost: the outcome is unknown then.
        """
        if self._candidate is None:
            raise CommitError("no candidate is loaded")
        try:
            self._change(
                "commit",
                base=self._base,
                prediction=self._candidate,
                message=message,
                user=self.username,
                revert_in=revert_in,
            )
        except ConnectionClosedException as error:
            raise ConnectionClosedException(
                f"{error}; the outcome of the commit is unknown. An unconfirmed commit returns by"
                " itself: open a new connection and ask has_pending_commit()"
            ) from error
        self.discard_config()

    def _change(self, operation: str, **arguments: Any) -> None:
        answer = self._ask(operation, **arguments)
        if "ok" not in answer:
            raise CommitError(answer.get("refused"))

    def confirm_commit(self) -> None:
        """Keep the waiting commit and write the startup configuration.

        Any session may confirm. Raises CommitError when none waits or the device changed since.
        """
        self._change("confirm")

    def has_pending_commit(self) -> bool:
        """Tell whether a commit waits for its confirmation, whoever made it."""
        return bool(self._ask("status")["ok"]["pending"])

    def discard_config(self) -> None:
        """Forget the candidate."""
        self._base = self._candidate = None

    def rollback(self) -> None:
        """Return to the configuration before the last commit, waiting or kept.

        Raises CommitError when there is none or the device can't get there.
        """
        self._change("rollback")
        self.discard_config()

    def get_config(
        self,
        retrieve: str = "all",
        full: bool = False,
        sanitized: bool = False,
        format: str = "text",
    ) -> Model:
        """Return {"running", "startup", "candidate"} in canonical form.

        The candidate is the text that running would be after the commit: when nothing would
        change, the two are equal, character by character.
        """
        if format != "text":
            raise NotImplementedError("FRR has its configuration as text only")
        config = {"running": "", "startup": "", "candidate": ""}
        if retrieve in ("all", "running"):
            config["running"] = text.canonical(self._vtysh("show running-config"))
        if retrieve in ("all", "startup"):
            config["startup"] = text.canonical(self._output("cat /etc/frr/frr.conf"))
        if retrieve in ("all", "candidate"):
            config["candidate"] = self._candidate or ""
        return {k: sanitize(v) for k, v in config.items()} if sanitized else config

    # ---- operations

    def cli(self, commands: list[str], encoding: str = "text") -> Model:
        """Run show commands. Raises CommandErrorException for one that FRR does not know."""
        if encoding != "text":
            raise NotImplementedError("only text")
        return {command: self._vtysh(command) for command in commands}
