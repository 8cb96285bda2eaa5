"""The device on a real network: an interface of the machine has the addresses that it is told.

Who changes the management address, the gateway, the VLAN of the uplink or shuts it, cuts the path.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess

from devices.device import Device
from devices.views import interfaces, mac

POLL_SECONDS = 0.1  # nobody tells when a cable is plugged in
POLLS = 10  # between two looks at all there is


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
    """Keep ``link`` as the running configuration says, whenever it is plugged in."""
    done: tuple[int, list[str]] = (0, [])

    def plugged() -> int:
        return {name: number for number, name in socket.if_nameindex()}.get(link, 0)

    def apply(_: str = "") -> None:
        nonlocal done
        index = plugged()
        if index and (now := (index, wanted(device))) != done:
            done = now
            lines = [f"link set {link} address {mac(device, 0)} up", f"address flush dev {link}"]
            lines += [f"{line} {link}" for line in done[1]]
            command = ["ip", "-force", "-batch", "-"]
            subprocess.run(command, input="\n".join(lines), text=True, check=False)

    device.watchers.append(apply)
    while True:
        apply()
        for _ in range(POLLS):
            await asyncio.sleep(POLL_SECONDS)
            if plugged() != done[0]:
                break
