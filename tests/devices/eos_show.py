"""What Arista EOS shows of itself: texts, and data for eAPI."""

from __future__ import annotations

import re
from typing import Any

from devices.cli import Cli, command
from devices.config import Config
from devices.views import Interface, interfaces, neighbours, vlans

VERSION = "4.31.2F"
SECRETS = (
    (r"( secret (?:\S+ )?)\S+$", r"\1<removed>"),
    (r"(^ *snmp-server community )\S+", r"\1<removed>"),
    (r"( (?:auth|priv) (?:md5|sha|sha256|des|aes|aes256) )\S+", r"\1<removed>"),
    (r"( (?:key|md5)(?: 7| 8a)? )\S+$", r"\1<removed>"),
)
"""What ``sanitized`` hides."""


class EosShow(Cli):
    """The commands that only look."""

    @command("show running-config [sanitized]")
    def show_running(self) -> str:
        """Show what runs."""
        return self._sanitized(self._whole(self.device.running, "running-config"))

    @command("show startup-config")
    def show_startup(self) -> str:
        """Show what the device starts with."""
        return self._whole(self.device.startup, "startup-config")

    @command("show version")
    def show_version(self) -> dict[str, Any]:
        """Show software, hardware and serial number."""
        return {
            "mfgName": "Arista",
            "modelName": self.device.hardware["model"],
            "serialNumber": self.device.hardware["serial"],
            "version": VERSION,
            "internalVersion": f"{VERSION}-34554157.4312F",
            "systemMacAddress": interfaces(self.device)[0].mac,
            "bootupTimestamp": self.device.booted,
            "uptime": self.device.uptime,
            "architecture": "x86_64",
            "memTotal": 8155932,
            "memFree": 5432100,
        }

    @command("show hostname")
    def show_hostname(self) -> dict[str, Any]:
        """Show the name, alone and in its domain."""
        name = self.device.hostname
        domain = self.device.running.find(r"dns domain (\S+)")
        return {"hostname": name, "fqdn": f"{name}.{domain[0][0][1]}" if domain else name}

    @command("show interfaces")
    def show_interfaces(self) -> dict[str, Any]:
        """Show each interface."""
        return {"interfaces": {i.name: _interface(i) for i in interfaces(self.device)}}

    @command("show ip interface")
    def show_ip(self) -> dict[str, Any]:
        """Show the addresses."""
        found = {}
        for interface in interfaces(self.device):
            for cidr in interface.addresses:
                address, length = cidr.split("/")
                primary = {"address": address, "maskLen": int(length)}
                found[interface.name] = {"interfaceAddress": {"primaryIp": primary}}
        return {"interfaces": found}

    @command("show ipv6 interface")
    def show_ipv6(self) -> dict[str, Any]:
        """Show that there is none."""
        return {"interfaces": {}}

    @command("show lldp neighbors")
    def show_lldp(self) -> dict[str, Any]:
        """Show who is heard on which port."""
        return {
            "lldpNeighbors": [
                {
                    "port": n.port,
                    "neighborDevice": n.system,
                    "neighborPort": n.remote_port,
                    "ttl": 120,
                }
                for n in neighbours(self.device)
            ]
        }

    @command("show lldp neighbors [INTERFACE] detail")
    def show_lldp_detail(self, port: str = "") -> dict[str, Any]:
        """Show it at length."""
        names = {"B": "bridge", "R": "router"}
        found: dict[str, Any] = {}
        for n in neighbours(self.device):
            if port in ("", n.port):
                entry = {
                    "chassisIdType": "macAddress",
                    "chassisId": n.chassis,
                    "systemName": n.system,
                    "systemDescription": n.system,
                    "systemCapabilities": {
                        names[c]: True for c in n.capabilities.split(",") if c in names
                    },
                    "neighborInterfaceInfo": {
                        "interfaceId": f'"{n.remote_port}"',
                        "interfaceDescription": n.description,
                    },
                }
                found.setdefault(n.port, {"lldpNeighborInfo": []})["lldpNeighborInfo"].append(entry)
        return {"lldpNeighbors": found}

    @command("show vlan")
    def show_vlan(self) -> dict[str, Any]:
        """Show VLANs with their access ports."""
        return {
            "vlans": {
                str(number): {
                    "name": name,
                    "status": "active",
                    "interfaces": {port: {"privatePromoted": False} for port in ports},
                }
                for number, (name, ports) in sorted(vlans(self.device).items())
            }
        }

    @command("show users accounts")
    def show_users(self) -> dict[str, Any]:
        """Show who may log in."""
        found: dict[str, Any] = {}
        for match, _ in self.device.running.find(r"username (\S+) (?!ssh-key)(.*)"):
            words = match[2].split()
            found[match[1]] = {
                "privLevel": int(words[words.index("privilege") + 1])
                if "privilege" in words
                else 1,
                "secret": words[-1] if "secret" in words else "",
                "sshAuthorizedKey": "",
            }
        return {"users": found}

    @command("show snmp v2-mib chassis", "show snmp v2-mib location", "show snmp v2-mib contact")
    def show_snmp(self) -> dict[str, Any]:
        """Show what SNMP says of the device."""
        what = self.words[-1]
        if what == "chassis":
            return {"chassisId": self.device.hardware["serial"]}
        found = self.device.running.find(rf"snmp-server {what} (.*)")
        return {what: found[0][0][1] if found else ""}

    def _whole(self, config: Config, what: str) -> str:
        hardware = self.device.hardware
        head = [
            f"! Command: show {what}",
            f"! device: {self.device.hostname} ({hardware['model']}, EOS-{VERSION})",
            "!",
            "! boot system flash:/EOS.swi",
            "!",
        ]
        return "\n".join([*head, *config.lines(), "!", "end"]) + "\n"

    def _sanitized(self, text: str) -> str:
        if self.words[-1] == "sanitized":
            for pattern, shown in SECRETS:
                text = re.sub(pattern, shown, text, flags=re.MULTILINE)
        return text


def _interface(interface: Interface) -> dict[str, Any]:
    state = "connected" if interface.up else "notconnect" if interface.enabled else "disabled"
    return {
        "name": interface.name,
        "lineProtocolStatus": "up" if interface.up else "down",
        "interfaceStatus": state,
        "hardware": "ethernet",
        "description": interface.description,
        "mtu": interface.mtu,
        "bandwidth": interface.speed * 1_000_000,
        "physicalAddress": interface.mac,
    }
