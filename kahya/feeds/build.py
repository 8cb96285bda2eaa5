"""From feeds and the town's own lists to a snapshot."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from kahya.errors import FeedError
from kahya.feeds.entries import Entries, Network, covered, host_of, network, read
from kahya.feeds.guard import check, counts
from kahya.feeds.sources import Feed, download, feeds, parse
from kahya.feeds.store import Snapshot, Source, Store, digest, text_of
from kahya.i18n import _

ALLOW, BLOCK, INCIDENTS = "allow", "town", "incidents"
"""Names of the town's own lists."""
STANDING = {f"domains/{INCIDENTS}", f"urls/{INCIDENTS}"}
"""These are there when they are empty, too: hosts are set up for them before they are needed."""


def fetch(
    settings: Mapping[str, Any],
    store: Store,
    names: Collection[str],
    networks: Collection[Network],
) -> list[FeedError]:
    """Fetch feeds, and keep those that may be used. What is refused stays as it was before.

    Args:
        settings: feeds.yml.
        store: where they are kept.
        names: of the feeds to fetch.
        networks: the town's own.

    Returns:
        Why feeds were not taken.
    """
    refused = []
    for feed in feeds(settings):
        if feed.name in names:
            try:
                _take(feed, store, (settings["own"], networks))
            except FeedError as error:
                refused.append(error)
    return refused


def _take(feed: Feed, store: Store, own: tuple[Iterable[str], Iterable[Network]]) -> None:
    raw = download(feed)
    found = parse(feed, raw)
    last = store.source(feed.name)
    check(feed, found, last.counts if last else {}, own)
    rejected = sum(len(entries.rejected) for entries in found.values())
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    about = Source(feed.url, now, sha256(raw).hexdigest(), len(raw), counts(found), rejected)
    store.keep_source(feed.name, raw, about)


def build(settings: Mapping[str, Any], store: Store) -> Snapshot:
    """Make a snapshot of the feeds as they were taken last and the town's own lists.

    Args:
        settings: feeds.yml, with what incidents.yml adds as ``incidents``.
        store: where lists are kept.

    Raises:
        FeedError: a feed was never taken, or the town's own lists hold what names nothing.
    """
    allow, block = own_lists(settings)
    named: dict[str, Entries] = {BLOCK: block, INCIDENTS: _incidents(settings)}
    sources = {}
    for feed in feeds(settings):
        sources[feed.name], raw = store.taken(feed.name)
        named |= parse(feed, raw)
    lists = {name: without_allowed(entries, allow) for name, entries in named.items()}
    snapshot = Snapshot(_kept({ALLOW: allow, **lists}, store), own_digest(settings), sources)
    store.keep(snapshot)
    return snapshot


def renew(snapshot: Snapshot, settings: Mapping[str, Any], store: Store) -> Snapshot:
    """Make a snapshot that differs from another in what incidents.yml says, and in nothing else."""
    gone = incidents_of(snapshot.lists)
    others = {name: about for name, about in snapshot.lists.items() if name not in gone}
    lists = others | _kept({INCIDENTS: _incidents(settings)}, store)
    renewed = Snapshot(lists, snapshot.own, snapshot.sources)
    store.keep(renewed)
    return renewed


def _kept(named: Mapping[str, Entries], store: Store) -> dict[str, tuple[str, int]]:
    return {
        f"{kind}/{name}": store.keep_list(lines)
        for name, entries in named.items()
        for kind, lines in _texts(entries)
        if lines or f"{kind}/{name}" in STANDING
    }


def _incidents(settings: Mapping[str, Any]) -> Entries:
    return read("\n".join(settings.get("incidents", ())).encode())


def own_lists(settings: Mapping[str, Any]) -> tuple[Entries, Entries]:
    """Return what the town allows and what it blocks.

    Raises:
        FeedError: a line names nothing.
    """
    found = tuple(read("\n".join(settings.get(key, ())).encode()) for key in ("allow", "block"))
    if wrong := sorted(found[0].rejected | found[1].rejected):
        raise FeedError(
            _("feeds.yml: {line} is no domain, address or URL").format(
                line=repr(wrong[0].decode())
            ),
            _("Write such as example.org, 192.0.2.0/24 or example.org/page."),
        )
    return found[0], found[1]


def own_digest(settings: Mapping[str, Any]) -> str:
    """Return what tells the town's own lists from others."""
    return digest([sorted(settings.get(key, ())) for key in ("allow", "block")])


def incidents_digests(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the digests of the lists that incidents.yml makes, by name."""
    named = {f"{kind}/{INCIDENTS}": lines for kind, lines in _texts(_incidents(settings))}
    return {n: sha256(text_of(lines)).hexdigest() for n, lines in named.items() if n in STANDING}


def incidents_of(lists: Mapping[str, tuple[str, int]]) -> dict[str, str]:
    """Return the digests of those among ``lists`` that incidents.yml made, by name."""
    ours = {name: text for name, (text, _count) in lists.items()}
    return {n: text for n, text in ours.items() if n.partition("/")[2] == INCIDENTS}


def without_allowed(entries: Entries, allow: Entries) -> Entries:
    """Return ``entries`` without what ``allow`` has: what is allowed is never blocked.

    An allowed domain beneath a blocked one can't be left out here: the filter gets the list of
    what is allowed, too, and asks it first.
    """

    def allowed(domain: bytes) -> bool:
        return domain in allow.domains or covered(domain, allow.domains)

    return Entries(
        {d for d in entries.domains if not allowed(d)} if allow.domains else entries.domains,
        {u for u in entries.urls if not (u in allow.urls or allowed(host_of(u))
                                         or _within(host_of(u), allow.addresses))},
        {rest for a in entries.addresses for rest in _without(a, allow.addresses)},
        entries.rejected,
    )  # fmt: skip


def _within(host: bytes, networks: Iterable[Network]) -> bool:
    address = network(host.decode().strip("[]"))
    return address is not None and not list(_without(address, networks))


def _without(whole: Network, allowed: Iterable[Network]) -> Iterator[Network]:
    """Yield what is left of a network when all that is allowed is taken away."""
    for other in allowed:
        if other.version == whole.version and other.overlaps(whole):
            if other.prefixlen > whole.prefixlen:
                for part in whole.address_exclude(other):  # type: ignore[arg-type]  # of one version
                    yield from _without(part, allowed)
            return
    yield whole


def _texts(entries: Entries) -> Iterator[tuple[str, Iterable[bytes]]]:
    yield "domains", entries.domains
    yield "urls", entries.urls
    yield "addresses", {_address(a) for a in entries.addresses}


def _address(found: Network) -> bytes:
    """Write a single address without the length of its prefix."""
    return str(found.network_address if found.prefixlen == found.max_prefixlen else found).encode()
