"""Types of words: each knows the canonical form of its words, and None for any other."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

Canonical = Callable[[str], str | None]


def ranges(numbers: set[int], least: int = 2) -> str:
    """Return ``{1, 2, 3, 7}`` as ``1-3,7``; a range is of ``least`` numbers or more."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(
        f"{run[0]}-{run[-1]}" if len(run) >= least else ",".join(map(str, run)) for run in runs
    )


def numbers(text: str) -> set[int]:
    """Return the numbers that ``1-3,7`` stands for."""
    found: set[int] = set()
    for part in text.split(","):
        low, _, high = part.partition("-")
        found |= set(range(int(low), int(high or low) + 1))
    return found


def _vlans(least: int) -> Canonical:
    def canonical(word: str) -> str | None:
        if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", word):
            return None
        found = numbers(word)
        inside = found and min(found) >= 1 and max(found) <= 4094
        return ranges(found, least) if inside else None

    return canonical


def _address(make: Callable[[str], object]) -> Canonical:
    def canonical(word: str) -> str | None:
        try:
            return str(make(word))
        except ValueError:
            return None

    return canonical


def _prefix(word: str) -> str | None:
    return _address(ipaddress.IPv4Interface)(word) if "/" in word else None


def _like(pattern: str) -> Canonical:
    return lambda word: word if re.fullmatch(pattern, word) else None


TYPES: dict[str, Canonical] = {
    "WORD": _like(r"\S+"),
    "LINE": _like(r".+"),
    "NUM": _like(r"\d+"),
    "DECIMAL": _like(r"\d+(\.\d+)?"),
    "IP": _address(ipaddress.IPv4Address),
    "FILE": _like(r"\w+:\S*"),
    "PREFIX": _prefix,
    "TIME": _like(r"\d+:\d+:\d+"),
}
"""The types that are the same on every device."""


class Names:
    """The interfaces of a device: kinds by name, and which physical ports there are."""

    def __init__(self, kinds: list[str], ports: list[str]) -> None:
        self.kinds, self.there = kinds, ports

    def interface(self, word: str) -> str | None:
        """Return the full name of the interface that ``word`` may abbreviate."""
        parts = re.fullmatch(r"([a-zA-Z-]+?)(\d[\d/.]*)", word)
        if not parts:
            return None
        fits = [kind for kind in self.kinds if kind.lower().startswith(parts[1].lower())]
        return fits[0] + parts[2] if len(fits) == 1 else None

    def port(self, word: str) -> str | None:
        """Return the full name of a physical port that the device has."""
        name = self.interface(word)
        return name if name in self.there else None

    def ports(self, word: str) -> str | None:
        """Return a comma list of the ports in ``Gi1/0/1-4,Gi1/0/7``; the device has each."""
        found: list[str | None] = []
        for part in word.split(","):
            parts = re.fullmatch(r"(\D.*?)(\d+)(?:-(\d+))?", part)
            if not parts:
                return None
            stem, first, last = parts[1], int(parts[2]), int(parts[3] or parts[2])
            found += [self.port(f"{stem}{number}") for number in range(first, last + 1)]
        names = [name for name in found if name]
        return ",".join(names) if names and len(names) == len(found) else None

    def of_kind(self, kind: str) -> Canonical:
        """Return the type of an interface that isn't physical, such as Vlan10."""

        def canonical(word: str) -> str | None:
            name = self.interface(word)
            return name if name and re.fullmatch(rf"{kind}\d+", name) else None

        return canonical


def types(kinds: list[str], ports: list[str], least: int) -> dict[str, Canonical]:
    """Return all types of a device: of VLANs, PORT, PORTS, INTERFACE, and one for each kind."""
    names, vlans = Names(kinds, ports), _vlans(least)
    own: dict[str, Canonical] = {
        "VID": lambda word: vlans(word) if word.isdigit() else None,
        "VLANS": vlans,
        "PORT": names.port,
        "PORTS": names.ports,
        "INTERFACE": names.interface,
    }
    return TYPES | own | {kind.upper(): names.of_kind(kind) for kind in kinds}
