"""What is cut off: sets of addresses in the ruleset, so that one more is one element more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any

from kahya.firewall.networks import Networks, covers, distinct

SETS = ("blocked", "isolated")


@dataclass(frozen=True)
class CutOff:
    """Addresses that nothing passes from or to.

    ``blocked`` is the world's; ``isolated`` are hosts of the town, which ``examiners`` still reach.
    """

    blocked: Networks = ()
    isolated: Networks = ()
    examiners: Networks = ()

    @classmethod
    def of(cls, variables: Mapping[str, Any]) -> CutOff:
        """Return what a gateway's variables say."""
        found = variables.get("incidents", {})
        return cls(**{key: distinct(map(ip_network, texts)) for key, texts in found.items()})

    def cuts(self, *ends: IPv4Address | IPv6Address) -> bool:
        """Return whether nothing passes between two addresses."""
        one, other = map(ip_network, ends)
        blocked, isolated, spared = map(covers, (self.blocked, self.isolated, self.examiners))
        pairs = ((one, other), (other, one))
        return any(blocked(a) or (isolated(a) and not spared(b)) for a, b in pairs)

    def elements(self, name: str) -> Networks:
        """Return the elements of a set: nothing that another contains, which nft would refuse."""
        networks: Networks = getattr(self, name)
        return tuple(
            n for n in networks if not covers(other for other in networks if other != n)(n)
        )


def written(network: Any) -> str:
    """Return a network as nft lists it: a single address has no length."""
    whole = network.prefixlen == network.max_prefixlen
    return str(network.network_address if whole else network)
