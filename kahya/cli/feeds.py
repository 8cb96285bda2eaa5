"""Commands about block lists: fetch, build, use, list. None of them touches a host."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.text import Text

from kahya import console
from kahya.cli.common import ERROR, OK, Add, print_json, town_directory
from kahya.errors import FeedError
from kahya.feeds import build as make
from kahya.feeds.guard import own_networks
from kahya.feeds.store import Snapshot, Store
from kahya.i18n import _
from kahya.inventory import list_store, load
from kahya.inventory_feeds import POINTER, pointed, write_pointer
from kahya.model import Town


def register(add: Add) -> None:
    """Add the commands of this file."""
    feeds = add("feeds", _list, _("tell which block lists there are"))
    parts = feeds.add_subparsers(metavar="COMMAND")
    fetch = add(
        "fetch", _fetch, _("fetch block lists, and propose them for the next plan"), to=parts
    )
    fetch.add_argument("names", nargs="*", metavar="FEED", help=_("feeds to fetch (default: all)"))
    text = _("propose what was fetched before with the town's own lists of today")
    add("build", _build, text, to=parts)
    use = add("use", _use, _("propose an earlier snapshot"), to=parts)
    use.add_argument("name", metavar="SNAPSHOT", help=_("the beginning of its name is enough"))


def _fetch(args: argparse.Namespace) -> int:
    town, settings, kept = _open(args)
    if unknown := set(args.names) - set(settings["feeds"]):
        raise FeedError(
            _("no feed is called {name}").format(name=min(unknown)),
            _("There are: {names}.").format(names=", ".join(settings["feeds"])),
        )
    names = args.names or tuple(settings["feeds"])
    refused = make.fetch(settings, kept, names, own_networks(h.vars for h in town.hosts.values()))
    for error in refused:
        console.error(error)
    _propose(town, make.build(settings, kept), args)
    return ERROR if refused else OK


def _build(args: argparse.Namespace) -> int:
    town, settings, kept = _open(args)
    _propose(town, make.build(settings, kept), args)
    return OK


def _use(args: argparse.Namespace) -> int:
    town, settings, kept = _open(args)
    found = [name for name in kept.snapshots() if name.startswith(args.name)]
    if len(found) != 1:
        raise FeedError(
            _("{count} snapshots begin with {name}").format(count=len(found), name=args.name),
            _("kahya feeds lists them."),
        )
    snapshot = kept.snapshot(found[0])
    if snapshot.own != make.own_digest(settings):
        raise FeedError(
            _("it was made with other lists of the town's own, which always count"),
            _("Bring allow and block of feeds.yml back, too."),
        )
    _propose(town, make.renew(snapshot, settings, kept), args)
    return OK


def _list(args: argparse.Namespace) -> int:
    town, _settings, kept = _open(args)
    proposed = pointed(Path(town.directory))
    names = kept.snapshots()
    if args.json:
        found = {name: _document(kept.snapshot(name), proposed=name == proposed) for name in names}
        print_json(found)
        return OK
    for name in names:
        _show(kept.snapshot(name), proposed=name == proposed)
    if not names:
        console.say(_("No lists yet. Next: kahya feeds fetch"))
    return OK


def _open(args: argparse.Namespace) -> tuple[Town, Mapping[str, Any], Store]:
    town = load(town_directory(args), lists=False)
    settings = town.settings.get("feeds")
    if settings is None:
        raise FeedError(
            _("the town has no feeds.yml"), _("Write one beside town.yml; see docs/filter.md.")
        )
    return town, settings, list_store(town)


def _propose(town: Town, snapshot: Snapshot, args: argparse.Namespace) -> None:
    changed = write_pointer(Path(town.directory), snapshot.id)
    if args.json:
        print_json(_document(snapshot, proposed=True))
        return
    _show(snapshot, proposed=True)
    if changed:
        console.say(_("Written to {path}. Next: commit it, kahya plan").format(path=POINTER))


def _show(snapshot: Snapshot, *, proposed: bool) -> None:
    """Print block lists that belong together, and what they were made from."""
    mark = _("proposed") if proposed else ""
    console.OUT.rule(Text(f"{snapshot.id[:12]} {mark}".strip()), align="left")
    for name, (_digest, count) in sorted(snapshot.lists.items()):
        console.line(f"{count:>12,}  {name}")
    for name, source in snapshot.sources.items():
        text = _(
            "{name}: {url}, fetched {when}, {size} bytes, sha256 {digest}; {bad} lines rejected"
        )
        about = {"url": source.url, "when": source.fetched, "size": f"{source.size:,}"}
        bad = {"digest": source.sha256[:12], "bad": source.rejected}
        console.line(text.format(name=name, **about, **bad))


def _document(snapshot: Snapshot, *, proposed: bool) -> dict[str, Any]:
    return {
        "id": snapshot.id,
        "proposed": proposed,
        "lists": {n: {"sha256": t, "count": c} for n, (t, c) in snapshot.lists.items()},
        "sources": {name: vars(source) for name, source in snapshot.sources.items()},
    }
