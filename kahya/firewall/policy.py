"""The firewall policy in the town's words, and what it comes to in networks.

A place is a zone (what lies behind the gateways' interfaces of that name, or ``subnets`` of the
policy), a group, a host, or a network. Where zones overlap, the most specific network wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_network
from typing import Any, Literal

from kahya.firewall.networks import (
    Network,
    Networks,
    Places,
    covers,
    distinct,
    ordered,
    without,
)
from kahya.model import Town
from kahya.topology import WAN

Ports = tuple[int, int]
"""The first and the last port of a range."""

INTERNET = "internet"
"""All that is not the town's: it lies behind the interfaces of zone ``wan``."""
GATEWAY = "gateway"
"""The gateways themselves."""
ANY = "any"
"""The service of all protocols."""
RESERVED = (INTERNET, GATEWAY, WAN)
EVERYTHING = (ip_network("0.0.0.0/0"), ip_network("::/0"))


@dataclass(frozen=True)
class Service:
    """What is let through. ``icmp`` and ``icmpv6`` are types by their names in RFC 792 and 4443."""

    name: str
    tcp: tuple[Ports, ...] = ()
    udp: tuple[Ports, ...] = ()
    icmp: tuple[str, ...] = ()
    icmpv6: tuple[str, ...] = ()

    @property
    def all(self) -> bool:
        """Return whether it stands for all protocols."""
        return self.name == ANY


@dataclass(frozen=True)
class Group:
    """Users under one name: zones, hosts or networks. ``ad_group``: their name in the directory."""

    name: str
    title: str
    members: tuple[str, ...]
    ad_group: str = ""


@dataclass(frozen=True)
class Rule:
    """Who may reach what. ``until`` is its last day (ISO 8601), "" for no end."""

    name: str
    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    services: tuple[str, ...]
    owner: str
    reason: str
    action: Literal["allow", "deny"] = "allow"
    until: str = ""
    log: bool = False


@dataclass(frozen=True)
class Published:
    """A program of host ``to`` that the internet reaches at ``port`` of its gateway's address."""

    name: str
    service: str
    to: str
    owner: str
    reason: str
    port: int = 0  # 0: the service's own
    until: str = ""
    log: bool = False


@dataclass(frozen=True)
class Policy:
    """The whole of it; rules in their order, the first that fits decides. The rest is dropped."""

    zones: Mapping[str, Networks]
    groups: Mapping[str, Group]
    services: Mapping[str, Service]
    rules: tuple[Rule, ...]
    published: tuple[Published, ...]


@dataclass(frozen=True)
class ResolvedRule:
    """A rule in networks.

    ``inbound``, ``outbound``: some of its sources, destinations are not the town's.
    ``published`` is set where the rule lets a published program's traffic through, towards the
    host's own address and port.
    """

    name: str
    sources: Networks
    destinations: Networks
    services: tuple[Service, ...]
    action: Literal["allow", "deny"]
    until: str
    log: bool
    owner: str
    reason: str
    inbound: bool = False
    outbound: bool = False
    published: Published | None = None

    def ended(self, today: str) -> bool:
        """Return whether its last day is over on ``today`` (ISO 8601)."""
        return bool(self.until) and self.until < today


def parse(data: Mapping[str, Any]) -> Policy:
    """Return the policy that the variable ``firewall`` says; it has been checked already."""
    zones = {
        name: distinct(map(ip_network, zone.get("subnets", ())))
        for name, zone in data.get("zones", {}).items()
    }
    groups = {
        name: Group(name, group["title"], tuple(group["members"]), group.get("ad_group", ""))
        for name, group in data.get("groups", {}).items()
    }
    return Policy(
        zones,
        groups,
        {ANY: Service(ANY)} | {n: _service(n, about) for n, about in data["services"].items()},
        tuple(map(_rule, data["rules"])),
        tuple(Published(**about) for about in data.get("published", ())),
    )


def _service(name: str, about: Mapping[str, Any]) -> Service:
    tcp, udp = (tuple(map(port_range, about.get(kind, ()))) for kind in ("tcp", "udp"))
    return Service(name, tcp, udp, tuple(about.get("icmp", ())), tuple(about.get("icmpv6", ())))


def _rule(about: Mapping[str, Any]) -> Rule:
    places = {"sources": tuple(about["from"]), "destinations": tuple(about["to"])}
    others = {key: value for key, value in about.items() if key not in ("from", "to")}
    return Rule(**others | places | {"services": tuple(about["services"])})


def port_range(ports: int | str) -> Ports:
    """Return the range that ``443`` or ``"8000-8100"`` means.

    >>> port_range(443), port_range("8000-8100")
    ((443, 443), (8000, 8100))
    """
    first, _dash, last = str(ports).partition("-")
    return int(first), int(last or first)


@dataclass(frozen=True)
class Atlas:
    """Every place that the policy may name, in networks."""

    policy: Policy
    places: Places

    @cached_property
    def whole(self) -> dict[str, Networks]:
        """The networks of each zone of the town, as they were written."""
        found = dict(self.places.zones)
        for name, networks in self.policy.zones.items():
            found[name] = distinct((*found.get(name, ()), *networks))
        return found

    @cached_property
    def town(self) -> Networks:
        """All that is not the internet."""
        whole = (n for networks in self.whole.values() for n in networks)
        return ordered((*self.places.gateways, *whole))

    @cached_property
    def zones(self) -> dict[str, Networks]:
        """The networks of each zone, each less what of it is another zone's."""
        found = {
            name: ordered(
                part for n in networks for part in without((n,), _narrower(n, name, self.whole))
            )
            for name, networks in self.whole.items()
        }
        return {**found, GATEWAY: self.places.gateways, INTERNET: without(EVERYTHING, self.town)}

    def sources(self, name: str) -> Networks:
        """Return the networks of a place.

        Raises:
            ValueError: there is none of that name.
        """
        if name in self.policy.groups:
            members = self.policy.groups[name].members
            return ordered(n for member in members for n in self.sources(member))
        if name in self.zones:
            return self.zones[name]
        return self.places.hosts[name] if name in self.places.hosts else (ip_network(name),)

    def destinations(self, name: str) -> Networks:
        """Return the networks of a place as a goal: a gateway is none that its zone stands for."""
        if name in self.policy.groups:
            members = self.policy.groups[name].members
            return ordered(n for member in members for n in self.destinations(member))
        if name in self.zones and name != GATEWAY:
            return without(self.zones[name], self.places.gateways)
        return self.sources(name)


def _narrower(whole: Network, name: str, zones: Mapping[str, Networks]) -> Iterable[Network]:
    """Yield what lies within a network of zone ``name`` and is another zone's."""
    for other, networks in zones.items():
        yield from filter(covers((whole,)), networks if other != name else ())


def resolve(policy: Policy, town: Town | Places) -> tuple[ResolvedRule, ...]:
    """Return the rules in networks, in their order, then those of the published programs.

    Rules past their last day are among them: ask ``ended``.
    """
    places = town if isinstance(town, Places) else Places.of_town(town)
    atlas = Atlas(policy, places)
    rules = [_resolved(rule, atlas) for rule in policy.rules]
    return (*rules, *(_let_in(program, atlas) for program in policy.published))


def policy_of(town: Town) -> Policy | None:
    """Return the policy of a town's gateways, None where they have none."""
    found = (h.vars["firewall"] for h in town.hosts.values() if "firewall" in h.vars)
    return next(map(parse, found), None)


def _resolved(rule: Rule, atlas: Atlas) -> ResolvedRule:
    sources = ordered(n for name in rule.sources for n in atlas.sources(name))
    destinations = ordered(n for name in rule.destinations for n in atlas.destinations(name))
    return ResolvedRule(
        rule.name,
        sources,
        destinations,
        tuple(map(atlas.policy.services.__getitem__, rule.services)),
        rule.action,
        rule.until,
        rule.log,
        rule.owner,
        rule.reason,
        inbound=bool(without(sources, atlas.town)),
        outbound=bool(without(destinations, atlas.town)),
    )


def _let_in(program: Published, atlas: Atlas) -> ResolvedRule:
    return ResolvedRule(
        program.name,
        atlas.zones[INTERNET],
        atlas.destinations(program.to),
        (atlas.policy.services[program.service],),
        "allow",
        program.until,
        program.log,
        program.owner,
        program.reason,
        inbound=True,
        published=program,
    )
