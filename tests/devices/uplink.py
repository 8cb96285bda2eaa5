"""The device on a real network: an interface of the machine has the addresses that it is told.

Who changes the management address, the gateway, the VLAN of the uplink or shuts it, cuts the path.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess

from devices.device import Device
from devices.views import interfaces

POLL_SECONDS = 0.05


def wanted(device: Device) -> list[str]:
    """Return ``ip`` batch lines that follow from the running configuration, without the link."""
    there = interfaces(device)
    found = [f"address add {a} dev" for i in there if i.up for a in i.addresses]
    gateways = device.running.find(
        r"ip default-gateway (\S+)|ip route 0\.0\.0\.0(?: 0\.0\.0\.0|/0) (\S+).*"
    )
    found += [f"route replace default via {m[1] or m[2]} dev" for m, _ in gateways if found]
    return found


async def follow(device: Device, link: str) -> None:
    """Wait for ``link`` to be plugged in, then keep it as the running configuration says."""
    while link not in {name for _, name in socket.if_nameindex()}:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(POLL_SECONDS)
    done: list[str] = []

    def apply(_: str = "") -> None:
        nonlocal done
        lines = wanted(device)
        if lines != done:
            batch = [f"address flush dev {link}", *(f"{line} {link}" for line in lines)]
            command = ["ip", "-force", "-batch", "-"]
            subprocess.run(command, input="\n".join(batch), text=True, check=False)
            done = lines

    device.watchers.append(apply)
    apply()
