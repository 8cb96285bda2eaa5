"""What is wrong with rules that are well-formed: useless, too wide, or past their last day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from kahya.firewall.boxes import (
    EVERY_SERVICE,
    ICMP,
    TCP,
    UDP,
    Box,
    Spans,
    less,
    meet,
    numbers,
    remains,
    size,
    spans,
)
from kahya.firewall.networks import Places, addresses_of, within
from kahya.firewall.policy import Atlas, Policy, ResolvedRule, Service, resolve
from kahya.i18n import _
from kahya.inventory_check import Problem, line_in, relative
from kahya.model import Town
from kahya.topology import WAN

Level = Literal["error", "warning"]
VERSIONS = (4, 6)


@dataclass(frozen=True, order=True)
class Remark:
    """Something to correct in a rule; an ``error`` lets no plan of the firewall pass."""

    problem: Problem
    level: Level


@dataclass(frozen=True)
class _Rule:
    """A rule, and its packets for IPv4 and IPv6."""

    rule: ResolvedRule
    boxes: Mapping[int, Box]

    def left_by(self, holes: Iterable[Mapping[int, Sequence[Box]]]) -> bool:
        """Return whether a packet is left without ``holes``."""
        made = list(holes)
        return any(
            remains([box], [hole for of in made for hole in of[version]])
            for version, box in self.boxes.items()
        )


@cache
def limits() -> dict[str, Any]:
    """Return what is called too wide or too late: lint.yml, where each is explained."""
    text = Path(__file__).with_suffix(".yml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def examine(policy: Policy, town: Town, today: date) -> list[Remark]:
    """Return everything to correct in the rules of ``policy``, in their order."""
    rules = resolve(policy, town)
    inner, atlas = _segments(town), Atlas(policy, Places.of_town(town))
    remarks = []
    in_force: list[_Rule] = []
    for number, resolved in enumerate(rules):
        published = number >= len(policy.rules)
        part = "published" if published else "rules"
        index = number - len(policy.rules) if published else number
        rule = _Rule(resolved, {v: _box(resolved, v) for v in VERSIONS})
        ended = resolved.ended(today.isoformat())
        found = list(_ending(resolved, today))
        if not ended:
            found += _hidden(resolved, atlas) or _useless(rule, in_force, inner)
            found += _too_wide(rule, atlas)
        remarks += [
            Remark(_problem(town, [part, index], resolved.name, what, remedy), level)
            for level, what, remedy in found
        ]
        if not ended:
            in_force.append(rule)
    return remarks


Found = tuple[Level, str, str]
"""How bad, what is wrong, what to write instead."""


def _ending(rule: ResolvedRule, today: date) -> Iterator[Found]:
    soon = today + timedelta(days=limits()["days_before_end"])
    remedy = _("a later day, or remove the rule")
    if rule.ended(today.isoformat()):
        text = _("ended on {until}: the next apply takes it away")
        yield "warning", text.format(until=rule.until), remedy
    elif rule.until and date.fromisoformat(rule.until) <= soon:
        yield "warning", _("ends on {until}").format(until=rule.until), remedy


def _hidden(rule: ResolvedRule, atlas: Atlas) -> list[Found]:
    """Find out whether strangers alone are let to addresses that they can't see."""
    town_too = within(rule.sources, atlas.town)
    seen = within(rule.destinations, atlas.places.carrier)
    if not rule.inbound or rule.published or town_too or seen:
        return []
    text = _("never matches: from the internet only the gateways' outer addresses can be seen")
    return [("error", text, _("the program under published"))]


def _useless(
    rule: _Rule, earlier: Sequence[_Rule], inner: Mapping[int, Sequence[Box]]
) -> Iterator[Found]:
    """Find out whether no packet ever gets as far as ``rule``, and why."""
    if not rule.left_by([]):
        text = _("never matches: nothing is left of its places")
        yield "error", text, _("places that have networks, or remove the rule")
    elif not rule.left_by([inner]):
        text = _("never matches: its places share one network, where no gateway is in between")
        yield "error", text, _("places behind different interfaces, or remove the rule")
    elif not rule.left_by([inner, *map(_holes, earlier)]):
        cover = _cover(rule, earlier, inner)
        names = ", ".join(one.rule.name for one in cover)
        same = len(cover) == 1 and cover[0].boxes == rule.boxes
        if same and cover[0].rule.action == rule.rule.action:
            text = _("says the same as {names}, which stands above it")
            yield "error", text.format(names=names), _("one of them")
        else:
            text = _("is shadowed by {names}: no packet gets as far as this rule")
            yield "error", text.format(names=names), _("it above them, or remove it")


def _cover(
    rule: _Rule, earlier: Sequence[_Rule], inner: Mapping[int, Sequence[Box]]
) -> Sequence[_Rule]:
    """Return the rules that together take all of ``rule``; a single one if one is enough."""
    for one in earlier:
        if not rule.left_by([inner, _holes(one)]):
            return [one]
    needed = list(earlier)
    for one in earlier:
        rest = [other for other in needed if other is not one]
        if not rule.left_by([inner, *map(_holes, rest)]):
            needed = rest
    return needed


def _too_wide(rule: _Rule, atlas: Atlas) -> Iterator[Found]:
    if rule.rule.action == "deny":
        return
    if any(service.all for service in rule.rule.services):
        yield "warning", _("lets every service through"), _("the services that are needed")
        return
    most, ports = limits()["most_ports"], _services(rule.rule.services)
    if size(ports) > most:
        text = _("lets {count} ports through").format(count=size(ports))
        yield "warning", text, _("at most {count}").format(count=most)
    managed = meet(ports, _management())
    if managed and _exposed(rule.rule, atlas):
        ports_named = ", ".join(f"{'udp' if p >= UDP else 'tcp'}/{p % UDP}" for p, _q in managed)
        text = _("opens {ports}, by which machines are managed, to or from the internet")
        remedy = _("single hosts, or a service without it")
        yield "warning", text.format(ports=ports_named), remedy


def _exposed(rule: ResolvedRule, atlas: Atlas) -> bool:
    """Return whether the internet is on one side, a gateway or more than single hosts opposite."""
    if rule.inbound and within(rule.destinations, atlas.places.carrier):
        return True
    sides = (rule.destinations if rule.inbound else (), rule.sources if rule.outbound else ())
    ours = [numbers(within(side, atlas.town), version) for side in sides for version in VERSIONS]
    return any(size(side) > limits()["most_addresses"] for side in ours)


def _management() -> Spans:
    tcp, udp = (tuple((p, p) for p in limits()["management"][kind]) for kind in ("tcp", "udp"))
    return _services([Service("", tcp, udp)])


def _holes(rule: _Rule) -> Mapping[int, Sequence[Box]]:
    return {version: [box] for version, box in rule.boxes.items()}


def _box(rule: ResolvedRule, version: int) -> Box:
    foreign: dict[str, Any] = {"icmpv6": ()} if version == 4 else {"icmp": ()}  # noqa: PLR2004 - IPv4
    services = [replace(service, **foreign) for service in rule.services]
    return Box(
        numbers(rule.sources, version), numbers(rule.destinations, version), _services(services)
    )


def _services(services: Iterable[Service]) -> Spans:
    """Return services as numbers: TCP and UDP ports one after the other, then types."""
    made = list(services)
    if any(service.all for service in made):
        return EVERY_SERVICE
    runs = [(TCP + a, TCP + b) for s in made for a, b in s.tcp]
    runs += [(UDP + a, UDP + b) for s in made for a, b in s.udp]
    kinds = [kind for s in made for kind in (*s.icmp, *s.icmpv6)]
    types = [ICMP + int.from_bytes(kind.encode()) % 0xFFFF for kind in kinds]
    return spans([*runs, *((n, n) for n in types)])


def _segments(town: Town) -> Mapping[int, Sequence[Box]]:
    """Return the packets that stay behind one interface, so that no firewall ever sees them."""
    places = Places.of_town(town)
    own = places.gateways
    guarded = [
        n for h in town.hosts.values() if "windows" in h.groups for n in places.hosts[h.name]
    ]
    found: dict[int, list[Box]] = {version: [] for version in VERSIONS}
    for host in town.hosts.values():
        for interface in host.vars.get("interfaces", {}).values():
            for address in addresses_of(interface) if interface["zone"] != WAN else ():
                version = address.version
                here = less(numbers((address.network,), version), numbers(own, version))
                rest = less(here, numbers(guarded, version))
                found[version].append(Box(here, rest, EVERY_SERVICE))
    return found


def _problem(town: Town, path: Sequence[str | int], name: str, what: str, remedy: str) -> Problem:
    file, line = _place(Path(town.directory), ["firewall", *path])
    return Problem(file, line, name, what, remedy)


def _place(directory: Path, path: Sequence[str | int]) -> tuple[str, int]:
    """Return file and line where the policy says what is at ``path``."""
    for file in sorted(directory.glob("*_vars/**/*.yml")):
        text = file.read_text(encoding="utf-8")
        if "firewall:" in text:
            node = yaml.compose(text, yaml.SafeLoader)
            if (
                isinstance(node, yaml.MappingNode)
                and line_in(node, path[:1])
                and any(key.value == path[0] for key, _value in node.value)
            ):
                return relative(str(file)), line_in(node, [*path, "name"])
    return relative(str(directory)), 0
