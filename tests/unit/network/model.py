"""What the configuration of a switch means, whatever its platform, and how its lines are read."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Port:
    """A port: VLANs by id, storm control in percent."""

    description: str
    shut: bool = False
    untagged: int | None = None
    tagged: frozenset = frozenset()
    voice: int | None = None
    dot1x: bool = False
    mab: bool = False
    storm: int | None = None
    trust: bool = False
    edge: bool = False


@dataclass(frozen=True)
class Switch:
    """A switch: ports by their last number, secrets as they were given."""

    hostname: str
    domain: str
    banner: str
    vlans: dict
    ports: dict
    dhcp_vlans: frozenset
    arp_vlans: frozenset
    address: str
    management: int
    gateway: str
    login_from: frozenset
    enable: str
    users: dict
    radius: tuple
    location: str
    contact: str
    snmp_users: dict
    syslog: tuple
    ntp: tuple


class Lines:
    """The lines of a configuration, each read by exactly one form.

    A line is written with those above it, such as ``interface Ethernet1 | shutdown``. A form is a
    regular expression whose groups name what it says.

    Raises:
        ValueError: a line that no form knows, or one of ``fixed`` (what has to stand in every
            configuration) that is missing or stands there twice.
    """

    def __init__(self, lines, fixed, forms):
        self.said = []
        left = list(fixed)
        for line in lines:
            if line in fixed:
                left.remove(line)  # a ValueError if it is there twice
                continue
            known = [found for form in forms if (found := re.fullmatch(form, line))]
            if len(known) != 1:
                raise ValueError(f"{len(known)} forms for the line {line!r}")
            self.said.append({k: v for k, v in known[0].groupdict().items() if v is not None})
        if left:
            raise ValueError(f"missing: {left}")

    def one(self, key):
        """Return what is said once."""
        [value] = self.all(key)
        return value

    def all(self, key):
        """Return what is said any number of times, in this order."""
        return tuple(one[key] for one in self.said if key in one)

    def pairs(self, key, value):
        """Return ``value`` for each ``key``."""
        return {one[key]: one[value] for one in self.said if key in one and value in one}

    def ports(self):
        """Return for each port, by its last number, what is said of it; ``flags`` are one set."""
        found = {}
        for one in (dict(one) for one in self.said if "port" in one):
            port = found.setdefault(int(re.split(r"\D", one.pop("port"))[-1]), {"flags": set()})
            if (flag := one.pop("flag", None)) is not None:
                port["flags"].add(flag)
            twice = port.keys() & one.keys()
            if twice:
                raise ValueError(f"{twice} is said twice of one port")
            port |= one
        return found


def indented(text, unit):
    """Yield each line with those above it; ``unit`` blanks indent a level."""
    above = []
    for line in text.splitlines():
        if line.strip() in ("!", "end"):
            continue
        words = line.strip()
        above[(len(line) - len(line.lstrip())) // unit :] = [words]
        yield " | ".join(above)


def ids(text):
    """Return the VLANs of a list such as 10,20-22."""
    found = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return frozenset(found)
