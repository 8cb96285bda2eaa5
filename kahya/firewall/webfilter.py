"""Find what is wrong in the groups of the web filter, which are places of the firewall's policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kahya.firewall.check import Found, place
from kahya.firewall.networks import Networks, Places, ordered, within
from kahya.firewall.policy import GATEWAY, Atlas, parse
from kahya.i18n import _
from kahya.inventory_check import Problem, at, one_of
from kahya.inventory_reader import RawInventory

RESERVED = ("nobody", "pages")
"""Names of folders that are the filter's own."""
KINDS = ("domains/", "urls/")


def check_webfilter(raw: RawInventory) -> list[Problem]:
    """Compare names, places and categories of the groups with each other and with the town's.

    The policy has been checked already, and ``lists`` of the hosts have been found.
    """
    places = Places.of({name: host.vars for name, host in raw.hosts.items()})
    hosts = (raw.hosts[name] for name in raw.groups.get("gateways", ()))
    return sorted(
        {
            at(host, ["webfilter", "groups", *path], message, expected)
            for host in hosts
            if "webfilter" in host.vars
            for path, message, expected in _problems(host.vars, places)
        }
    )


def _problems(variables: Mapping[str, Any], places: Places) -> Iterator[Found]:
    atlas = Atlas(parse(variables["firewall"]), places)
    known = [*(name for name in atlas.zones if name != GATEWAY), *atlas.policy.groups]
    lists = variables.get("lists", {}).get("names", ())
    categories = sorted({n.partition("/")[2] for n in lists if n.startswith(KINDS)} - {"allow"})
    seen: dict[str, Networks] = {}
    for index, group in enumerate(variables["webfilter"]["groups"]):
        name = group["name"]
        if name in seen or name in RESERVED:
            message = _("{name} has a meaning already").format(name=name)
            yield [index, "name"], message, _("a name of its own")
        wrong = [
            found
            for number, member in enumerate(group["members"])
            for found in place([index, "members", number], member, known, places)
        ]
        yield from wrong
        mine = ordered(n for m in group["members"] for n in atlas.sources(m)) if not wrong else ()
        for other, theirs in seen.items():
            if within(mine, theirs):
                message = _("{name} has networks of {other}").format(name=name, other=other)
                yield [index, "members"], message, _("places that are in one group only")
        seen[name] = mine
        for number, category in enumerate(group.get("categories", ())):
            if category not in categories:
                message = _("no list is called {name}").format(name=repr(category))
                yield [index, "categories", number], message, one_of(categories)
