"""Networks: what the inventory says of them, and how they are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    collapse_addresses,
    ip_network,
    summarize_address_range,
)
from typing import Any

from kahya.model import Town
from kahya.topology import IPSEC, WAN, interfaces_of

Network = IPv4Network | IPv6Network
Networks = tuple[Network, ...]
Span = tuple[int, int]

ENDS = {4: 2**32, 6: 2**128}
"""One past the last address, by version."""


@dataclass(frozen=True)
class Places:
    """What the inventory says of networks, by zone and host.

    ``behind`` has the networks behind each gateway, ``gateways`` the gateways' own addresses,
    ``carrier`` those of them that the carrier's network knows.
    """

    zones: Mapping[str, Networks]
    hosts: Mapping[str, Networks]
    behind: Mapping[str, Networks]
    gateways: Networks
    carrier: Networks

    @classmethod
    def of(cls, hosts: Mapping[str, Mapping[str, Any]]) -> Places:
        """Read them from the variables of all hosts, those outside included."""
        zones: dict[str, set[Network]] = {}
        found: dict[str, Networks] = {}
        behind: dict[str, set[Network]] = {}
        own: set[Network] = set()
        carrier: set[Network] = set()
        for name, variables in hosts.items():
            addresses = {ip_network(variables["ansible_host"])}
            addresses |= {ip_network(a) for a in [variables.get("address6")] if a}
            for interface in variables.get("interfaces", {}).values():
                own_here = {ip_network(address.ip) for address in addresses_of(interface)}
                addresses |= own_here
                carrier |= own_here if interface["zone"] == WAN else set()
            for _interface, zone, network in segments(variables):
                zones.setdefault(zone, set()).add(network)
                behind.setdefault(name, set()).add(network)
            for tunnel in variables.get("tunnels", ()):
                addresses |= {ip_network(address.ip) for address in addresses_of(tunnel)}
            found[name] = ordered(addresses)
            own |= addresses if "interfaces" in variables else set()
        ours, theirs = ({n: distinct(nets) for n, nets in of.items()} for of in (zones, behind))
        return cls(ours, found, theirs, ordered(own), ordered(carrier))

    @classmethod
    def of_town(cls, town: Town) -> Places:
        """Return the places of a town."""
        return cls.of({h.name: h.vars for h in (*town.hosts.values(), *town.outside.values())})

    def plain(self) -> dict[str, Any]:
        """Return them as plain data, for ``read``."""
        return {
            key: {name: list(map(str, nets)) for name, nets in value.items()}
            if isinstance(value, Mapping)
            else list(map(str, value))
            for key, value in vars(self).items()
        }

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Places:
        """Return what ``plain`` gave."""
        fields: dict[str, Any] = {
            key: {name: tuple(map(ip_network, nets)) for name, nets in value.items()}
            if isinstance(value, Mapping)
            else tuple(map(ip_network, value))
            for key, value in data.items()
        }
        return cls(**fields)

    def gateway_of(self, host: str) -> str:
        """Return the gateway that ``host`` stands behind, "" for none."""
        first = self.hosts.get(host, ())[:1] if host not in self.behind else ()
        ways = (n for n, nets in self.behind.items() if any(map(covers(nets), first)))
        return next(ways, "")


def addresses_of(interface: Mapping[str, Any]) -> list[Any]:
    """Return the addresses of an interface or tunnel, but for link-local ones; IPv4 first."""
    return [address for address in interfaces_of(interface) if not address.ip.is_link_local]


def segments(variables: Mapping[str, Any]) -> Iterator[tuple[str, str, Network]]:
    """Yield interface, zone and network of all that lies behind a gateway: others' as well."""
    for name, interface in variables.get("interfaces", {}).items():
        if interface["zone"] != WAN:
            yield from ((name, interface["zone"], a.network) for a in addresses_of(interface))
    for peer in variables.get("ipsec_peers", ()):
        yield from ((IPSEC, peer["zone"], ip_network(text)) for text in peer["networks"])


def ordered(networks: Iterable[Network]) -> Networks:
    """Return ``networks`` without what others contain, IPv4 first."""
    return _collapsed(tuple(networks))


# The same places are compared over and over, and the internet is a long list.
_remembered = lru_cache(maxsize=4096)


@_remembered
def _collapsed(networks: Networks) -> Networks:
    four = collapse_addresses(n for n in networks if isinstance(n, IPv4Network))
    return (*four, *collapse_addresses(n for n in networks if isinstance(n, IPv6Network)))


def distinct(networks: Iterable[Network]) -> Networks:
    """Return ``networks`` in order, each once, IPv4 first."""
    return tuple(sorted(set(networks), key=lambda n: (n.version, n)))


def covers(networks: Iterable[Network]) -> Callable[[Network], bool]:
    """Return the question whether a network lies within ``networks``."""
    return lambda network: any(
        network.version == n.version and network.subnet_of(n)  # type: ignore[arg-type]  # the same
        for n in networks
    )


def edges(network: Network, segment: Network) -> Iterator[IPv4Address | IPv6Address]:
    """Yield both ends of ``network`` and their neighbours, as far as hosts may have them."""
    low, high = int(network.network_address), int(network.broadcast_address)
    bottom, top = int(segment.network_address), int(segment.broadcast_address)
    if network == segment:
        numbers = [bottom - 1, bottom + 2, top - 1, top + 1]
    else:
        numbers = [n for n in (low - 1, low, high, high + 1) if bottom < n < top]
    make = IPv4Address if segment.version == 4 else IPv6Address  # noqa: PLR2004 - IPv4
    yield from (make(n) for n in numbers if 0 <= n < ENDS[segment.version])


def within(networks: Iterable[Network], bounds: Iterable[Network]) -> Networks:
    """Return the parts of ``networks`` that lie within ``bounds``."""
    return _overlap(tuple(networks), tuple(bounds), _spans)


def without(networks: Iterable[Network], holes: Iterable[Network]) -> Networks:
    """Return ``networks`` less ``holes``."""
    return _overlap(tuple(networks), tuple(holes), _gaps)


@_remembered
def _spans(networks: Networks, version: int) -> tuple[Span, ...]:
    """Return the first and last addresses of what ``networks`` are together, in order."""
    mine = collapse_addresses(n for n in networks if n.version == version)  # type: ignore[type-var]  # of one
    return tuple((int(n.network_address), int(n.broadcast_address)) for n in mine)


def _gaps(networks: Networks, version: int) -> tuple[Span, ...]:
    """Return the first and last addresses of all that is in none of ``networks``."""
    ends = [-1, *(end for span in _spans(networks, version) for end in span), ENDS[version]]
    pairs = zip(ends[::2], ends[1::2], strict=True)
    return tuple((before + 1, after - 1) for before, after in pairs if before + 1 < after)


@_remembered
def _overlap(
    networks: Networks,
    others: Networks,
    spans: Callable[[Networks, int], tuple[Span, ...]],
) -> Networks:
    """Return what ``networks`` have in common with the ``spans`` of ``others``."""
    found: list[Network] = []
    for version, address in ((4, IPv4Address), (6, IPv6Address)):
        left, right = list(_spans(networks, version)), list(spans(others, version))
        while left and right:
            first, last = max(left[0][0], right[0][0]), min(left[0][1], right[0][1])
            if first <= last:
                found += summarize_address_range(address(first), address(last))
            (left if left[0][1] < right[0][1] else right).pop(0)
    return tuple(found)


def derive(
    hosts: Mapping[str, dict[str, Any]], outside: Mapping[str, dict[str, Any]], today: str
) -> None:
    """Add ``places`` and ``today`` to the variables of the gateways that have a policy.

    Args:
        hosts: variables by host name, with all that follows from them; changed in place.
        outside: those of the hosts that are not the town's.
        today: the day (ISO 8601), one for all that is planned: a rule ends after its last.
    """
    gateways = [variables for variables in hosts.values() if "firewall" in variables]
    if gateways:
        places = Places.of({**hosts, **outside}).plain()
        for variables in gateways:
            variables |= {"places": places, "today": today}
