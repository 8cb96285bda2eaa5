"""Check what the town says about its block lists, and find the lists that hosts are to have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from kahya.errors import FeedError
from kahya.feeds.build import ALLOW, BLOCK, INCIDENTS, incidents_digests, incidents_of, own_digest
from kahya.feeds.entries import named, read
from kahya.feeds.guard import own_entries, own_networks
from kahya.feeds.sources import feeds
from kahya.feeds.store import Store
from kahya.i18n import _
from kahya.inventory_check import Problem, at, check_file, line_in, one_of, relative
from kahya.inventory_formats import FORMATS
from kahya.inventory_reader import RawInventory

POINTER = "group_vars/all/lists.yml"
WRITTEN = """\
---
# Written by kahya feeds: the block lists that are to be. kahya plan says what that changes.
lists: {name}
"""


@FORMATS.checks("entry")
def _is_entry(value: object) -> bool:
    return not isinstance(value, str) or named(value.encode()) is not None


@FORMATS.checks("domain")
def _is_domain(value: object) -> bool:
    return not isinstance(value, str) or named(value.encode()) == (value.encode(), b"")


def check_feeds(path: Path) -> tuple[Any, list[Problem]]:
    """Read feeds.yml, which need not be there."""
    if not path.exists():
        return None, []
    settings, problems = check_file(path, "feeds")
    if problems:
        return None, problems
    node = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
    seen: dict[str, str] = {}

    def problem(feed: str, key: str, message: str, expected: str) -> None:
        line = line_in(node, ["feeds", feed, key])
        place = (relative(str(path)), line, f"feeds.{feed}.{key}")
        problems.append(Problem(*place, message, expected))

    for feed in feeds(settings):
        if bool(feed.categories) != (feed.format == "ut1"):
            message = _("an archive has categories, a text has none")
            problem(feed.name, "categories", message, _("format: ut1 with categories, or usom"))
        for name in feed.names:
            if name in seen:
                message = _("{feed} has a list {name}, too").format(feed=seen[name], name=name)
                problem(feed.name, "categories", message, _("a name of its own"))
            seen[name] = feed.name
    return settings, problems


def check_block(path: Path, settings: Mapping[str, Any] | None, raw: RawInventory) -> list[Problem]:
    """Find what the town would block of its own: its gateways would cut it off."""
    outside = raw.groups.get("outside", ())
    networks = own_networks(h.vars for name, h in raw.hosts.items() if name not in outside)
    problems = []
    for index, text in enumerate((settings or {}).get("block", ())):
        if list(own_entries(read(text.encode()), (settings or {})["own"], networks)):
            node = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
            where = relative(str(path)), line_in(node, ["block", index]), f"block[{index}]"
            message = _("{what} is the town's own").format(what=text)
            problems.append(Problem(*where, message, _("what is not the town's")))
    return problems


def store(settings: Mapping[str, Any], directory: Path, state: Path) -> Store:
    """Return the store that feeds.yml in ``directory`` names, or the one in the private folder."""
    return Store(directory / settings["store"] if "store" in settings else state / "feeds")


def resolve_lists(
    raw: RawInventory, settings: Mapping[str, Any] | None, kept: Store
) -> list[Problem]:
    """Put in place of each host's ``lists``, the name of a snapshot, what that is.

    ``lists`` of a host then has ``folder`` (where the texts are, by their digests) and ``names``:
    by name, the ``sha256`` and ``count`` of a list.
    """
    problems = []
    for host in raw.hosts.values():
        if "lists" not in host.vars:
            continue
        try:
            snapshot = kept.snapshot(host.vars["lists"])
        except FeedError as error:
            problems.append(at(host, ["lists"], str(error), _("the output of kahya feeds build")))
            continue
        if snapshot.own != own_digest(settings or {}):
            message = _("feeds.yml allows and blocks something else than when they were made")
            problems.append(at(host, ["lists"], message, _("the output of kahya feeds build")))
        if incidents_of(snapshot.lists) != incidents_digests(settings or {}):
            message = _("incidents.yml blocks something else than when they were made")
            problems.append(at(host, ["lists"], message, _("the output of kahya feeds build")))
        host.vars["lists"] = {
            "folder": str(kept.path("").resolve()),
            "names": {
                name: {"sha256": text, "count": count}
                for name, (text, count) in snapshot.lists.items()
            },
        }
    return sorted(set(problems))


def check_resolvers(raw: RawInventory) -> list[Problem]:
    """Find lists that a resolver is to have and nobody makes; the town's own may be empty."""
    problems = []
    for host in raw.hosts.values():
        lists = host.vars.get("lists", {"names": {}})["names"]
        known = {name.removeprefix("domains/") for name in lists if name.startswith("domains/")}
        for place, name in enumerate(host.vars.get("resolver", {}).get("lists", ())):
            if name not in {BLOCK, *known}:
                message = _("no list domains/{name} was made").format(name=name)
                others = one_of(sorted({BLOCK, *known} - {ALLOW, INCIDENTS}))
                problems.append(at(host, ["resolver", "lists", place], message, others))
    return sorted(set(problems))


def pointed(directory: Path) -> str:
    """Return the name of the snapshot that the town is to have, or ""."""
    path = directory / POINTER
    return str(yaml.safe_load(path.read_text(encoding="utf-8"))["lists"]) if path.exists() else ""


def write_pointer(directory: Path, name: str) -> bool:
    """Write which snapshot the town is to have, and say whether that is another than before."""
    if pointed(directory) == name:
        return False
    path = directory / POINTER
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(WRITTEN.format(name=name), encoding="utf-8")
    fresh.replace(path)
    return True
