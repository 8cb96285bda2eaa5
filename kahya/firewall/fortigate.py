"""The policy as the configuration of one FortiGate: the tables of its REST API (FortiOS 7.4.2+).

aerleon writes addresses, ports and policies as FortiOS' command line has them. Here they become
entries under names that tell what they are and stay when others come and go, and get what aerleon
has none of or gets wrong: ICMP, address translation, last days, comments and who answers for it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_network, summarize_address_range
from typing import Any
from zlib import crc32

from kahya.firewall.boxes import spans
from kahya.firewall.incidents import CutOff
from kahya.firewall.networks import Network, Networks, Places, addresses_of, within, without
from kahya.firewall.nftables import Gateway, comment, hidden
from kahya.firewall.policy import (
    ANY,
    EVERYTHING,
    Atlas,
    Ports,
    Published,
    ResolvedRule,
    Service,
    parse,
    resolve,
)
from kahya.firewall.terms import Flow, Terms

Tables = dict[str, dict[str, dict[str, Any]]]
"""Entries by their keys, by the path of their table under /api/v2/cmdb."""

POLICIES = "firewall policy"  # as the command line calls it
ADDRESS, ADDRESS6 = "firewall/address", "firewall/address6"
SERVICE, SCHEDULE = "firewall.service/custom", "firewall.schedule/onetime"
VIP, VIP6 = "firewall/vip", "firewall/vip6"
POLICY = "firewall/policy"
LOCAL, LOCAL6 = "firewall/local-in-policy", "firewall/local-in-policy6"
TABLES = (ADDRESS, ADDRESS6, SERVICE, SCHEDULE, VIP, VIP6, POLICY, LOCAL, LOCAL6)

OURS = "kahya:"
"""How the names of addresses, services and schedules begin: a device has others of its own."""

ALWAYS, ALL, ALL_ADDRESSES = "always", "ALL", "all"
NAME_LENGTH, COMMENT_BYTES = 79, 1023
IPV4 = 4
FAMILIES = {4: ("", ADDRESS, VIP, LOCAL), 6: ("6", ADDRESS6, VIP6, LOCAL6)}
PLAIN = dict.fromkeys(
    ("srcaddr-negate", "dstaddr-negate", "service-negate"), "disable"
)  # what would make an entry say something else, if somebody set it by hand
PLAIN_POLICY: dict[str, Any] = PLAIN | dict.fromkeys(
    ("srcaddr6-negate", "dstaddr6-negate", "internet-service", "internet-service-src",
     "internet-service6", "internet-service6-src", "ippool", "nat46", "nat64"), "disable",
) | {"groups": [], "users": [], "fsso-groups": []}  # fmt: skip


def configuration(variables: Mapping[str, Any]) -> Tables:
    """Return all that the FortiGate with these ``variables`` must have; see ``networks.derive``."""
    policy, places = parse(variables["firewall"]), Places.read(variables["places"])
    rules = tuple(r for r in resolve(policy, places) if not r.ended(variables["today"]))
    made = _Configuration(Gateway(variables, Atlas(policy, places), rules))
    made.forward()
    made.to_itself()
    return made.tables


def command_line(text: str) -> Tables:
    r"""Return what FortiOS' command line says: the values of each setting, by entry and table.

    >>> command_line('config firewall addrgrp\nedit A\nset member "a" "b c"\nnext\nend')
    {'firewall addrgrp': {'A': {'member': ['a', 'b c']}}}
    """
    found: Tables = {}
    table, entry = "", ""
    for word, *rest in filter(None, map(shlex.split, text.splitlines())):
        if word == "config":
            table = " ".join(rest)
            found[table] = {}
        elif word == "edit":
            entry = rest[0]
            found[table][entry] = {}
        elif word == "set":
            found[table][entry][rest[0]] = rest[1:]
    return found


@dataclass
class _Configuration:
    gateway: Gateway
    tables: Tables = field(default_factory=lambda: {name: {} for name in TABLES})

    def forward(self) -> None:
        """Add the policies from one interface to another, and the forwarded ports."""
        inside, town = self.gateway.inside, self.gateway.atlas.town
        for rule in self.gateway.rules:
            self._publish(rule)
        for why, flow in self._cut_off():
            self._add_policy(_guard(why), flow)
        for wan in self.gateway.wan:
            self._add_policy(_guard("spoofed"), Flow(inside, (), wan, ANY))
            self._add_policy(_guard("would leave in the open"), Flow((), town, ANY, wan))
        for rule in self.gateway.rules:
            for flow in self.gateway.flows(rule, "forward"):
                for part in self._by_translation(flow):
                    self._add_policy(rule, part)

    def to_itself(self) -> None:
        """Add the policies about what is for the FortiGate itself; the rest is dropped."""
        for why, flow in self._cut_off():
            self._add_local(_guard(why), flow)
        for wan in self.gateway.wan:
            self._add_local(_guard("spoofed"), Flow(self.gateway.inside, (), wan, ANY))
        for rule in self.gateway.rules:
            for flow in self.gateway.flows(rule, "input"):
                self._add_local(rule, flow)
        self._add_local(_guard("no rule"), Flow(EVERYTHING, (), ANY, ANY))

    def _cut_off(self) -> Iterator[tuple[str, Flow]]:
        """Yield what incidents.yml cuts off, in both directions; see ``CutOff``."""
        found = CutOff.of(self.gateway.variables)
        spared = without(EVERYTHING, found.examiners)
        cut_off = ("blocked", found.blocked, ()), ("isolated", found.isolated, spared)
        for why, cut, others in cut_off:
            if cut:
                yield why, Flow(cut, others, ANY, ANY)
                yield why, Flow(others, cut, ANY, ANY)

    def _by_translation(self, flow: Flow) -> Iterator[Flow]:
        """Yield the parts of ``flow`` that need the gateway's address outside, and the others."""
        if flow.destination_interface not in self.gateway.wan:
            yield flow
            return
        private = tuple(filter(hidden, flow.sources))
        parts = private, without(flow.sources, private)
        yield from (replace(flow, sources=part) for part in parts if part)

    def _add_policy(self, rule: ResolvedRule, flow: Flow) -> None:
        said = _written(rule, flow)
        allow = rule.action == "allow"
        sides = {
            f"{end}addr{six}": self._addresses(said, f"{end}addr{six}", version)
            for version, (six, *_tables) in FAMILIES.items()
            for end in ("src", "dst")
        }
        if allow and flow.source_interface:  # outside, inner addresses mean nothing
            sides |= self._doors(flow, sides)
        for source, goal in (("srcaddr", "dstaddr"), ("srcaddr6", "dstaddr6")):
            if not (sides[source] and sides[goal]):
                sides |= {source: [], goal: []}
        if not any(sides.values()):
            return
        name = self._name(POLICY, rule.name)
        outward = flow.destination_interface in self.gateway.wan
        self.tables[POLICY][str(_number(name))] = {
            "policyid": _number(name),
            "name": name,
            "status": "enable",
            "srcintf": _names(flow.source_interface or ANY),
            "dstintf": _names(flow.destination_interface or ANY),
            **sides,
            **self._rest(rule, said),
            "nat": "enable" if allow and outward and any(map(hidden, flow.sources)) else "disable",
            "match-vip": "disable" if allow else "enable",  # else forwarded ports would pass it
            "logtraffic": "all" if rule.log else "disable",
            **PLAIN_POLICY,
        }

    def _add_local(self, rule: ResolvedRule, flow: Flow) -> None:
        said = _written(rule, flow)
        for version, (six, *_others, table) in FAMILIES.items():
            ends = {e: self._addresses(said, f"{e}{six}", version) for e in ("srcaddr", "dstaddr")}
            if ends["srcaddr"] and ends["dstaddr"]:
                name = self._name(table, rule.name)
                rest = self._rest(rule, said)
                self.tables[table][str(_number(name))] = {
                    "policyid": _number(name),
                    "status": "enable",
                    "intf": _names(flow.source_interface or ANY),
                    **ends,
                    **rest,
                    "comments": f"{name}: {rest['comments']}",  # these have no name
                    **PLAIN,
                }

    def _rest(self, rule: ResolvedRule, said: Tables) -> dict[str, Any]:
        """Return what policies of both kinds have in common."""
        return {
            "action": "accept" if rule.action == "allow" else "deny",
            "service": _names(*self._services(rule, said)),
            "schedule": self._schedule(rule.until),
            "comments": comment(rule, COMMENT_BYTES - 40),
        }

    def _name(self, table: str, rule: str) -> str:
        """Return the name of the next policy of ``rule``: it may need several."""
        names = (f"{rule}/{number}" for number in range(1, 1000))
        return next(n for n in names if str(_number(n)) not in self.tables[table])

    def _addresses(self, said: Tables, side: str, version: int) -> list[dict[str, str]]:
        """Return the addresses that aerleon wrote for ``side``, as entries of the device."""
        six, table, *_others = FAMILIES[version]
        groups, entries = (said.get(f"firewall {kind}{six}", {}) for kind in ("addrgrp", "address"))
        tokens = {t for policy in said[POLICIES].values() for t in policy.get(side, ())}
        if ALL_ADDRESSES in tokens:
            return _names(ALL_ADDRESSES)
        found = [entries[member] for token in tokens for member in groups[token]["member"]]
        written = [ip_network("/".join(entry.get("subnet") or entry["ip6"])) for entry in found]
        runs = spans((int(n.network_address), int(n.broadcast_address)) for n in written)
        return _names(*(self._address(table, *run) for run in runs))

    def _address(self, table: str, first: int, last: int) -> str:
        """Add a network, or a range: a zone less some hosts would be dozens of networks."""
        make = IPv4Address if table == ADDRESS else IPv6Address
        low, high = make(first), make(last)
        networks: list[Any] = list(summarize_address_range(low, high))
        name = f"{OURS}{networks[0] if len(networks) == 1 else f'{low}-{high}'}"
        if len(name) > NAME_LENGTH:
            name = f"{OURS}{low}+{last - first:x}"
        about = {"type": "iprange", "start-ip": str(low), "end-ip": str(high)}
        if len(networks) == 1 and table == ADDRESS:
            about = {"type": "ipmask", "subnet": f"{low} {networks[0].netmask}"}
        elif len(networks) == 1:
            about = {"type": "ipprefix", "ip6": str(networks[0])}
        self.tables[table][name] = {"name": name, **about}
        return name

    def _services(self, rule: ResolvedRule, said: Tables) -> list[str]:
        if any(service.all for service in rule.services):
            return [ALL]
        ports = {
            (kind, run)
            for entry in said.get("firewall service custom", {}).values()
            for kind in ("tcp", "udp")
            for run in entry.get(f"{kind}-portrange", ())
        }
        none = {"tcp-portrange": "", "udp-portrange": ""}
        made = {f"{kind}/{run}": {**none, f"{kind}-portrange": run} for kind, run in ports}
        for number, protocol, key in _icmp(rule.services):
            made[f"{protocol.lower()}/{key}"] = {"protocol": protocol, "icmptype": number}
        for name, about in made.items():
            self.tables[SERVICE][OURS + name] = {"name": OURS + name, **about}
        return sorted(OURS + name for name in made)

    def _schedule(self, until: str) -> str:
        if not until:
            return ALWAYS
        name = f"{OURS}until {until}"
        day = until.replace("-", "/")
        made = {"name": name, "start": "00:00 2001/01/01", "end": f"23:59 {day}"}
        self.tables[SCHEDULE][name] = made
        return name

    def _publish(self, rule: ResolvedRule) -> None:
        """Add what turns the gateway's address into that of the host behind it."""
        if rule.published is None:
            return
        for wan in self.gateway.wan:
            for outer in addresses_of(self.gateway.variables["interfaces"][wan]):
                table = FAMILIES[outer.version][2]
                targets = within(rule.destinations, self.gateway.behind)
                for target in (t for t in targets if t.version == outer.version):
                    for kind, ports in _ports(rule.services[0]):
                        made = _forward(rule.published, kind, ports, outer.ip, wan, target)
                        self.tables[table].setdefault(made["name"], made)

    def _doors(self, flow: Flow, sides: Mapping[str, Any]) -> dict[str, Any]:
        """Return the forwarded ports whose hosts are a goal of ``flow``."""
        goals = within(flow.destinations, self.gateway.behind)
        return {
            f"dstaddr{six}": _names(
                *(n for n, v in self.tables[table].items() if within(_mapped(v), goals))
            )
            if sides[f"srcaddr{six}"]
            else []
            for six, _addresses, table, _local in FAMILIES.values()
        }


def _written(rule: ResolvedRule, flow: Flow) -> Tables:
    """Return what aerleon writes for one flow, but for ICMP: it fails at v6 and at two types."""
    from aerleon.lib import fortigate

    ported = tuple(replace(s, icmp=(), icmpv6=()) for s in rule.services)
    ported = tuple(s for s in ported if s.all or s.tcp or s.udp) or (Service(ANY),)
    terms = Terms()
    terms.add(replace(rule, services=ported), flow)
    if not terms.terms:
        return {POLICIES: {}}
    for term in terms.terms:  # it knows interfaces by its header alone
        for end in ("source", "destination"):
            term.pop(f"{end}-interface", None)
    zones = f"from-zone {flow.source_interface or ANY} to-zone {flow.destination_interface or ANY}"
    return command_line(str(fortigate.Fortigate(terms.policy({"fortigate": f"{zones} mixed"}), 0)))


def _guard(why: str) -> ResolvedRule:
    """Return a rule of Kâhya's own that denies everything."""
    name = why.replace(" ", "-")
    return ResolvedRule(
        name, (), (), (Service(ANY),), "deny", "", log=False, owner="Kâhya", reason=why
    )


def _names(*names: str) -> list[dict[str, str]]:
    return [{"name": name} for name in names]


def _number(name: str) -> int:
    """Return the number of a policy: it stays the same when others come and go."""
    return crc32(name.encode()) % (2**32 - 2) + 1


def _icmp(services: Iterable[Service]) -> Iterator[tuple[int, str, str]]:
    """Yield number, protocol and name of each type."""
    from aerleon.lib.aclgenerator import Term

    for service in services:
        for version, protocol, types in ((4, "ICMP", service.icmp), (6, "ICMP6", service.icmpv6)):
            yield from ((Term.ICMP_TYPE[version][key], protocol, key) for key in types)


def _ports(service: Service) -> Iterator[tuple[str, Ports]]:
    yield from (("tcp", ports) for ports in service.tcp)
    yield from (("udp", ports) for ports in service.udp)


def _forward(
    program: Published, kind: str, ports: Ports, outer: Any, wan: str, host: Network
) -> dict[str, Any]:
    """Return the forwarding of ``ports`` of the address ``outer`` to ``host``."""
    run = "-".join(map(str, dict.fromkeys(ports)))
    inner = str(host.network_address)
    four = {"extintf": wan, "mappedip": [{"range": inner}]}
    return {
        "name": f"{program.name} {kind}/{run}",
        "extip": str(outer),
        "portforward": "enable",
        "protocol": kind,
        "extport": str(program.port or run),
        "mappedport": run,
        **(four if host.version == IPV4 else {"mappedip": inner}),
    }


def _mapped(forward: Mapping[str, Any]) -> Networks:
    """Return the host to which a port is forwarded."""
    inner = forward["mappedip"]
    return (ip_network(inner if isinstance(inner, str) else inner[0]["range"]),)
