"""The policy as the nftables ruleset of one gateway.

aerleon writes the rules, each as a chain of its own; the rest is the gateway's: who may not be who
they say they are (``guard``), what keeps the VPN and the routing alive, and address translation,
which aerleon has none of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from kahya.firewall.incidents import SETS, CutOff, written
from kahya.firewall.networks import (
    Network,
    Networks,
    Places,
    addresses_of,
    ordered,
    segments,
    within,
    without,
)
from kahya.firewall.policy import INTERNET, Atlas, ResolvedRule, parse, resolve
from kahya.firewall.terms import Flow, Terms
from kahya.topology import WAN

TEMPLATE = Path(__file__).with_name("nftables.conf.j2")
FAMILY = {4: "ip", 6: "ip6"}
PROXY_USER = 640
"""The number of the web filter's user on every gateway, for the firewall knows it by that."""
COMMENT_BYTES = 127  # the most that nft takes
ENDLESS = "2200-01-01"  # the kernel counts nanoseconds, which end in 2262
# Of its own link only: who has no other address yet, and asks for one by DHCP or who has it.
LINK_LOCAL = tuple(map(ip_network, ("fe80::/10", "::/128", "0.0.0.0/32")))
PRIVATE6 = ip_network("fc00::/7")
CHAIN = re.compile(r"^    chain (t\d+) \{\n(.*?)^    \}", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Gateway:
    """One gateway among its places. ``variables`` are the host's own, with all that follows."""

    variables: Mapping[str, Any]
    atlas: Atlas
    rules: tuple[ResolvedRule, ...]

    @cached_property
    def own(self) -> Networks:
        """Its own addresses."""
        ends = (*self.variables["interfaces"].values(), *self.variables["tunnels"])
        return ordered(ip_network(a.ip) for end in ends for a in addresses_of(end))

    @cached_property
    def lans(self) -> dict[str, Networks]:
        """The networks behind each of its interfaces but those to the carrier."""
        found: dict[str, list[Network]] = {}
        for name, _zone, network in segments(self.variables):
            found.setdefault(name, []).append(network)
        return {name: ordered(networks) for name, networks in found.items()}

    @cached_property
    def behind(self) -> Networks:
        """All networks behind it."""
        return ordered(n for networks in self.lans.values() for n in networks)

    @cached_property
    def wan(self) -> list[str]:
        """Its interfaces to the carrier."""
        return [n for n, i in self.variables["interfaces"].items() if i["zone"] == WAN]

    @cached_property
    def inside(self) -> Networks:
        """All of the town's networks but the gateways' addresses on the carrier's."""
        return without(self.atlas.town, self.atlas.places.carrier)

    def flows(self, rule: ResolvedRule, hook: str) -> Iterator[Flow]:
        """Yield the traffic through ``hook`` that ``rule`` is about, here."""
        mine = within(rule.destinations, self.own)
        others = without(within(rule.destinations, self.inside), self.own)
        if hook == "forward" and not (
            within(rule.sources, self.behind) or within(others, self.behind)
        ):
            return
        sources = [(within(rule.sources, self.atlas.town), ""), *self._outside(rule.sources)]
        # What is denied to a zone is not denied to the other buildings' gateways in it.
        inside = self._whole(others) if rule.action == "allow" else others
        goals = [(inside, ""), *self._outside(rule.destinations)]
        for here, inlet in sources:
            if hook == "input":  # of a gateway's addresses, a carrier sees but its own
                port = self.variables["interfaces"].get(inlet, {})
                seen = [ip_network(a.ip) for a in addresses_of(port)]
                yield Flow(here, within(mine, seen) if inlet else mine, inlet)
                continue
            for there, outlet in goals:
                if not (inlet and outlet):
                    yield Flow(here, there, inlet, outlet)

    def _outside(self, networks: Networks) -> Iterator[tuple[Networks, str]]:
        """Yield what of the internet is among ``networks``, with the interface it lies behind.

        All of it is told by the interface alone.
        """
        outside = without(networks, self.atlas.town)
        everything = outside == self.atlas.zones[INTERNET]
        yield from ((() if everything else outside, wan) for wan in self.wan if outside)

    def _whole(self, networks: Networks) -> Networks:
        """Return ``networks`` without the holes that gateways leave in zones: easier to read.

        Each gateway itself decides about what is for its own addresses.
        """
        gateways = self.atlas.places.gateways
        zones = [self.atlas.zones[name] for name in self.atlas.whole]
        full = (z for z in zones if not without(z, (*gateways, *networks)))
        return ordered((*networks, *(n for zone in full for n in within(gateways, zone))))


def ruleset(variables: Mapping[str, Any]) -> str:
    """Return what nft loads on the gateway with these ``variables``; see ``networks.derive``."""
    policy, places = parse(variables["firewall"]), Places.read(variables["places"])
    rules = tuple(r for r in resolve(policy, places) if not r.ended(variables["today"]))
    return render(Gateway(variables, Atlas(policy, places), rules))


def render(gateway: Gateway) -> str:
    """Return what nft loads."""
    from jinja2 import Environment, StrictUndefined

    tunnels = [_tunnel(t) for t in gateway.variables["tunnels"]]
    chains = {hook: _chains(gateway, hook) for hook in ("input", "forward")}
    others = (*without(gateway.inside, (*gateway.behind, *gateway.own)), LINK_LOCAL[0])
    leaving = any(
        rule.action == "allow" and without(rule.destinations, gateway.atlas.town)
        for rule in gateway.rules
    )
    template = Environment(  # noqa: S701 - no HTML
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    ).from_string(TEMPLATE.read_text(encoding="utf-8"))
    cut_off = CutOff.of(gateway.variables)
    return template.render(
        sets=list(_sets(cut_off)),
        examiners=dict(_by_family(cut_off.examiners)),
        chains=[chain for found in chains.values() for chain in found],
        jumps={hook: [chain["jump"] for chain in found] for hook, found in chains.items()},
        interfaces=list(
            dict.fromkeys(
                [*gateway.variables["interfaces"], *gateway.lans, *(t["name"] for t in tunnels)]
            )
        ),
        wan=gateway.wan,
        lines=gateway.variables["lines"],
        lans=[(n, _by_family((*nets, *LINK_LOCAL))) for n, nets in gateway.lans.items()],
        inside=_by_family(gateway.inside),
        town=_by_family(gateway.atlas.town),
        others=_by_family(others),
        proxy={"user": PROXY_USER, "ports": gateway.variables["webfilter"]["ports"]}
        if "webfilter" in gateway.variables
        else None,
        tunnels=tunnels,
        vpn=[t["name"] for t in tunnels],
        peers=gateway.variables.get("ipsec_peers", ()),
        published=list(_published(gateway)),
        masqueraded=_by_family(n for n in gateway.behind if hidden(n)) if leaving else [],
    )


def _tunnel(tunnel: Mapping[str, Any]) -> dict[str, Any]:
    address = ip_address(tunnel["endpoint"].rpartition(":")[0].strip("[]"))
    return {**tunnel, "endpoint": str(address), "family": FAMILY[address.version]}


def _by_family(networks: Iterable[Network]) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for network in networks:
        found.setdefault(FAMILY[network.version], []).append(written(network))
    return list(found.items())


def _sets(cut_off: CutOff) -> Iterator[tuple[str, str, list[str]]]:
    """Yield name, type and elements of the sets of what is cut off."""
    for name in SETS:
        found = dict(_by_family(cut_off.elements(name)))
        for version, family in FAMILY.items():
            yield f"{name}{version}", f"ipv{version}_addr", found.get(family, [])


def hidden(network: Network) -> bool:
    """Return whether the internet can't answer ``network``: IPv4 of a town, and fc00::/7."""
    return network.version == 4 or network.subnet_of(PRIVATE6)  # type: ignore[arg-type]  # noqa: PLR2004 - IPv4, else IPv6


def _chains(gateway: Gateway, hook: str) -> list[dict[str, Any]]:
    """Return a chain for each rule that says anything about ``hook``."""
    from aerleon.lib import nftables

    terms = Terms()
    for rule in gateway.rules:
        for flow in gateway.flows(rule, hook):
            terms.add(rule, flow)
    if not terms.terms:
        return []
    # "mixed" is both families; aerleon's "inet" is IPv4 alone and would leave IPv6 open.
    text = str(nftables.Nftables(terms.policy({"nftables": f"mixed {hook} noverbose"}), 0))
    lines: dict[str, list[str]] = {}
    for term, body in CHAIN.findall(text):
        # In mixed policies it writes what fits both families twice.
        found = dict.fromkeys(line.strip() for line in body.splitlines())
        lines.setdefault(terms.owners[term], []).extend(found)
    return [
        {
            "name": f"{hook}-{r.name}",
            "jump": f"{_until(r)}jump {hook}-{r.name}",
            "comment": comment(r, COMMENT_BYTES),
            "lines": _counted(r, lines[r.name]),
        }
        for r in gateway.rules
        if r.name in lines
    ]


def _until(rule: ResolvedRule) -> str:
    """Return what makes a line end by itself with the last day of ``rule``, by its gateway's clock.

    nft reads such a day in the gateway's time zone and gives the kernel the moment itself.
    """
    if not rule.until or rule.until >= ENDLESS:
        return ""
    return f'meta time < "{date.fromisoformat(rule.until) + timedelta(days=1)}" '


def comment(rule: ResolvedRule, size: int) -> str:
    """Return who answers for ``rule``, why, and until when, in at most ``size`` bytes."""
    until = f" (until {rule.until})" if rule.until else ""
    text = f"{rule.owner}: {rule.reason}".replace('"', "'").replace("\n", " ").replace("\\", "/")
    room = size - len(until.encode())
    return text.encode()[:room].decode(errors="ignore").strip() + until


def _counted(rule: ResolvedRule, lines: Iterable[str]) -> list[str]:
    """Return ``lines`` with a counter before the verdict and, where wanted, a limited log."""
    result = []
    for line in lines:
        match, _space, verdict = line.rpartition(" ")
        if rule.log:
            result.append(f'{match} limit rate 10/second log prefix "kahya {rule.name}: "')
        result.append(f"{match} counter {verdict}")
    return [re.sub(r"\{ (\S+), \1 \}", r"\1", line) for line in result]


def _published(gateway: Gateway) -> Iterator[str]:
    """Yield what turns the gateway's address into that of the host behind it."""
    addresses = {
        (name, a.version): a.ip
        for name in gateway.wan
        for a in addresses_of(gateway.variables["interfaces"][name])
    }
    for rule in gateway.rules:
        program = rule.published
        targets = within(rule.destinations, gateway.behind) if program else ()
        for (wan, version), outer in addresses.items():
            target = next((t for t in targets if t.version == version), None)
            if target is None or program is None:
                continue
            family, inner = FAMILY[version], target.network_address
            shown = f"[{inner}]" if version != 4 else f"{inner}"  # noqa: PLR2004 - IPv4
            for kind in ("tcp", "udp"):
                for first, last in getattr(rule.services[0], kind):
                    ports = f"{first}-{last}" if first != last else f"{first}"
                    to = f"{shown}:{ports}" if program.port else f"{inner}"
                    yield (
                        f'{_until(rule)}iifname "{wan}" {family} daddr {outer} {kind} dport '
                        f"{program.port or ports} counter dnat {family} to {to}"
                        f' comment "{program.name}"'
                    )
