"""What a feed may not do: shrink or grow all at once, or name what is the town's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any

from kahya.errors import FeedError
from kahya.feeds.entries import Entries, Network, host_of, network
from kahya.feeds.sources import Feed
from kahya.i18n import _
from kahya.topology import WAN, interfaces_of

SHOWN = 3


def own_networks(hosts: Iterable[Mapping[str, Any]]) -> tuple[Network, ...]:
    """Return the networks of the town: its buildings', and what its gateways' interfaces are in.

    Of the carrier's network, only the gateways' own addresses are the town's.

    Args:
        hosts: the variables of the hosts that the town keeps.
    """
    found: set[Network] = set()
    for variables in hosts:
        building = variables["building"]
        found |= {ip_network(variables["ansible_host"]), ip_network(building["lan"])}
        found |= {ip_network(n) for n in building.get("vlans", {}).values()}
        for interface in variables.get("interfaces", {}).values():
            outer = interface["zone"] == WAN
            found |= {ip_network(a.ip) if outer else a.network for a in interfaces_of(interface)}
    return tuple(sorted(found, key=str))


def check(
    feed: Feed,
    found: Mapping[str, Entries],
    before: Mapping[str, int],
    own: tuple[Iterable[str], Iterable[Network]],
) -> None:
    """Check what a feed names before it takes the place of what it named.

    Args:
        feed: the feed.
        found: what it names, by the name of its list.
        before: how many entries its lists had when it was last taken, by list (see ``counts``).
        own: the town's domains and networks.

    Raises:
        FeedError: it is refused; the message holds all reasons.
    """
    reasons = [*_foreign(feed, found), *_jumps(feed, counts(found), before)]
    for name, entries in found.items():
        if named := sorted(own_entries(entries, *own)):
            text = _("{name} has what is the town's own: {entries}")
            reasons.append(text.format(name=name, entries=", ".join(named[:SHOWN])))
    if reasons:
        raise FeedError(
            _("feed {name} is refused: {reasons}").format(
                name=feed.name, reasons="; ".join(reasons)
            ),
            _("Its lists stay as they are. Where a jump is right, raise limits in feeds.yml."),
        )


def counts(found: Mapping[str, Entries]) -> dict[str, int]:
    """Return how many entries there are, by kind and name of the list."""
    return {
        f"{kind}/{name}": len(getattr(entries, kind))
        for name, entries in found.items()
        for kind in ("domains", "urls", "addresses")
    }


def _foreign(feed: Feed, found: Mapping[str, Entries]) -> Iterator[str]:
    """Tell lists whose lines are not what lists are made of, such as a page that says 'error'."""
    for name, entries in found.items():
        good = len(entries.domains) + len(entries.urls) + len(entries.addresses)
        bad = len(entries.rejected)
        if not good or bad * 100 > feed.limits.rejected * (good + bad):
            text = _("{name}: {bad} of {lines} lines name nothing")
            yield text.format(name=name, bad=bad, lines=good + bad)


def _jumps(feed: Feed, now: Mapping[str, int], before: Mapping[str, int]) -> Iterator[str]:
    for name, count in now.items():
        if was := before.get(name, 0):
            change = (count - was) * 100 / was
            if not -feed.limits.shrink < change <= feed.limits.grow:
                text = _("{name} went from {was} to {count} entries")
                yield text.format(name=name, was=was, count=count)


def own_entries(
    entries: Entries, domains: Iterable[str], networks: Iterable[Network]
) -> Iterator[str]:
    """Yield what is the town's own, lies beneath it, or would block it from above."""
    ours = [domain.encode() for domain in domains]
    above = {b".".join(o.split(b".")[n:]) for o in ours for n in range(o.count(b".") + 1)}
    beneath = tuple(b"." + domain for domain in ours)
    nets = tuple(networks)
    yield from (d.decode() for d in entries.domains if d in above or d.endswith(beneath))
    for url in entries.urls:
        host = host_of(url)
        address = network(host.decode().strip("[]"))
        if host in ours or host.endswith(beneath) or (address and _meets(address, nets)):
            yield url.decode()
    yield from (str(a) for a in entries.addresses if _meets(a, nets))


def _meets(address: Network, networks: Iterable[Network]) -> bool:
    return any(n.version == address.version and n.overlaps(address) for n in networks)
