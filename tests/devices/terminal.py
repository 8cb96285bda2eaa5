"""A device's SSH and SCP server: the terminal of IOS."""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

from devices.access import admits
from devices.cli import Answer, Cli, RefusedError
from devices.device import Device
from devices.faults import DroppedError
from devices.ios import IosCli

MORE = " --More-- "


class Terminal:
    """One login's screen: echoes what is typed, asks, and stops after each page."""

    def __init__(self, process: asyncssh.SSHServerProcess[str], device: Device, level: int) -> None:
        self.process, self.typed = process, ""
        self.cli: Cli = IosCli(device, process.get_extra_info("username"), level, self.ask)
        device.watchers.append(self.hear)

    async def run(self) -> None:
        """Carry out what is typed until the session ends."""
        self.write("\n" + self.cli.prompt)
        try:
            while not self.cli.done:
                line = await self.line()
                try:
                    answer: Answer = await self.cli.run(line)
                except RefusedError as refused:
                    answer = str(refused)
                await self.show(str(answer))
                if not self.cli.done:
                    self.write(self.cli.prompt)
        except (DroppedError, EOFError, asyncssh.Error, ConnectionError):
            self.process.channel.get_connection().abort()
        finally:
            self.cli.device.watchers.remove(self.hear)
            self.process.exit(0)

    def hear(self, event: str) -> None:
        """A device that restarts drops its sessions."""
        if event == "reload":
            asyncio.get_running_loop().call_soon(self.process.channel.get_connection().abort)

    async def ask(self, question: str) -> str:
        """Put a question and return the line that answers it; passwords aren't echoed."""
        self.write(question)
        return await self.line(echo="assword" not in question)

    async def show(self, text: str) -> None:
        """Print ``text`` page by page."""
        lines = text.splitlines(keepends=True)
        while self.cli.page and len(lines) > self.cli.page:
            self.write("".join(lines[: self.cli.page]) + MORE)
            lines = lines[self.cli.page :]
            if await self.key() == "q":
                lines = []
            self.write("\b" * len(MORE) + " " * len(MORE) + "\b" * len(MORE))
        self.write("".join(lines))

    async def line(self, *, echo: bool = True) -> str:
        """Return the next line, echoed as it comes in."""
        line = ""
        while True:
            await self.wait()
            part, end, self.typed = self.typed.partition("\r")
            line += part
            if echo:
                self.write(part)
            if end:
                self.write("\n")
                return line

    async def key(self) -> str:
        """Return the next character that is typed."""
        await self.wait()
        key, self.typed = self.typed[0], self.typed[1:]
        return key

    async def wait(self) -> None:
        """Wait until something is typed."""
        while not self.typed:
            data = await self.process.stdin.read(65536)
            if not data:
                raise EOFError
            self.typed = data.replace("\0", "").replace("\r\n", "\r").replace("\n", "\r")

    def write(self, text: str) -> None:
        """Print at once."""
        self.process.stdout.write(text.replace("\n", "\r\n"))


class Flash(asyncssh.SFTPServer):
    """Files that come and go by SCP: ``flash:/name`` is a file in the device's flash folder."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], device: Device) -> None:
        self.device = device
        super().__init__(channel)

    def map_path(self, path: bytes) -> bytes:
        """Return where the device keeps ``path``."""
        return str(self.device.file(re.sub(r"^.*?(\w+:)", r"\1", path.decode()))).encode()

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        """Refuse more than fits."""
        if len(data) > self.device.free():
            raise asyncssh.SFTPFailure("No space left on device")
        return super().write(file_obj, offset, data)  # type: ignore[return-value]


class Server(asyncssh.SSHServer):
    """Who may log in: the users in the running configuration."""

    def __init__(self, device: Device, levels: dict[str, int]) -> None:
        self.device, self.levels = device, levels
        self.connection: Any = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Remember it."""
        self.connection = conn

    def begin_auth(self, username: str) -> bool:
        """Everybody has to prove who they are."""
        self._try_again()
        return True

    def _try_again(self) -> None:
        # paramiko asks for the service anew for each way to log in, which devices take and
        # asyncssh takes only once.
        self.connection._next_service = b"ssh-userauth"

    def password_auth_supported(self) -> bool:
        """Only passwords: IOS 15.2 knows no keys but RSA."""
        return True

    def validate_password(self, username: str, password: str) -> bool:
        """Check it as ``login local`` does."""
        self._try_again()
        level = self.device.login(username, password)
        if level is not None:
            self.levels[username] = level
        return level is not None


def host_key(path: Path) -> asyncssh.SSHKey:
    """Return the key in ``path``, made on the first day."""
    if not path.exists():
        key = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
        path.touch(mode=0o600)
        key.write_private_key(str(path))
        key.write_public_key(f"{path}.pub")
    return asyncssh.read_private_key(str(path))


@dataclass
class Listener:
    """What accepts logins, for as long as somebody holds it."""

    sockets: list[socket.socket]
    task: asyncio.Task[None]


async def serve(device: Device, address: str, port: int) -> Listener:
    """Accept logins and files; a fault has it show another key than the one it is known by."""
    key, other = host_key(device.folder / "host_key"), asyncssh.generate_private_key("ssh-rsa")
    levels: dict[str, int] = {}
    running: set[asyncio.Task[None]] = set()

    async def shell(process: asyncssh.SSHServerProcess[str]) -> None:
        level = levels.get(process.get_extra_info("username"), 1)
        await Terminal(process, device, level).run()

    async def talk(connection: socket.socket) -> None:
        if not admits(device, connection.getpeername()[0]):
            connection.close()
            return
        shown = other if device.faults.find("host-key") else key
        with suppress(asyncssh.Error, OSError):  # whoever it was left again
            await asyncssh.run_server(
                connection, server_factory=lambda: Server(device, levels), server_host_keys=[shown],
                process_factory=shell, line_editor=False, encoding="utf-8",
                sftp_factory=lambda channel: Flash(channel, device), allow_scp=True,
            )  # fmt: skip

    async def accept() -> None:
        while True:
            connection, _ = await asyncio.get_running_loop().sock_accept(listener)
            task = asyncio.create_task(talk(connection))
            running.add(task)
            task.add_done_callback(running.discard)

    listener = socket.create_server((address, port))
    listener.setblocking(False)
    return Listener([listener], asyncio.create_task(accept()))
