"""What Cisco IOS shows of itself."""

from __future__ import annotations

from devices.cli import Cli, RefusedError, command
from devices.device import Device
from devices.views import Interface, cidr, interfaces, neighbours, vlans

VERSION = "15.2(7)E4"
LLDP = """\
------------------------------------------------
Local Intf: {short}
Chassis id: {n.chassis}
Port id: {n.remote_port}
Port Description: {n.description}
System Name: {n.system}

System Description:
{n.system}

Time remaining: 101 seconds
System Capabilities: {n.capabilities}
Enabled Capabilities: {n.capabilities}
Management Addresses - not advertised

"""


def running(device: Device) -> str:
    """Return what ``show running-config`` shows, after its first lines."""
    return _whole(device.running.lines())


def startup(device: Device) -> str:
    """Return the same of what the device starts with."""
    return _whole(device.startup.lines())


def _whole(lines: list[str]) -> str:
    return "\n".join(["version 15.2", "!", *lines, "!", "end"]) + "\n"


class IosShow(Cli):
    """The commands that only look at the device itself."""

    @command("show version")
    def show_version(self) -> str:
        """Show software, hardware and serial number."""
        hardware, minutes = self.device.hardware, int(self.device.uptime / 60)
        return (
            f"Cisco IOS Software, C2960X Software (C2960X-UNIVERSALK9-M), Version {VERSION},"
            " RELEASE SOFTWARE (fc2)\n\n"
            f"{self.device.hostname} uptime is {minutes // 60} hours, {minutes % 60} minutes\n"
            'System image file is "flash:/c2960x-universalk9-mz.152-7.E4.bin"\n\n'
            f"cisco {hardware['model']} (APM86XXX) processor (revision A0) with 524288K bytes of"
            " memory.\n"
            f"Processor board ID {hardware['serial']}\n"
        )

    @command("show hosts")
    def show_hosts(self) -> str:
        """Show the domain."""
        found = self.device.running.find(r"ip domain-name (\S+)")
        return f"Default domain is {found[0][0][1] if found else 'not set'}\n"

    @command("show snmp chassis")
    def show_chassis(self) -> str:
        """Show the serial number once more."""
        return f"{self.device.hardware['serial']}\n"

    @command("show ip interface brief")
    def show_brief(self) -> str:
        """Show a line for each interface."""
        head = "Interface              IP-Address      OK? Method Status                Protocol\n"
        return head + "".join(
            f"{i.name:<22} {(i.addresses or ['unassigned'])[0].split('/')[0]:<15} YES NVRAM "
            f" {_status(i):<21} {'up' if i.up else 'down'}\n"
            for i in interfaces(self.device)
        )

    @command("show ip interface")
    def show_ip(self) -> str:
        """Show the addresses."""
        return "".join(
            f"{i.name} is {_status(i)}, line protocol is {'up' if i.up else 'down'}\n"
            + "".join(f"  Internet address is {cidr(address)}\n" for address in i.addresses)
            for i in interfaces(self.device)
        )

    @command("show interfaces")
    def show_interfaces(self) -> str:
        """Show each interface at length."""
        return "".join(
            f"{i.name} is {_status(i)}, line protocol is {'up' if i.up else 'down'}\n"
            f"  Hardware is Gigabit Ethernet, address is {_dotted(i.mac)} (bia {_dotted(i.mac)})\n"
            + (f"  Description: {i.description}\n" if i.description else "")
            + f"  MTU {i.mtu} bytes, BW {i.speed * 1000} Kbit/sec, DLY 10 usec,\n"
            for i in interfaces(self.device)
        )

    @command("show lldp neighbors detail")
    def show_lldp(self) -> str:
        """Show who is heard on which port."""
        if not self.device.running.find("lldp run"):
            return "% LLDP is not enabled\n"
        found = neighbours(self.device)
        entries = "".join(LLDP.format(n=n, short=_short(n.port)) for n in found)
        return f"{entries}\nTotal entries displayed: {len(found)}\n"

    @command("show vlan brief", "show vlan id NUM")
    def show_vlan(self, wanted: str = "") -> str:
        """Show VLANs with their access ports."""
        rows = [
            f"{number:<4} {name:<32} active    {', '.join(map(_short, ports))}".rstrip() + "\n"
            for number, (name, ports) in sorted(vlans(self.device).items())
            if wanted in ("", str(number))
        ]
        if not rows:
            raise RefusedError(f"VLAN id {wanted} not found in current VLAN database\n")
        head = "VLAN Name                             Status    Ports\n---- ----\n"
        return head + "".join(rows)


def _status(interface: Interface) -> str:
    if not interface.enabled:
        return "administratively down"
    return "up" if interface.up else "down"


def _short(port: str) -> str:
    return port.replace("GigabitEthernet", "Gi").replace("TenGi", "Te")


def _dotted(mac: str) -> str:
    digits = mac.replace(":", "")
    return ".".join(digits[n : n + 4] for n in (0, 4, 8))
