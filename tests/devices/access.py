"""Who may log in from where: the access list of the management lines."""

from __future__ import annotations

import ipaddress
import re

from devices.cli import section
from devices.device import Device


def admits(device: Device, address: str) -> bool:
    """Return whether ``address`` passes the access lists of vty (IOS) or eAPI (EOS).

    This machine's own loopback always passes: tests are no town. A missing list admits all.
    """
    there = ipaddress.ip_address(address)
    shown = device.running.lines()
    manage = "\n".join(section(shown, r"^line vty|^management api"))
    names = set(re.findall(r"^ +(?:access-class|ip access-group) (\S+)", manage, re.MULTILINE))
    lists = [section(shown, rf"^ip access-list standard {re.escape(name)}$")[1:] for name in names]
    return there.is_loopback or all(_permits(lines, there) for lines in lists if lines)


def _permits(lines: list[str], address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    for line in lines:
        words = re.sub(r"^\s*\d+ ", "", line).split()
        if words[0] != "remark" and address in _network(words[1:]):
            return words[0] == "permit"
    return False


def _network(words: list[str]) -> ipaddress.IPv4Network:
    """Return the addresses that ``any``, ``host A``, ``A/N``, ``A WILDCARD`` or ``A`` stand for."""
    if words[0] == "any":
        return ipaddress.IPv4Network("0.0.0.0/0")
    if words[0] == "host":
        return ipaddress.IPv4Network(words[1])
    wildcard = words[1] if len(words) > 1 and words[1] != "log" else ""
    return ipaddress.IPv4Network(f"{words[0]}/{wildcard}" if wildcard else words[0], strict=False)
