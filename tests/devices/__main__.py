"""One device as a process: `python -m devices` from the folder tests/."""

from __future__ import annotations

import asyncio
import re
import secrets
import signal
import sys
from argparse import ArgumentParser, Namespace
from importlib import import_module
from pathlib import Path
from typing import Any

from devices import console, uplink
from devices.device import Device

MODELS: dict[str, dict[str, Any]] = {
    "ios": {
        "model": "WS-C2960X-24TS-L",
        "maker": "FOC",
        "ports": "GigabitEthernet1/0/1-24,TenGigabitEthernet1/0/1-2",
        "face": "devices.terminal",
        "tcp": 22,
    },
    "eos": {
        "model": "DCS-7010TX-48",
        "maker": "JPE",
        "ports": "Ethernet1-24",
        "face": "devices.eapi",
        "tcp": 443,
    },
}
"""What a new device of a platform is like: ``maker`` begins its serial number."""


def hardware(platform: str, ports: str) -> dict[str, Any]:
    """Return the hardware of a new device, with a serial number of its own."""
    model = MODELS[platform]
    names: list[str] = []
    for part in (ports or model["ports"]).split(","):
        stem, first, last = re.fullmatch(r"(\D.*?)(\d+)(?:-(\d+))?", part).groups()  # type: ignore[union-attr]
        names += [f"{stem}{number}" for number in range(int(first), int(last or first) + 1)]
    serial = model["maker"] + secrets.token_hex(4).upper()
    return {"model": model["model"], "serial": serial, "ports": names}


async def run(arguments: Namespace) -> None:
    """Be the device until told to end."""
    folder: Path = arguments.state.resolve()
    factory = arguments.factory.read_text(encoding="utf-8") if arguments.factory else ""
    made = hardware(arguments.platform, arguments.ports)
    made["neighbours"] = [
        {"port": port, "system": system, "remote_port": there}
        for port, system, there in arguments.plug
    ]
    device = Device(folder, arguments.platform, factory, made)
    device.minute = arguments.minute
    device.known_as = arguments.known_as or arguments.address
    port = MODELS[arguments.platform]["tcp"] if arguments.port is None else arguments.port
    face = import_module(MODELS[arguments.platform]["face"])  # each a second of imports
    servers = [await console.serve(device), await face.serve(device, arguments.address, port)]
    where = servers[1].sockets[0].getsockname()
    print(
        f"{device.hostname} ({device.platform}) listens on {where[0]} port {where[1]}", flush=True
    )
    if arguments.uplink:
        servers.append(asyncio.create_task(uplink.follow(device, arguments.uplink)))
    ended = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, ended.set)
    await ended.wait()


def main() -> int:
    """Do what the command line says and return the exit code."""
    top = ArgumentParser("python -m devices", description=__doc__)
    kinds = top.add_subparsers(dest="platform", required=True)
    for platform in MODELS:
        kind = kinds.add_parser(platform, help=f"be a switch with {platform}")
        kind.add_argument("--state", type=Path, required=True, help="the device's folder")
        kind.add_argument("--address", default="127.0.0.1")
        kind.add_argument("--port", type=int, help="TCP port; 0 takes a free one")
        kind.add_argument(
            "--ports", default="", help=f"of a new device: {MODELS[platform]['ports']}"
        )
        text = "what is plugged in, into a new device"
        kind.add_argument(
            "--plug", nargs=3, action="append", default=[], help=text,
            metavar=("PORT", "SYSTEM", "REMOTE_PORT"),
        )  # fmt: skip
        kind.add_argument("--known-as", help="the address that its certificate is for")
        kind.add_argument("--uplink", help="an interface to which its own addresses go")
        kind.add_argument("--factory", type=Path, help="the configuration of a new device")
        help_ = "seconds of a minute of IOS's timer: shorter for tests"
        kind.add_argument("--minute", type=float, default=60.0, help=help_)
    text = "type commands at a device's console; ends 1 when the device refuses one"
    typing = kinds.add_parser("console", help=text)
    typing.add_argument("state", type=Path)
    typing.add_argument("commands", help="lines, or parted by ;")
    arguments = top.parse_args()
    if arguments.platform == "console":
        screen = console.type_in(arguments.state, arguments.commands)
        print(screen)
        return 1 if re.search("^%", screen, re.MULTILINE) else 0
    Path("/proc/self/comm").write_text(f"kahya-{arguments.state.name}"[:15], encoding="ascii")
    asyncio.run(run(arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
