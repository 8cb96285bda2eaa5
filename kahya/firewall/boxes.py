"""Sets of packets as boxes: sources, destinations and services, each a set of whole numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from kahya.firewall.networks import Network

Spans = tuple[tuple[int, int], ...]
"""First and last of each run of numbers, sorted, none touching the next."""

TCP, UDP, ICMP, OTHER = (kind * 0x10000 for kind in range(4))
"""Where the ports or types of each protocol begin among the numbers of services."""
EVERY_SERVICE: Spans = ((0, OTHER + 0xFFFF),)


def spans(runs: Iterable[tuple[int, int]]) -> Spans:
    """Return ``runs`` in order and joined.

    >>> spans([(5, 7), (1, 2), (3, 4)])
    ((1, 7),)
    """
    found: list[tuple[int, int]] = []
    for low, high in sorted(runs):
        if found and low <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], high)
        else:
            found.append((low, high))
    return tuple(found)


def numbers(networks: Iterable[Network], version: int) -> Spans:
    """Return the addresses of ``networks`` that are of one version of IP."""
    return spans(
        (int(n.network_address), int(n.broadcast_address)) for n in networks if n.version == version
    )


def meet(one: Spans, other: Spans) -> Spans:
    """Return what is in both."""
    return spans((max(a, c), min(b, d)) for a, b in one for c, d in other if max(a, c) <= min(b, d))


def less(one: Spans, other: Spans) -> Spans:
    """Return what is in ``one`` alone.

    >>> less(((1, 9),), ((3, 4),))
    ((1, 2), (5, 9))
    """
    left = list(one)
    for low, high in other:
        rest = [(a, min(b, low - 1)) for a, b in left if a < low]
        left = [*rest, *((max(a, high + 1), b) for a, b in left if b > high)]
    return spans(left)


def size(of: Spans) -> int:
    """Return how many numbers there are."""
    return sum(high - low + 1 for low, high in of)


@dataclass(frozen=True)
class Box:
    """All packets with one of these sources, destinations and services."""

    sources: Spans
    destinations: Spans
    services: Spans

    @cached_property
    def empty(self) -> bool:
        """Return whether no packet is in it."""
        return not (self.sources and self.destinations and self.services)

    def less(self, hole: Box) -> list[Box]:
        """Return what is left of it, in parts that don't overlap."""
        sources = meet(self.sources, hole.sources)
        destinations = meet(self.destinations, hole.destinations)
        parts = [
            Box(less(self.sources, hole.sources), self.destinations, self.services),
            Box(sources, less(self.destinations, hole.destinations), self.services),
            Box(sources, destinations, less(self.services, hole.services)),
        ]
        if not (sources and destinations and meet(self.services, hole.services)):
            return [self]
        return [part for part in parts if not part.empty]


def remains(boxes: Iterable[Box], holes: Iterable[Box]) -> list[Box]:
    """Return what is left of ``boxes`` without ``holes``."""
    left = [box for box in boxes if not box.empty]
    for hole in holes:
        left = [part for box in left for part in box.less(hole)]
    return left
