"""The policy as the inbound rules of one Windows host, for Windows Defender Firewall.

Windows knows no order among rules: what blocks wins. So no rule of ours blocks. Each lets in what
its rule of the policy says less what the rules above it deny, and the profiles block the rest.
Rules are written as the properties of INetFwRule, as a host tells them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, summarize_address_range
from typing import Any

from kahya.firewall.boxes import (
    EVERY_SERVICE,
    ICMP,
    TCP,
    UDP,
    Box,
    Spans,
    meet,
    numbers,
    remains,
    spans,
)
from kahya.firewall.networks import Networks, Places, within
from kahya.firewall.nftables import comment
from kahya.firewall.policy import ResolvedRule, Service, parse, resolve

Rule = dict[str, Any]
"""Properties of INetFwRule and their values."""

GROUP = "Kâhya"
"""By which our rules are told from others: those of this group are all ours."""
OURS = "kahya:"
"""How the names of our rules begin: Ansible finds a rule by nothing else."""

FAMILIES = (4, 6)
HERE: Spans = ((0, 0),)  # all that is asked is what one host lets in
LAST_PORT, LAST_TYPE = 65535, 255
DESCRIPTION_BYTES = 1000
ALL_ADDRESSES, ALL_PORTS, ANY_PROTOCOL = "*", "*", 256
TCP_NUMBER, UDP_NUMBER = 6, 17
EVERYBODY = {"0.0.0.0-255.255.255.255", f"::-{':'.join(['ffff'] * 8)}"}
ICMP_TYPES = {4: {"echo-request": 8}, 6: {"echo-request": 128}}  # all that a policy may name
ICMP_NUMBERS = {4: ("icmp", 1), 6: ("icmpv6", 58)}
PLAIN: Rule = {
    "Grouping": GROUP,
    "Enabled": True,
    "Direction": 1,  # in
    "Action": 1,  # allow
    "Profiles": 0x7FFFFFFF,  # domain, private and public: who is locked out by a network's name?
    "LocalAddresses": ALL_ADDRESSES,
    "LocalPorts": "",
    "RemotePorts": "",
    "IcmpTypesAndCodes": "",
    "ApplicationName": "",
    "ServiceName": "",
    "InterfaceTypes": "All",
    "EdgeTraversalOptions": 0,
    "SecureFlags": 0,
}
"""What all our rules have in common, unless they say otherwise."""
PROFILE = {
    "Enabled": "True",
    "DefaultInboundAction": "Block",
    "DefaultOutboundAction": "Allow",
    "AllowInboundRules": "True",
    "NotifyOnListen": "False",  # else whoever sits there is asked for a rule
    "LogBlocked": "True",
}
"""The settings of each profile, as Get-NetFirewallProfile calls them."""
PROFILES = ("Domain", "Private", "Public")


def derive(hosts: Mapping[str, dict[str, Any]], names: Iterable[str]) -> None:
    """Add what hosts with Windows must have to their variables, if the town has a policy.

    Args:
        hosts: variables by host name, those of gateways as ``networks.derive`` left them.
        names: the hosts with Windows.
    """
    gateway = next((variables for variables in hosts.values() if "firewall" in variables), None)
    if gateway and (mine := list(names)):
        places = Places.read(gateway["places"])
        rules = [
            rule
            for rule in resolve(parse(gateway["firewall"]), places)
            if not rule.ended(gateway["today"])
        ]
        for name in mine:
            hosts[name]["rendered"] = configuration(places.hosts[name], rules)


def configuration(addresses: Networks, rules: Iterable[ResolvedRule]) -> dict[str, Any]:
    """Return the rules, by name, and the profiles of the host with these ``addresses``.

    Args:
        addresses: the host's own.
        rules: in force, the first that fits decides.
    """
    found: dict[str, Rule] = {}
    denied: dict[int, list[Box]] = {version: [] for version in FAMILIES}
    for rule in rules:
        boxes = {version: _box(rule, addresses, version) for version in FAMILIES}
        if rule.action == "deny":
            for version, box in boxes.items():
                denied[version] += [] if box.empty else [box]
        else:
            left = {v: remains([box], denied[v]) for v, box in boxes.items()}
            found |= {made["Name"]: made for made in _rules(rule, left)}
    return {"rules": found, "profiles": {name: dict(PROFILE) for name in PROFILES}}


def _box(rule: ResolvedRule, addresses: Networks, version: int) -> Box:
    """Return what of ``rule`` is about connections to the host, in one family."""
    mine = (network for network in addresses if network.version == version)
    sources = numbers(rule.sources, version) if within(mine, rule.destinations) else ()
    return Box(sources, HERE, _services(rule.services, version))


def _services(services: Iterable[Service], version: int) -> Spans:
    made, (icmp, _number) = list(services), ICMP_NUMBERS[version]
    if any(service.all for service in made):
        return EVERY_SERVICE
    runs = [(TCP + low, TCP + high) for s in made for low, high in s.tcp]
    runs += [(UDP + low, UDP + high) for s in made for low, high in s.udp]
    types = (ICMP_TYPES[version][kind] for s in made for kind in getattr(s, icmp))
    return spans([*runs, *((ICMP + number, ICMP + number) for number in types)])


def _rules(rule: ResolvedRule, left: Mapping[int, Iterable[Box]]) -> Iterator[Rule]:
    """Yield a rule for each protocol, and more where sources may use different ports of it."""
    sources: dict[tuple[str, int, str], dict[int, Spans]] = {}
    for version, boxes in left.items():
        for box in boxes:
            for key in _protocols(box.services, version):
                found = sources.setdefault(key, {})
                found[version] = spans((*found.get(version, ()), *box.sources))
    counts: dict[str, int] = {}
    for (kind, protocol, what), found in sorted(sources.items()):
        counts[kind] = counts.get(kind, 0) + 1
        number = f"/{counts[kind]}" if counts[kind] > 1 else ""
        named = [text for version, runs in found.items() for text in _addresses(runs, version)]
        yield PLAIN | {
            "Name": f"{OURS}{rule.name}/{kind}{number}",
            "Description": comment(rule, DESCRIPTION_BYTES).replace("|", "/"),  # it takes none
            "Protocol": protocol,
            "RemoteAddresses": ALL_ADDRESSES if set(named) == EVERYBODY else ",".join(named),
            **_ports(kind, what),
        }


def _protocols(services: Spans, version: int) -> Iterator[tuple[str, int, str]]:
    """Yield word, number, and ports or types of each protocol among ``services``.

    Of all protocols less something, those other than TCP, UDP and ICMP are left out: Windows has
    no word for them together.
    """
    if services == EVERY_SERVICE:
        yield "any", ANY_PROTOCOL, ""
        return
    for kind, number, base in (("tcp", TCP_NUMBER, TCP), ("udp", UDP_NUMBER, UDP)):
        if found := meet(services, ((base + 1, base + LAST_PORT),)):
            yield kind, number, _runs(found, base)
    icmp, number = ICMP_NUMBERS[version]
    if found := meet(services, ((ICMP, ICMP + LAST_TYPE),)):
        types = [f"{n - ICMP}:*" for low, high in found for n in range(low, high + 1)]
        yield icmp, number, "*" if len(types) > LAST_TYPE else ",".join(types)


def _ports(kind: str, what: str) -> Rule:
    if kind in ("tcp", "udp"):
        return {"LocalPorts": what, "RemotePorts": ALL_PORTS}
    return {"IcmpTypesAndCodes": what}


def _runs(found: Spans, base: int) -> str:
    """Return ports as Windows writes them."""
    if found == ((base + 1, base + LAST_PORT),):
        return ALL_PORTS
    return ",".join("-".join(map(str, dict.fromkeys((a - base, b - base)))) for a, b in found)


def _addresses(found: Spans, version: int) -> Iterator[str]:
    """Yield networks, and ranges: a zone less some hosts would be dozens of networks."""
    make = IPv4Address if version == 4 else IPv6Address  # noqa: PLR2004 - IPv4
    for first, last in found:
        low, high = make(first), make(last)
        networks: list[Any] = list(summarize_address_range(low, high))
        single = len(networks) == 1 and networks[0].prefixlen  # 0.0.0.0/0 is none it takes
        yield str(networks[0]) if single else f"{low}-{high}"
