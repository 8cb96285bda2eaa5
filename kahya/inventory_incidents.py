"""What is cut off until it is lifted (incidents.yml): checked, and told to who has to do it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kahya.feeds.build import own_lists, without_allowed
from kahya.feeds.entries import host_of, named, network, read
from kahya.feeds.guard import own_entries, own_networks
from kahya.i18n import _
from kahya.inventory_check import Problem, check_file, line_in, relative
from kahya.inventory_reader import RawInventory
from kahya.model import Incident

FILE = "incidents.yml"
PARTS = ("blocked", "isolated")
TAKERS = {
    "address": ("firewall", "fortigate"),
    "host": ("firewall", "fortigate"),
    "domain": ("resolver", "webfilter"),
    "url": ("webfilter",),
}
"""The systems that cut off a kind of thing; the first one has to be there."""
SPARED = ("gateways", "switches", "workstations")
"""Groups whose hosts the town can't do without."""
HASH = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}", re.IGNORECASE)
MASKED = re.compile(r"[0-9a-f.:]+/\d+", re.IGNORECASE)


@dataclass(frozen=True)
class _Town:
    """What an entry is held against."""

    raw: RawInventory
    feeds: Mapping[str, Any]
    systems: Collection[str]

    @property
    def kept(self) -> list[Mapping[str, Any]]:
        """The variables of the town's own hosts."""
        outside = self.raw.groups.get("outside", ())
        return [h.vars for n, h in self.raw.hosts.items() if n not in outside]


def kind_of(text: str) -> tuple[str, str]:
    """Return what kind of thing ``text`` names, "" for none, and how it is written.

    >>> kind_of("http://Evil.example/"), kind_of("203.0.113.7/32")
    (('domain', 'evil.example'), ('address', '203.0.113.7'))
    """
    if HASH.fullmatch(text):
        return "hash", text
    found = None if MASKED.fullmatch(text) and network(text) is None else named(text.encode())
    host, rest = (part.decode() for part in found or (b"", b""))
    if rest:
        return "url", host + rest
    if (address := network(host.strip("[]"))) is not None:
        whole = address.prefixlen == address.max_prefixlen
        return "address", str(address.network_address if whole else address)
    return ("domain" if host else ""), host


def unseen(text: str) -> bool:
    """Return whether ``text`` is a port, or a page within HTTPS: the web filter sees neither.

    >>> unseen("evil.example:8080"), unseen("https://evil.example/a"), unseen("evil.example/a")
    (True, True, False)
    """
    kind, written = kind_of(text)
    return kind == "url" and (text.lower().startswith("https:") or not {"/", "?"} & {*written})


def check_incidents(
    path: Path, raw: RawInventory, feeds: Mapping[str, Any] | None, systems: Collection[str]
) -> tuple[tuple[Incident, ...], list[Problem]]:
    """Read incidents.yml, which need not be there; find what would harm the town or do nothing.

    Args:
        path: the file.
        raw: the hosts, each well-formed.
        feeds: feeds.yml, None where there is none.
        systems: the names of the town's.
    """
    data, problems = check_file(path, "incidents") if path.exists() else (None, [])
    node = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader) if data else None
    town, found = _Town(raw, feeds or {}, systems), []
    for part, entries in (data or {}).items() if not problems else ():
        for what, about in entries.items():
            kind, written = ("host", what) if part == "isolated" else kind_of(what)
            wrong = list(_faults(kind, what, written, town))
            where = (relative(str(path)), line_in(node, [part, what]), f"{part}.{what}")
            problems += [Problem(*where, *words) for words in wrong]
            found.append(Incident(kind, what, **about))
    return tuple(found), problems


def _faults(kind: str, what: str, written: str, town: _Town) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with an entry, and what to write instead."""
    if kind == "hash":
        yield (
            _("there is no antivirus system to block a file by its hash"),
            _("the address or domain that it came from"),
        )
    elif not kind:
        expected = _("an address, domain or URL, at most a /16 (IPv6: /32)")
        yield _("{value} names nothing that can be blocked").format(value=repr(what)), expected
    elif unseen(what):
        message = _("the web filter sees neither ports nor pages within HTTPS, only sites there")
        yield message, host_of(written.encode()).decode()
    elif written != what:
        yield _("{value} is not valid").format(value=repr(what)), written
    elif TAKERS[kind][0] not in town.systems:
        message = _("nothing in this town takes it: there is no system {name}")
        yield message.format(name=TAKERS[kind][0]), _("addresses instead")
    elif kind == "host":
        yield from _host_faults(what, town.raw)
    else:
        yield from _block_faults(what, town)


def _host_faults(name: str, raw: RawInventory) -> Iterator[tuple[str, str]]:
    expected = _("a host behind a gateway that is none itself")
    if name not in raw.hosts or "building" not in raw.hosts[name].vars:
        yield _("no host of a building is called {name}").format(name=repr(name)), expected
    elif group := next((g for g in SPARED if g in raw.hosts[name].groups), ""):
        message = _("{name} is one of {group}, which the town can't do without")
        yield message.format(name=name, group=group), expected


def _block_faults(what: str, town: _Town) -> Iterator[tuple[str, str]]:
    entries = read(what.encode())
    own = tuple(town.feeds.get("own", ())), own_networks(town.kept)
    if list(own_entries(entries, *own)):
        expected = _("what is not the town's, or kahya isolate HOST")
        yield _("{what} is the town's own").format(what=what), expected
    if without_allowed(entries, own_lists(town.feeds)[0]) != entries:
        expected = _("it no longer among allow")
        yield _("feeds.yml allows {what}, and that wins").format(what=what), expected
    if not town.feeds and not entries.addresses:
        message = _("domains and URLs go out with the block lists, and there is no feeds.yml")
        yield message, _("feeds.yml; see docs/filter.md")


def with_incidents(
    feeds: Mapping[str, Any] | None, incidents: Sequence[Incident]
) -> Mapping[str, Any] | None:
    """Return feeds.yml with what incidents add to the town's own lists."""
    names = [i.what for i in incidents if i.kind in ("domain", "url")]
    return {**feeds, "incidents": names} if feeds and names else feeds


def derive(
    hosts: Mapping[str, dict[str, Any]],
    outside: Mapping[str, Mapping[str, Any]],
    incidents: Sequence[Incident],
) -> None:
    """Add ``incidents`` to the variables of the gateways that have a firewall policy.

    These are lists of addresses: ``blocked``, ``isolated``, and ``examiners``, whom the isolated
    may still speak with.

    Args:
        hosts: variables by host name; changed in place.
        outside: those of the hosts that are not the town's.
        incidents: what is cut off.
    """
    everybody = {**outside, **hosts}
    isolated = [everybody[i.what] for i in incidents if i.kind == "host"]
    desks = [v for v in hosts.values() if "workstations" in v["group_names"]]
    found = {
        "blocked": [i.what for i in incidents if i.kind == "address"],
        "isolated": [a for variables in isolated for a in _addresses(variables)],
        "examiners": [a for variables in desks for a in _addresses(variables)],
    }
    for variables in hosts.values():
        if "firewall" in variables:
            variables["incidents"] = found


def _addresses(variables: Mapping[str, Any]) -> list[str]:
    return [variables[key] for key in ("ansible_host", "address6") if variables.get(key)]
