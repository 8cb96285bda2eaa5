"""Who may reach what, by the policy alone: every zone with every other, service by service.

Derived from the words of the policy and the addresses of the inventory, on another way than the
renderers take: a place is judged address by address, the narrowest network says its zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from ipaddress import ip_address, ip_network
from typing import Any

from kahya.firewall.incidents import CutOff
from kahya.firewall.networks import Network, addresses_of, covers, edges, segments
from kahya.firewall.nft_eval import Address, Knock
from kahya.firewall.policy import (
    ANY,
    EVERYTHING,
    GATEWAY,
    INTERNET,
    Policy,
    Published,
    Rule,
    Service,
)
from kahya.topology import WAN, lines_of

LAST_PORT = 65535
OWN = {("udp", port) for port in (500, 3784, 3785, 4500, 4784)}
"""What gateways themselves need of each other, whatever the policy: IKE, BFD."""

FEW = 8  # of what is cut off: it may be long, and is all alike
STRANGERS = {4: "192.0.2.7", 6: "2001:db8:ffff::7"}  # of the internet, in no town: RFC 5737, 3849


@dataclass(frozen=True)
class Spot:
    """An address that packets come from or go to.

    ``gateway`` and ``interface`` say behind what it lies: both are empty for the internet, and
    ``interface`` for a gateway's own address.
    """

    zone: str
    address: Address
    gateway: str = ""
    interface: str = ""

    @property
    def label(self) -> str:
        """Return its name for people."""
        return f"{self.zone} {self.address}" + (f" ({self.gateway})" if self.gateway else "")


Arrival = tuple[Address, int]
"""The address and port where a connection arrives in the end."""


@dataclass(frozen=True)
class Flow:
    """A connection that is tried, and where the policy has it arrive: None where it must not."""

    source: Spot
    to: Spot
    knock: Knock
    arrives: Arrival | None
    services: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Return what is tried, for people."""
        number = f"{self.knock.protocol}/{self.knock.port or self.knock.icmp}"
        return f"{'/'.join(self.services)} ({number})" if self.services else number


class Matrix:
    """The policy as verdicts on single connections.

    Args:
        policy: what is asked.
        hosts: the variables of all hosts, those outside included.
        today: ISO 8601; rules past their last day no longer count.
    """

    def __init__(self, policy: Policy, hosts: Mapping[str, Mapping[str, Any]], today: str) -> None:
        self.policy, self.hosts, self.today = policy, hosts, today
        self.gateways = {name: v for name, v in hosts.items() if "interfaces" in v}

    @cached_property
    def own(self) -> Mapping[Address, str]:
        """The gateways' own addresses, and whose they are."""
        return {
            interface.ip: name
            for name, variables in self.gateways.items()
            for part in (*variables["interfaces"].values(), *variables.get("tunnels", ()))
            for interface in addresses_of(part)
        }

    @cached_property
    def _zones(self) -> list[tuple[Network, str]]:
        """Every network with a zone, the narrowest first."""
        named = [(n, z) for z, networks in self.policy.zones.items() for n in networks]
        behind = [(net, zone) for _g, _i, zone, net in self._segments]
        return sorted([*named, *behind], key=lambda pair: -pair[0].prefixlen)

    @cached_property
    def _segments(self) -> list[tuple[str, str, str, Network]]:
        """Gateway, interface, zone and network of all that lies behind gateways."""
        return [
            (gateway, *segment)
            for gateway, variables in self.gateways.items()
            for segment in segments(variables)
        ]

    @cache  # noqa: B019 - a matrix lives as long as its process
    def spot(self, address: Address) -> Spot:
        """Return where an address lies."""
        if address in self.own:
            return Spot(GATEWAY, address, self.own[address])
        zone = next((z for network, z in self._zones if address in network), INTERNET)
        for gateway, interface, _zone, network in self._segments:
            if address in network:
                return Spot(zone, address, gateway, interface)
        return Spot(zone, address)

    def spots(self, version: int) -> list[Spot]:
        """Return addresses to try: the ends of networks that matter, and their neighbours."""
        found = {ip_address(STRANGERS[version]): None}
        for _gateway, _interface, _zone, segment in self._segments:
            inside = filter(covers((segment,)), self._named)
            for network in (segment, *inside) if segment.version == version else ():
                found |= dict.fromkeys(edges(network, segment))
        (world,) = (network for network in EVERYTHING if network.version == version)
        foreign = (a for n in self._named if n.version == version for a in edges(n, world))
        found |= dict.fromkeys(a for a in foreign if self.spot(a).zone == INTERNET)
        own = (a for a in self.own if a.version == version and a not in self.tunnelled)
        found |= dict.fromkeys(own)
        return [self.spot(address) for address in found]

    @cached_property
    def _named(self) -> list[Network]:
        """Every network and host that the policy names."""
        rules = [name for r in self.policy.rules for name in (*r.sources, *r.destinations)]
        names = {*rules, *(m for g in self.policy.groups.values() for m in g.members)}
        names |= {program.to for program in self.policy.published}
        found = {network for networks in self.policy.zones.values() for network in networks}
        found |= {ip_network(name) for name in names if "/" in name}
        found |= {ip_network(a) for name in names for a in self.addresses(name)}
        found |= {*self._cut_off.blocked[:FEW], *self._cut_off.isolated[:FEW]}
        return sorted(found, key=str)

    @cached_property
    def _cut_off(self) -> CutOff:
        return CutOff.of(next(iter(self.gateways.values()), {}))

    @cache  # noqa: B019 - a matrix lives as long as its process
    def addresses(self, host: str) -> list[Address]:
        """Return the addresses of a host, none for another name."""
        about = self.hosts.get(host, {})
        texts = [about.get(key) for key in ("ansible_host", "address6")]
        own = [address for address, gateway in self.own.items() if gateway == host]
        return list(dict.fromkeys([*own, *(ip_address(text) for text in texts if text)]))

    @cached_property
    def knocks(self) -> Mapping[Knock, tuple[str, ...]]:
        """Every service of the policy at both ends of its ports, and the ports beside them.

        With each come the services that have it: those beside have none.
        """
        named: dict[Knock, list[str]] = {}
        beside: list[tuple[str, int]] = []
        for service in self.policy.services.values():
            for protocol, ranges in (("tcp", service.tcp), ("udp", service.udp)):
                for low, high in ranges:
                    for port in dict.fromkeys((low, high)):
                        named.setdefault(Knock(protocol, port), []).append(service.name)
                    beside += [(protocol, low - 1), (protocol, high + 1)]
            for protocol, kinds in (("icmp", service.icmp), ("icmpv6", service.icmpv6)):
                for kind in kinds:
                    named.setdefault(Knock(protocol, icmp=kind), []).append(service.name)
        beside += [(kind, p.port) for p in self.policy.published for kind in ("tcp", "udp")]
        more: dict[Knock, tuple[str, ...]] = {
            Knock(*pair): ()
            for pair in sorted(beside)
            if 0 < pair[1] <= LAST_PORT and pair not in OWN
        }
        return more | {knock: tuple(names) for knock, names in named.items()}

    def pairs(self) -> Iterator[tuple[Spot, Spot]]:
        """Return every two places between which the policy has a say."""
        for version in STRANGERS:
            spots = self.spots(version)
            yield from ((a, b) for a in spots for b in spots if self.meet(a, b))

    def meet(self, source: Spot, to: Spot) -> bool:
        """Return whether packets between them pass a gateway that has to decide about them."""
        if source.zone == INTERNET == to.zone or source.zone == GATEWAY:
            return False  # what gateways themselves send is not filtered by the policy
        return (source.gateway, source.interface) != (to.gateway, to.interface)

    def verdicts(self, source: Spot, to: Spot) -> dict[Knock, Arrival | None]:
        """Return what the policy says of every knock between two places."""
        return {k: self.verdict(source, to, k) for k in self.tried[to.address.version]}

    @cached_property
    def tried(self) -> Mapping[int, list[Knock]]:
        """The knocks that there are in each version of IP."""
        foreign = {4: "icmpv6", 6: "icmp"}
        return {v: [k for k in self.knocks if k.protocol != foreign[v]] for v in STRANGERS}

    @property
    def size(self) -> int:
        """Return how many connections are tried."""
        return sum(len(self.tried[to.address.version]) for _source, to in self.pairs())

    def verdict(self, source: Spot, to: Spot, knock: Knock) -> Arrival | None:
        """Return where the policy has a connection arrive, None where it must not."""
        program = self.published(source, to, knock)
        goal, port = self._behind(program, to, knock) if program else (to.address, knock.port)
        if not program and self.unreachable(source, to):
            return None
        if self._cut(source.address, goal):
            return None
        asked = replace(knock, port=port) if program else knock
        rule = self.first(source, self.spot(goal), asked)
        allowed = rule.action == "allow" if rule else bool(program)
        return (goal, port) if allowed else None

    def first(self, source: Spot, to: Spot, knock: Knock) -> Rule | None:
        """Return the rule that decides about a connection, whatever lies on its way."""
        fits = self._from(source) & self._to(to)
        fits = fits and fits & self._for(knock)
        return self._rules[min(fits)] if fits else None

    @cache  # noqa: B019 - a matrix lives as long as its process
    def _cut(self, source: Address, to: Address) -> bool:
        return self._cut_off.cuts(source, to)

    def unreachable(self, source: Spot, to: Spot) -> bool:
        """Return whether no rule can help.

        From outside only the outer addresses are there, and nothing that is for another gateway
        leaves by the carrier's network in the open: what the VPN doesn't route stays in its
        building.
        """
        if source.zone == INTERNET:
            return to.address not in self.outer
        if not to.gateway or source.gateway == to.gateway:
            return False
        return to.address in self.outer or not (self._routed(source) and self._routed(to))

    @cache  # noqa: B019 - a matrix lives as long as its process
    def _routed(self, spot: Spot) -> bool:
        """Return whether the other buildings know the way to it (vpn_zones), by tunnels."""
        about = self.gateways[spot.gateway]
        near = (
            interface["zone"]
            for interface in about["interfaces"].values()
            if any(spot.address in address.network for address in addresses_of(interface))
        )
        zone = next(near, "")
        return bool(about.get("tunnels")) and zone in about.get("vpn_zones", [zone])

    @cached_property
    def outer(self) -> frozenset[Address]:
        """The gateways' addresses on the carrier's network."""
        return frozenset(
            address.ip
            for variables in self.gateways.values()
            for interface in variables["interfaces"].values()
            if interface["zone"] == WAN
            for address in addresses_of(interface)
        )

    @cached_property
    def tunnelled(self) -> frozenset[Address]:
        """The gateways' addresses within tunnels: which way leads there changes."""
        tunnels = (tunnel for gateway in self.gateways for tunnel in self._tunnels(gateway))
        return frozenset(a.ip for tunnel in tunnels for a in addresses_of(tunnel))

    @cached_property
    def _rules(self) -> list[Rule]:
        return [r for r in self.policy.rules if not (r.until and r.until < self.today)]

    @cache  # noqa: B019 - a matrix lives as long as its process
    def _from(self, spot: Spot) -> frozenset[int]:
        return frozenset(i for i, r in enumerate(self._rules) if self._in(spot, r.sources))

    @cache  # noqa: B019 - a matrix lives as long as its process
    def _to(self, spot: Spot) -> frozenset[int]:
        return frozenset(i for i, r in enumerate(self._rules) if self._in(spot, r.destinations))

    @cache  # noqa: B019 - a matrix lives as long as its process
    def _for(self, knock: Knock) -> frozenset[int]:
        named = enumerate(r.services for r in self._rules)
        return frozenset(i for i, names in named if any(self.has(n, knock) for n in names))

    @cache  # noqa: B019 - a matrix lives as long as its process
    def route(self, gateway: str, to: Address) -> str:
        """Return the interface by which ``gateway`` sends a packet on."""
        spot = self.spot(to)
        if spot.gateway == gateway:
            return spot.interface
        if to in self.outer or (spot.gateway and not self._routed(spot)):
            return self.carrier(gateway)
        ways = [t for t in self._tunnels(gateway) if t["peer_host"] == spot.gateway]
        best = min(ways, key=lambda t: t["cost"], default={"name": self.carrier(gateway)})
        return str(best["name"])

    def beyond(self, gateway: str, leaves: str) -> tuple[str, str] | None:
        """Return the gateway at the other end of a tunnel, and its interface there."""
        for tunnel in self._tunnels(gateway):
            if tunnel["name"] == leaves:
                back = self._tunnels(peer := tunnel["peer_host"])
                here = tunnel["address"].split("/")[0]
                return peer, next(t["name"] for t in back if t["peer_address"] == here)
        return None

    def carrier(self, gateway: str) -> str:
        """Return the interface of ``gateway`` on its main line, "" where it has none."""
        return next(iter(self.lines(gateway)), "")

    @cache  # noqa: B019 - a matrix lives as long as its process
    def lines(self, gateway: str) -> dict[str, list[Address]]:
        """Return the interfaces of ``gateway`` to carriers, the main one first, and addresses."""
        about = self.gateways[gateway]
        names = [line["interface"] for line in lines_of(about)]
        return {name: [a.ip for a in addresses_of(about["interfaces"][name])] for name in names}

    def _tunnels(self, gateway: str) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = self.gateways[gateway].get("tunnels", [])
        return found

    def _in(self, spot: Spot, names: Iterable[str]) -> bool:
        for name in names:
            if name in self.policy.groups:
                found = self._in(spot, self.policy.groups[name].members)
            elif "/" in name:
                found = spot.address in ip_network(name)
            else:
                found = spot.zone == name or spot.address in self.addresses(name)
            if found:
                return True
        return False

    def has(self, name: str, knock: Knock) -> bool:
        """Return whether ``knock`` is of the service of that name."""
        if name == ANY:
            return True
        service = self.policy.services[name]
        if knock.icmp:
            return knock.icmp in getattr(service, knock.protocol)
        return _covers(service, knock)

    def published(self, source: Spot, to: Spot, knock: Knock) -> Published | None:
        """Return the program that a stranger finds at this port of a gateway's outer address."""
        if source.zone != INTERNET or to.address not in self.outer:
            return None
        for program in self.policy.published:
            home = [self.spot(a) for a in self.addresses(program.to)]
            same = any(
                h.gateway == to.gateway and h.address.version == to.address.version for h in home
            )
            ended = program.until and program.until < self.today
            if same and not ended and self._behind(program, to, knock)[1]:
                return program
        return None

    def _behind(self, program: Published, to: Spot, knock: Knock) -> tuple[Address, int]:
        """Return where a published program really is; port 0 where ``knock`` is not its port."""
        version = to.address.version
        address = next(a for a in self.addresses(program.to) if a.version == version)
        service = self.policy.services[program.service]
        ranges: tuple[tuple[int, int], ...] = getattr(service, knock.protocol, ())
        if not knock.port or not ranges:
            return address, 0
        if program.port:
            return address, ranges[0][0] if knock.port == program.port else 0
        return address, knock.port if _covers(service, knock) else 0


def _covers(service: Service, knock: Knock) -> bool:
    return any(low <= knock.port <= high for low, high in getattr(service, knock.protocol))
