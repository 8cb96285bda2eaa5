"""The serial console: a socket in the device's folder, for who stands before it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devices.cli import Cli, RefusedError
from devices.device import Device
from devices.eos import EosCli
from devices.faults import DroppedError
from devices.ios import IosCli

SOCKET = "console"
CLI: dict[str, type[Cli]] = {"ios": IosCli, "eos": EosCli}


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """Yield a path to the socket that fits, however deep the folder is (a socket's has 107)."""
    handle = os.open(folder, os.O_PATH)
    try:
        yield f"/proc/self/fd/{handle}/{SOCKET}"
    finally:
        os.close(handle)


async def serve(device: Device) -> asyncio.Server:
    """Carry out what is sent, line by line, and answer what the screen would show."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cli = CLI[device.platform](device, "console")
        lines = (await reader.read()).decode().split("\n")
        for line in lines:
            writer.write((cli.prompt + line + "\n").encode())
            try:
                writer.write(str(await cli.run(line)).encode())
            except RefusedError as refused:
                writer.write(str(refused).encode())
            except DroppedError:
                break
        await writer.drain()
        writer.close()

    (device.folder / SOCKET).unlink(missing_ok=True)
    with _short(device.folder) as path:
        return await asyncio.start_unix_server(handle, path)  # the folder is private


def type_in(folder: Path, commands: str) -> str:
    """Send ``commands`` (lines, or parted by ``;``) to the device in ``folder``; return its screen.

    Raises:
        OSError: it isn't switched on.
    """
    with socket.socket(socket.AF_UNIX) as line, _short(folder) as path:
        line.connect(path)
        words = [part.strip(" ") for part in commands.replace(";", "\n").split("\n")]
        line.sendall("\n".join(words).encode())
        line.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: line.recv(65536), b"")).decode()
