"""Find what is wrong in a firewall policy, once each part of it is well-formed by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_network
from itertools import permutations, product
from typing import Any

from kahya.firewall.networks import Networks, Places, covers, segments
from kahya.firewall.policy import (
    ANY,
    GATEWAY,
    INTERNET,
    RESERVED,
    Ports,
    ResolvedRule,
    parse,
    port_range,
    resolve,
)
from kahya.i18n import _
from kahya.inventory_check import Problem, at, one_of
from kahya.inventory_reader import RawHost, RawInventory
from kahya.topology import IPSEC, lines_of, tunnel_port

LAST_PORT = 65535
SSH = 22
Found = tuple[list[str | int], str, str]
"""Keys within the policy, what is wrong, what to write instead."""
Outer = tuple[str, str, Ports, str]
"""Gateway, protocol and ports of its outer address, and whose they are."""


def check_policy(raw: RawInventory) -> list[Problem]:
    """Compare the names, places, services and programs of the policy with each other."""
    gateways = [raw.hosts[name] for name in raw.groups.get("gateways", ())]
    places = Places.of({name: host.vars for name, host in raw.hosts.items()})
    desks = raw.groups.get("workstations", ())
    problems: set[Problem] = set()
    for host in gateways:
        problems |= set(_peers(host, gateways))
    for host in (g for g in gateways if "firewall" in g.vars):
        tunnels = list(_tunnels([g for g in gateways if "vpn_public_key" in g.vars]))
        found = set(_problems(host, places, tunnels)) or set(_locked_out(host, places, desks))
        problems |= found
    first = next((g for g in gateways if "firewall" in g.vars), None)
    if first and not problems:
        problems |= set(_shut_in(raw, first, places))
    return sorted(problems)


def _peers(host: RawHost, gateways: Sequence[RawHost]) -> Iterator[Problem]:
    """What is behind others' gateways is nowhere else; what they may see is behind this one."""
    every = [(g.name, network) for g in gateways for _i, _zone, network in segments(g.vars)]
    own = [network for name, _zone, network in segments(host.vars) if name != IPSEC]
    for index, peer in enumerate(host.vars.get("ipsec_peers", ())):
        path: list[str | int] = ["ipsec_peers", index]
        for number, network in enumerate(map(ip_network, peer["networks"])):
            near = [name for name, other in every if network.overlaps(other)]
            if len(near) > 1:  # once is itself
                message = _("{network} is behind {gateways} already")
                message = message.format(network=network, gateways=", ".join(sorted({*near})))
                expected = _("a network that the town hasn't")
                yield at(host, [*path, "networks", number], message, expected)
        for number, network in enumerate(map(ip_network, peer["own_networks"])):
            if not covers(own)(network):
                message = _("{network} is not behind {gateway}")
                message = message.format(network=network, gateway=host.name)
                yield at(host, [*path, "own_networks", number], message, one_of(map(str, own)))


def _problems(host: RawHost, places: Places, tunnels: Iterable[Outer]) -> Iterator[Problem]:
    policy = host.vars["firewall"]
    zones = [*places.zones, *policy.get("zones", {})]
    known = [*dict.fromkeys([*zones, INTERNET, GATEWAY, *policy.get("groups", {})])]
    checks = (
        _names(policy, zones, places),
        _zones(policy, places),
        _members(policy, known, places),
        _services(policy),
        _rules(policy, known, places),
        _published(policy, places, tunnels),
    )
    for check in checks:
        for path, message, expected in check:
            yield at(host, ["firewall", *path], message, expected)


def _locked_out(host: RawHost, places: Places, desks: Sequence[str]) -> Iterator[Problem]:
    """The workstations log in to every gateway, today and in a year: else nobody could mend it."""
    rules = resolve(parse(host.vars["firewall"]), places)
    there = (ip_network(host.vars["ansible_host"]),)
    for desk in desks:
        if not _logs_in(rules, places.hosts[desk][:1], there, SSH):
            message = _("{desk} could not log in to {gateway}").format(desk=desk, gateway=host.name)
            expected = _("an early rule to gateway with tcp 22, without until")
            yield at(host, ["firewall", "rules"], message, expected)


def _shut_in(raw: RawInventory, host: RawHost, places: Places) -> Iterator[Problem]:
    """So do they to every host whose own firewall says what the policy of gateway ``host`` says."""
    rules = resolve(parse(host.vars["firewall"]), places)
    desks = raw.groups.get("workstations", ())
    for name, desk in product(raw.groups.get("windows", ()), desks):
        port = int(raw.hosts[name].vars.get("ansible_port", SSH))
        there = (ip_network(raw.hosts[name].vars["ansible_host"]),)
        if name != desk and not _logs_in(rules, places.hosts[desk][:1], there, port):
            message = _("{desk} could not log in to {gateway}").format(desk=desk, gateway=name)
            expected = _("an early rule to {host} with tcp {port}, without until")
            expected = expected.format(host=name, port=port)
            yield at(host, ["firewall", "rules"], message, expected)


def _logs_in(rules: Iterable[ResolvedRule], desk: Networks, there: Networks, port: int) -> bool:
    """Return whether the first rule about it lets ``desk`` in for good."""
    first = next((r for r in rules if _lets_in(r, desk, there, port)), None)
    return first is not None and first.action == "allow" and not first.until


def _lets_in(rule: ResolvedRule, desk: Networks, there: Networks, port: int) -> bool:
    has = any(s.all or any(a <= port <= b for a, b in s.tcp) for s in rule.services)
    ends = ((desk, rule.sources), (there, rule.destinations))
    return has and all(covers(places)(end) for here, places in ends for end in here)


def _names(policy: Mapping[str, Any], zones: Sequence[str], places: Places) -> Iterator[Found]:
    """A name means one thing; rules and published programs share theirs."""
    own = _("a name of its own")
    for name in policy.get("zones", {}):
        if name in RESERVED or name in places.hosts:
            yield ["zones", name], _("{name} has a meaning already").format(name=name), own
    for name in policy.get("groups", {}):
        if name in RESERVED or name in places.hosts or name in zones:
            yield ["groups", name], _("{name} has a meaning already").format(name=name), own
    if ANY in policy["services"]:
        yield ["services", ANY], _("{name} has a meaning already").format(name=ANY), own
    seen: set[str] = set()
    for part in ("rules", "published"):
        for index, about in enumerate(policy.get(part, ())):
            if about["name"] in seen:
                message = _("{name} stands there already").format(name=about["name"])
                yield [part, index, "name"], message, own
            seen.add(about["name"])


def _zones(policy: Mapping[str, Any], places: Places) -> Iterator[Found]:
    """One network is in one zone: else nobody could say which zone wins."""
    seen = {net: zone for zone, networks in places.zones.items() for net in networks}
    for name, zone in policy.get("zones", {}).items():
        for index, text in enumerate(zone["subnets"]):
            network = ip_network(text)
            other = seen.setdefault(network, name)
            if other != name:
                message = _("{subnet} is zone {name} already").format(subnet=text, name=other)
                yield ["zones", name, "subnets", index], message, _("a subnet of its own")


def _members(policy: Mapping[str, Any], known: Sequence[str], places: Places) -> Iterator[Found]:
    groups = policy.get("groups", {})
    for name, group in groups.items():
        for index, member in enumerate(group["members"]):
            path: list[str | int] = ["groups", name, "members", index]
            if member in groups and _leads_to(groups, member, name):
                message = _("{name} would be a member of itself").format(name=name)
                yield path, message, _("a zone, host or network")
            else:
                yield from place(path, member, known, places)


def _leads_to(groups: Mapping[str, Any], start: str, goal: str) -> bool:
    """Return whether group ``goal`` is ``start`` or among its members, however deep."""
    todo, seen = [start], set()
    while todo:
        name = todo.pop()
        if name == goal:
            return True
        if name in groups and name not in seen:
            seen.add(name)
            todo += groups[name]["members"]
    return False


def place(
    path: list[str | int], name: str, known: Sequence[str], places: Places
) -> Iterator[Found]:
    """Yield what is wrong with ``name``, which stands at ``path``, as a place."""
    if name in known or name in places.hosts:
        return
    try:
        if "/" in name and ip_network(name):
            return
    except ValueError as error:
        yield path, _("{value} is not valid").format(value=f"{name!r} ({error})"), _("a network")
        return
    message = _("no zone, group or host is called {name}").format(name=repr(name))
    yield path, message, one_of(known)


def _services(policy: Mapping[str, Any]) -> Iterator[Found]:
    for name, service in policy["services"].items():
        for kind in ("tcp", "udp"):
            for index, ports in enumerate(service.get(kind, ())):
                first, last = port_range(ports)
                if not first <= last <= LAST_PORT:
                    message = _("{value} is not valid").format(value=repr(ports))
                    expected = _("a range such as {example}").format(example="8000-8100")
                    yield ["services", name, kind, index], message, expected


def _rules(policy: Mapping[str, Any], known: Sequence[str], places: Places) -> Iterator[Found]:
    services = (*policy["services"], ANY)
    for index, rule in enumerate(policy["rules"]):
        for key in ("from", "to"):
            for number, name in enumerate(rule[key]):
                yield from place(["rules", index, key, number], name, known, places)
        for number, name in enumerate(rule["services"]):
            if name not in services:
                yield ["rules", index, "services", number], *_no_service(name, services)


def _tunnels(gateways: Sequence[RawHost]) -> Iterator[Outer]:
    """Yield where each gateway awaits the others' WireGuard."""
    for one, other in permutations(gateways, 2):
        name = _("the tunnel to {gateway}").format(gateway=other.name)
        number = int(other.vars["building"]["number"])
        for line, far in product(lines_of(one.vars), lines_of(other.vars)):
            port = tunnel_port(line["line"], (number, far["line"]))
            yield one.name, "udp", (port, port), name


def _published(
    policy: Mapping[str, Any], places: Places, tunnels: Iterable[Outer]
) -> Iterator[Found]:
    taken = list(tunnels)
    for index, program in enumerate(policy.get("published", ())):
        path: list[str | int] = ["published", index]
        gateway = places.gateway_of(program["to"])
        if not gateway:
            message = _("no host with an address behind a gateway is called {name}")
            hosts = [name for name in places.hosts if places.gateway_of(name)]
            yield [*path, "to"], message.format(name=repr(program["to"])), one_of(hosts)
        service = policy["services"].get(program["service"])
        if service is None:
            yield [*path, "service"], *_no_service(program["service"], policy["services"])
            continue
        ports = [(kind, p) for kind in ("tcp", "udp") for p in service.get(kind, ())]
        if set(service) - {"tcp", "udp"} or ("port" in program and len(ports) != 1):
            message = _("{service} has no one port to publish").format(service=program["service"])
            yield [*path, "service"], message, _("a service of one TCP or UDP port")
            continue
        mine: list[Outer] = [
            (gateway, kind, port_range(program.get("port", port)), program["name"])
            for kind, port in (ports if gateway else ())
        ]
        key = "port" if "port" in program else "service"
        for one, other in product(mine, taken):
            if one[:2] == other[:2] and one[2][0] <= other[2][1] and other[2][0] <= one[2][1]:
                shown = "-".join(map(str, dict.fromkeys(one[2])))
                message = _("{port} is taken by {name}")
                message = message.format(port=f"{one[1]}/{shown}", name=other[3])
                yield [*path, key], message, _("another port")
        taken += mine


def _no_service(name: str, known: Any) -> tuple[str, str]:
    return _("no service is called {name}").format(name=repr(name)), one_of(known)
