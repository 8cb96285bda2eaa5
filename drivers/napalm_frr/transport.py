"""One SSH connection, one command per channel, a deadline on everything, no screen scraping."""

import os
import shlex
import socket
import subprocess
import time
from typing import Any, NamedTuple

import paramiko
from napalm.base.exceptions import (
    ConnectAuthError,
    ConnectionClosedException,
    ConnectionException,
)


class Result(NamedTuple):
    """Exit status, standard output and standard error of a command."""

    status: int
    out: str
    err: str


class Transport:
    """An SSH connection to a device.

    Options (all optional): ``port``, ``key_file``, ``known_hosts`` (a path; default: the user's
    own file), ``accept_unknown_host_key`` (never for a key that changed), ``proxy_command``
    (as in ssh_config: a shell command, %h and %p are replaced).
    """

    def __init__(
        self,
        hostname: str,
        username: str,
        password: str | None,
        timeout: float,
        options: dict[str, Any],
    ) -> None:
        self.hostname = hostname
        self.username = username
        self.password = password
        self.timeout = timeout
        self.options = options
        self._client: paramiko.SSHClient | None = None
        self._proxy: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """Connect and authenticate.

        Raises ConnectAuthError, or ConnectionException (also for an unknown or changed host key).
        """
        key = self.options.get("key_file")
        self._client = paramiko.SSHClient()
        try:
            self._load_host_keys(self._client)
            self._client.connect(
                self.hostname,
                int(self.options.get("port", 22)),
                self.username,
                self.password or None,
                key_filename=key,
                allow_agent=not key,
                look_for_keys=False,
                timeout=self.timeout,
                banner_timeout=self.timeout,
                auth_timeout=self.timeout,
                channel_timeout=self.timeout,
                sock=self._proxy_socket(),
            )
        except paramiko.AuthenticationException as error:
            self.close()
            raise ConnectAuthError(f"{self.hostname}: {error}") from error
        except (OSError, EOFError, paramiko.SSHException) as error:
            self.close()
            raise ConnectionException(f"{self.hostname}: {error}") from error

    def _load_host_keys(self, client: paramiko.SSHClient) -> None:
        if known_hosts := self.options.get("known_hosts"):
            client.load_host_keys(known_hosts)
        else:
            client.load_system_host_keys()
        accept = self.options.get("accept_unknown_host_key") is True
        client.set_missing_host_key_policy(
            paramiko.WarningPolicy() if accept else paramiko.RejectPolicy()
        )

    def _proxy_socket(self) -> Any:
        """Start the proxy command and return our end of its socket, None without one."""
        command = self.options.get("proxy_command")
        if not command:
            return None
        command = command.replace("%h", shlex.quote(self.hostname))
        command = command.replace("%p", str(self.options.get("port", 22)))
        ours, theirs = socket.socketpair()
        with theirs:
            self._proxy = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"], stdin=theirs.fileno(), stdout=theirs.fileno()
            )
        return ours

    def close(self) -> None:
        """Close the connection; closing twice is fine."""
        if self._client:
            self._client.close()
            self._client = None
        if self._proxy:
            self._proxy.terminate()
            self._proxy.wait()
            self._proxy = None

    def is_alive(self) -> bool:
        """Tell whether the connection is open, as far as one knows without asking."""
        transport = self._client and self._client.get_transport()
        return bool(transport and transport.is_active())

    def run(self, command: str, given: bytes = b"") -> Result:
        """Run a shell command with `given` on its standard input.

        Raises ConnectionClosedException when the connection is closed, breaks, or stays silent
        for `timeout` seconds; the connection is of no more use then, and closed.
        """
        transport = self._client and self._client.get_transport()
        if not transport or not transport.is_active():
            raise ConnectionClosedException(f"{self.hostname}: the connection is not open")
        try:
            return self._run(transport.open_session(timeout=self.timeout), command, given)
        except (OSError, EOFError, paramiko.SSHException) as error:
            self.close()
            reason = str(error) or f"no answer within {self.timeout} s"
            raise ConnectionClosedException(f"{self.hostname}: {reason}") from error

    def _run(self, channel: paramiko.Channel, command: str, given: bytes) -> Result:
        with channel:
            channel.settimeout(self.timeout)
            channel.exec_command(command)
            _tell(channel, given)
            out, err = _read(channel, self.timeout)
            answered = channel.status_event.wait(self.timeout)
            # A program that was killed has no status, either; but then the connection lives on.
            if not answered or (channel.exit_status < 0 and not self.is_alive()):
                raise EOFError("the connection broke off")
            return Result(channel.exit_status, out, err)


def _tell(channel: paramiko.Channel, given: bytes) -> None:
    try:
        channel.sendall(given)
        channel.shutdown_write()
    except TimeoutError:
        raise
    except OSError:
        return  # a program that ended without reading; what it said tells why


def _read(channel: paramiko.Channel, timeout: float) -> tuple[str, str]:
    """Read both streams to their end, at most `timeout` seconds in all."""
    out, err = [], []
    deadline = time.monotonic() + timeout
    while chunk := channel.recv(1 << 16):
        out.append(chunk)
        channel.settimeout(max(0.1, deadline - time.monotonic()))
    while chunk := channel.recv_stderr(1 << 16):
        err.append(chunk)
    return b"".join(out).decode(errors="replace"), b"".join(err).decode(errors="replace")


def is_root(username: str) -> bool:
    """Tell whether a login needs no sudo; no name means the local user's, as in ssh."""
    return (username or os.environ.get("USER", "")) == "root"
