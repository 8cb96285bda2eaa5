"""pyinfra's SSH connector with three habits of ours: read once, know what was read, write whole.

While planning, every command is a read: it is remembered, so that it is sent once and its answer
can be named in the base digest, and nothing else than a read is possible. Files are written through
standard input into a private file beside the old one and renamed: no half-written file, and no
copy in /tmp that others could read.
"""

from __future__ import annotations

import re
import shlex
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import uuid4

import gevent
from paramiko import SSHException
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.util import get_file_io
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.util import CommandOutput, OutputLine, make_unix_command_for_host

READ_SECONDS = 60
SEND_SECONDS = 120
CHANGE_SECONDS = 1800  # unless the operation says another _timeout; thin lines, large packages
ALIVE_SECONDS = 30  # without an answer to what was sent, so a host is lost and not busy
AS_ROOT = "sudo -H -n sh -c "
LOST = (PyinfraError, OSError, EOFError, SSHException, gevent.Timeout)
"""What may come of talking to a host."""

VOLATILE = (
    ("atime=%X", re.compile(r"\b[amc]time=\d+ "), ""),  # pyinfra's File and Directory facts
    (
        "lastlog -u",
        re.compile(r"^([^|]*\|[^|]*\|[^|]*)\|[^|]*\|", re.MULTILINE),
        r"\1|",
    ),  # its Users fact
)
"""What changes by itself in an answer and means nothing to any operation: a word of the command,
what to look for in its answer, and what to put there."""

WRITE = """
set -e
new=$(mktemp -- "$(dirname -- {0})/.kahya-XXXXXX")
trap 'rm -f -- "$new"' EXIT
cat > "$new"
if [ -e {0} ]; then chmod --reference={0} -- "$new"; chown --reference={0} -- "$new"; fi
mv -fT -- "$new" {0}
"""


class ReadOnlyError(PyinfraError):
    """Something tried to change the host while it was only to be looked at."""


@dataclass(frozen=True)
class Read:
    """The answer to one command."""

    ok: bool
    output: CommandOutput

    def digest(self, command: str) -> str:
        """Return the digest of the answer to ``command`` without what is volatile in it."""
        text = "\n".join(self.output.stdout_lines)
        for word, pattern, replacement in VOLATILE:
            if word in command:
                text = pattern.sub(replacement, text)
        return sha256(f"{self.ok}\n{text}".encode()).hexdigest()


class Connection(SSHConnector):
    """One host's connection. ``reads`` are the answers known so far, by command."""

    def __init__(self, state: Any, host: Any) -> None:
        super().__init__(state, host)
        self.reads: dict[str, Read] = {}
        self._used: dict[str, Read] | None = None

    def connect(self) -> None:
        """Log in; the kernel by itself would wait a quarter of an hour for a host that is lost."""
        super().connect()
        transport = self.client.get_transport() if self.client else None
        if transport and isinstance(transport.sock, socket.socket):  # no jump host in between
            milliseconds = ALIVE_SECONDS * 1000
            transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    @contextmanager
    def reading(self) -> Iterator[dict[str, Read]]:
        """Allow reads only, and collect those that were used."""
        self._used = {}
        try:
            yield self._used
        finally:
            self._used = None

    def run_shell_command(
        self,
        command: Any,
        print_output: bool = False,  # noqa: ARG002, FBT001, FBT002 - pyinfra's signature
        print_input: bool = False,  # noqa: ARG002, FBT001, FBT002
        **arguments: Any,
    ) -> tuple[bool, CommandOutput]:
        """Run ``command``, or answer from memory while reading."""
        if self._used is None:
            return self._live(command, arguments, CHANGE_SECONDS)
        key = make_unix_command_for_host(
            self.state, self.host, command, **_without_control(arguments)
        ).get_raw_value()
        if key not in self.reads:
            self.reads[key] = Read(*self._live(command, arguments, READ_SECONDS))
        answer = self._used[key] = self.reads[key]
        return answer.ok, answer.output

    def _live(
        self, command: Any, arguments: dict[str, Any], seconds: int
    ) -> tuple[bool, CommandOutput]:
        """Run ``command``, for at most ``seconds`` unless its arguments say how long."""
        seconds = arguments.get("_timeout") or seconds
        try:
            ok, output = super().run_shell_command(command, **arguments | {"_timeout": seconds})
        except TimeoutError as error:
            raise TimeoutError(f"not done after {seconds} s") from error
        return bool(ok), output

    def prefetch(self, commands: Sequence[str]) -> None:
        """Run the reads ``commands`` in one round trip; those that fail are left for later."""
        mark = uuid4().hex
        script = "".join(
            f"{c.removeprefix('sudo -H -n ')} </dev/null 2>/dev/null; printf '\\n{mark} %d\\n' $?\n"
            for c in commands
        )
        # Braces: the shell takes in the whole script before its first command answers.
        answers = self.send("sudo -H -n sh", f"{{\n:\n{script}}}\n")
        pieces = re.split(rf"\n{mark} (\d+)\n", answers.decode(errors="replace"))
        for command, text, code in zip(commands, pieces[::2], pieces[1::2], strict=False):
            if code == "0":
                lines = text.removesuffix("\n").split("\n") if text else []
                output = CommandOutput([OutputLine("stdout", line) for line in lines])
                self.reads[command] = Read(ok=True, output=output)

    def put_file(self, filename_or_io: Any, remote_filename: str, *_: Any, **__: Any) -> bool:
        """Write a whole file as root; a new one is 0600 until its mode is set."""
        self._refuse_while_reading(f"write {remote_filename}")
        with get_file_io(filename_or_io) as file:
            data = file.read()
        script = WRITE.format(shlex.quote(remote_filename))
        self.send(AS_ROOT + shlex.quote(script), data if isinstance(data, bytes) else data.encode())
        return True

    def reconnect(self) -> None:
        """Log in anew: proof that a change has not locked us out."""
        if self.client is not None:
            self.client.close()
        self.connect()

    def get_file(self, remote_filename: str, *_: Any, **__: Any) -> bool:
        """Refuse: facts read, and this would leave a copy in /tmp."""
        raise ReadOnlyError(f"files.get {remote_filename}: read files by a fact instead")

    def _refuse_while_reading(self, what: str) -> None:
        if self._used is not None:
            raise ReadOnlyError(f"{what}: not while planning")

    def send(self, command: str, data: str | bytes) -> bytes:
        """Run ``command`` with ``data`` as its standard input and return its output.

        Raises:
            PyinfraError: with the host's words, when it fails.
        """
        if self.client is None:
            raise PyinfraError("not connected")
        stdin, stdout, stderr = self.client.exec_command(command, timeout=SEND_SECONDS)
        stdin.write(data)
        stdin.channel.shutdown_write()
        output = stdout.read()
        if stdout.channel.recv_exit_status():
            raise PyinfraError(stderr.read().decode(errors="replace").strip() or command)
        return bytes(output)


def batchable(command: str) -> bool:
    """Say whether a read may be sent with others: run as root, and in the usual way."""
    return command.startswith(AS_ROOT)


def _without_control(arguments: dict[str, Any]) -> dict[str, Any]:
    control = ("_get_pty", "_timeout", "_stdin", "_success_exit_codes")
    return {k: v for k, v in arguments.items() if k not in control}


def words(output: CommandOutput) -> str:
    """Return what a failed command said, at most the last ten lines."""
    return "\n".join((output.stderr_lines or output.stdout_lines)[-10:])


def text_of(command: Any) -> str:
    """Return a command as people write it, with pyinfra's hidden values masked."""
    return command.get_masked_value() if isinstance(command, StringCommand) else repr(command)
