"""Resolved rules as terms of an aerleon policy, which knows the platforms' languages.

What aerleon gets wrong is kept out of its way here: a term has addresses of one family on both
sides (with none in common it would be written without any, and so let everybody through), names of
our own making that never repeat, and never a single ICMP type (which ends in an exception).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kahya.firewall.networks import Networks
from kahya.firewall.policy import ResolvedRule, Service

FAMILIES = (4, 6)


@dataclass(frozen=True)
class Flow:
    """Traffic that a term is about. An interface alone stands for all addresses behind it."""

    sources: Networks = ()
    destinations: Networks = ()
    source_interface: str = ""
    destination_interface: str = ""


@dataclass
class Terms:
    """The terms of one policy, with the names that they use for networks and services."""

    terms: list[dict[str, Any]] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)
    """The rule that each term is for, by the term's name."""
    _networks: dict[Networks, str] = field(default_factory=dict)
    _services: dict[tuple[str, tuple[tuple[int, int], ...]], str] = field(default_factory=dict)

    def add(self, rule: ResolvedRule, flow: Flow) -> None:
        """Add what lets ``rule``'s services through for ``flow``, family by family."""
        for version in FAMILIES:
            sides = self._sides(flow, version)
            if sides is None:
                continue
            for match in self._matches(rule.services, version):
                name = f"t{len(self.terms)}"
                action = {"action": "accept" if rule.action == "allow" else "deny"}
                self.terms.append({"name": name} | sides | match | action)
                self.owners[name] = rule.name

    def _sides(self, flow: Flow, version: int) -> dict[str, str] | None:
        """Return both ends of ``flow`` in one family; None where an end has none in it."""
        sides: dict[str, str] = {}
        for end, networks, interface in (
            ("source", flow.sources, flow.source_interface),
            ("destination", flow.destinations, flow.destination_interface),
        ):
            mine = tuple(n for n in networks if n.version == version)
            if not (mine or interface) or (networks and not mine):
                return None
            if interface:
                sides[f"{end}-interface"] = interface
            if mine:
                token = self._networks.setdefault(mine, f"N{len(self._networks)}")
                sides[f"{end}-address"] = token
        return sides if any(key.endswith("address") for key in sides) else None

    def _matches(self, services: Iterable[Service], version: int) -> Iterator[dict[str, Any]]:
        """Yield what to ask of a packet's protocol: the services' ports together."""
        services = tuple(services)
        if any(service.all for service in services):
            yield {}
            return
        for protocol in ("tcp", "udp"):
            ports = sorted({p for s in services for p in getattr(s, protocol)})
            if ports:
                key = (protocol, tuple(ports))
                token = self._services.setdefault(key, f"S{len(self._services)}")
                yield {"protocol": protocol, "destination-port": token}
        protocol = "icmp" if version == FAMILIES[0] else "icmpv6"
        if types := sorted({t for s in services for t in getattr(s, protocol)}):
            yield {"protocol": protocol, "icmp-type": types if len(types) > 1 else types * 2}

    @property
    def definitions(self) -> dict[str, Any]:
        """The names as aerleon's definitions."""
        networks = {
            token: {"values": [{"address": str(network)} for network in found]}
            for found, token in self._networks.items()
        }
        services = {
            token: [{"protocol": protocol, "port": f"{a}-{b}" if a != b else f"{a}"} for a, b in ps]
            for (protocol, ps), token in self._services.items()
        }
        return {"networks": networks, "services": services}

    def policy(self, target: Mapping[str, str]) -> Any:
        """Return aerleon's policy for ``target``: a platform's name and its options."""
        # Imported here: most commands render nothing.
        from aerleon.lib import naming, policy, policy_builder

        if len({term["name"] for term in self.terms}) != len(self.terms):
            raise AssertionError("terms of one name would become one chain")
        names = naming.Naming()
        names.ParseDefinitionsObject(self.definitions, "")
        filters = [{"header": {"targets": dict(target), "comment": ""}, "terms": self.terms}]
        raw = {"filename": "kahya", "filters": filters}
        return policy.FromBuilder(policy_builder.PolicyBuilder(raw, names, False, False))  # noqa: FBT003 - aerleon has no names for them
