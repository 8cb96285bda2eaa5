"""Networks: what the inventory says of them, and how they are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_interface, ip_network
from typing import Any

from kahya.model import Town

Network = IPv4Network | IPv6Network
Networks = tuple[Network, ...]

WAN = "wan"
"""The zone of a gateway's interface to the carrier."""


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
                for address in addresses_of(interface):
                    addresses.add(ip_network(address.ip))
                    if interface["zone"] == WAN:
                        carrier.add(ip_network(address.ip))
                    else:
                        zones.setdefault(interface["zone"], set()).add(address.network)
                        behind.setdefault(name, set()).add(address.network)
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
    found = (ip_interface(interface[k]) for k in ("address", "address6") if interface.get(k))
    return [address for address in found if not address.ip.is_link_local]


def ordered(networks: Iterable[Network]) -> Networks:
    """Return ``networks`` without what others contain, IPv4 first."""
    found = set(networks)
    four = collapse_addresses(n for n in found if isinstance(n, IPv4Network))
    return (*four, *collapse_addresses(n for n in found if isinstance(n, IPv6Network)))


def distinct(networks: Iterable[Network]) -> Networks:
    """Return ``networks`` in order, each once, IPv4 first."""
    return tuple(sorted(set(networks), key=lambda n: (n.version, n)))


def covers(networks: Iterable[Network]) -> Callable[[Network], bool]:
    """Return the question whether a network lies within ``networks``."""
    return lambda network: any(
        network.version == n.version and network.subnet_of(n)  # type: ignore[arg-type]
        for n in networks
    )


def without(networks: Iterable[Network], holes: Iterable[Network]) -> Networks:
    """Return ``networks`` less ``holes``."""
    left = list(networks)
    for hole in holes:
        rest: list[Network] = []
        for network in left:
            if network.version != hole.version or not network.overlaps(hole):
                rest.append(network)
            elif hole != network and hole.subnet_of(network):  # type: ignore[arg-type]
                rest += network.address_exclude(hole)  # type: ignore[arg-type]
        left = rest
    return ordered(left)


def within(networks: Iterable[Network], bounds: Iterable[Network]) -> Networks:
    """Return the parts of ``networks`` that lie within ``bounds``."""
    limits = tuple(bounds)
    return ordered(
        max(one, other, key=lambda n: n.prefixlen)
        for one in networks
        for other in limits
        if one.version == other.version and one.overlaps(other)
    )


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
