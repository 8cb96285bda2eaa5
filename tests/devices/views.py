"""What follows from a device's configuration and cables: interfaces, VLANs, neighbours."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from dataclasses import dataclass, field

from devices.device import Device
from devices.words import numbers


def mac(device: Device, number: int) -> str:
    """Return the hardware address of port ``number``; it follows from the serial number."""
    digest = hashlib.sha256(device.hardware["serial"].encode()).hexdigest()
    return f"00:1c:73:{digest[:2]}:{digest[2:4]}:{number:02x}"


@dataclass
class Interface:
    """One interface as it is now. ``addresses`` are CIDR, ``speed`` is Mbit/s."""

    name: str
    mac: str
    description: str = ""
    enabled: bool = True
    up: bool = False
    mtu: int = 1500
    speed: int = 1000
    addresses: list[str] = field(default_factory=list)
    vlan: int = 1
    trunk: bool = False
    allowed: set[int] | None = None  # None is all

    def carries(self, vlan: int) -> bool:
        """Return whether frames of ``vlan`` pass here."""
        if not self.trunk:
            return vlan == self.vlan
        return self.allowed is None or vlan in self.allowed


@dataclass
class Neighbour:
    """What is plugged into a port, and what it says of itself over LLDP."""

    port: str
    system: str
    remote_port: str
    chassis: str = "02:00:00:00:00:01"
    description: str = ""
    capabilities: str = "B,R"


def neighbours(device: Device) -> list[Neighbour]:
    """Return what is heard over LLDP on ports that are in use."""
    on = {i.name for i in interfaces(device) if i.enabled}
    there = [Neighbour(**cable) for cable in device.hardware["neighbours"]]
    lldp = not device.running.find("no lldp run")
    if device.platform == "ios":
        lldp = bool(device.running.find("lldp run"))
    return [neighbour for neighbour in there if lldp and neighbour.port in on]


def interfaces(device: Device) -> list[Interface]:
    """Return all interfaces in the order of the configuration."""
    cabled = {cable["port"] for cable in device.hardware["neighbours"]}
    found = []
    for number, (name, lines) in enumerate(device.running.find(r"interface (\S+)")):
        interface = Interface(name[1], mac(device, number))
        for line in lines:
            _read(interface, line)
        interface.up = interface.enabled and interface.name in cabled
        found.append(interface)
    ports = [i for i in found if i.name in device.grammar.ports]
    for interface in found:
        if interface not in ports:
            vlan = re.fullmatch(r"Vlan(\d+)", interface.name)
            heard = not vlan or any(p.carries(int(vlan[1])) for p in ports if p.up)
            interface.up = interface.enabled and (heard or not cabled)
    return found


def vlans(device: Device) -> dict[int, tuple[str, list[str]]]:
    """Return each VLAN's name and its access ports; VLAN 1 is there for good."""
    found: dict[int, tuple[str, list[str]]] = {1: ("default", [])}
    for number, lines in device.running.find(r"vlan (\d+)"):
        names = [line.removeprefix("name ") for line in lines if line.startswith("name ")]
        found[int(number[1])] = (names[0] if names else f"VLAN{int(number[1]):04}", [])
    for interface in interfaces(device):
        if interface.name in device.grammar.ports and not interface.trunk:
            found.get(interface.vlan, found[1])[1].append(interface.name)
    return found


def _read(interface: Interface, line: str) -> None:
    words = line.split()
    if line == "shutdown":
        interface.enabled = False
    elif words[0] == "description":
        interface.description = line.removeprefix("description ")
    elif words[0] == "mtu":
        interface.mtu = int(words[1])
    elif words[:2] == ["ip", "address"]:
        interface.addresses.append(cidr(*words[2:4]))
    elif found := re.fullmatch(r"switchport access vlan (\d+)", line):
        interface.vlan = int(found[1])
    elif line.startswith("switchport mode trunk"):
        interface.trunk = True
    elif found := re.fullmatch(r"switchport trunk allowed vlan (.+)", line):
        interface.allowed = set() if found[1] == "none" else numbers(found[1])


def cidr(address: str, mask: str = "") -> str:
    """Return ``address/length`` from an address with a mask, or with its length already."""
    return str(ipaddress.ip_interface(f"{address}/{mask}" if "/" not in address else address))
