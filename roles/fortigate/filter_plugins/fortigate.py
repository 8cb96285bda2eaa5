"""What has to be done so that a FortiGate's tables are as they should be.

The collection's modules set and remove one entry, so whatever else is there stays; and what they
report in check mode is not all that matters: the order of words and of policies, local-in-policy's
interfaces. So the tables are read and compared here, and the modules carry out what differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

Entry = Mapping[str, Any]

OURS = "kahya:"
OBJECTS = {  # of these, entries whose names don't begin as ours are left alone: they do nothing
    "firewall/address": "address",
    "firewall/address6": "IPv6 address",
    "firewall.service/custom": "service",
    "firewall.schedule/onetime": "schedule",
}
FORWARDS = {"firewall/vip": "forwarded port", "firewall/vip6": "IPv6 forwarded port"}
POLICIES = {
    "firewall/policy": "policy",
    "firewall/local-in-policy": "policy to itself",
    "firewall/local-in-policy6": "IPv6 policy to itself",
}
KINDS = {**OBJECTS, **FORWARDS, **POLICIES}
NOTHING = ("", "disable", [])


def steps(wanted: Mapping[str, Mapping[str, Entry]], read: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return what to do, one entry a step, in an order in which no name is used that isn't there.

    Args:
        wanted: entries by key, by table, policies in their order.
        read: what the device answered for each table.
    """
    now = {f"{part['path']}/{part['name']}": _by_key(part) for part in read}
    tables = [table for table in KINDS if table in wanted]
    gone = {table: list(_removed(table, wanted[table], now[table])) for table in tables}
    sets = [step for table in tables for step in _set(table, wanted[table], now[table])]
    moves = [step for t in POLICIES for step in _moved(t, wanted[t], now[t])]
    first = [step for table in POLICIES for step in gone[table]]
    last = [step for table in (*FORWARDS, *OBJECTS) for step in gone[table]]
    return [*sets, *first, *moves, *last]


def _by_key(part: Entry) -> dict[str, Entry]:
    key = _key(f"{part['path']}/{part['name']}")
    return {str(entry[key]): entry for entry in part["results"]}


def _key(table: str) -> str:
    return "policyid" if table in POLICIES else "name"


def _set(
    table: str, wanted: Mapping[str, Entry], now: Mapping[str, Entry]
) -> Iterator[dict[str, Any]]:
    for key, entry in wanted.items():
        there, after = now.get(key), _shown(entry, entry)
        before = _shown(there, entry) if there else {}
        if before != after:
            yield _step(table, "present", entry, before, after)


def _removed(
    table: str, wanted: Mapping[str, Entry], now: Mapping[str, Entry]
) -> Iterator[dict[str, Any]]:
    for key, entry in now.items():
        foreign = table in OBJECTS and not key.startswith(OURS)
        if key not in wanted and not foreign:
            yield _step(table, "absent", {_key(table): entry[_key(table)]} | _name(entry),
                        _shown(entry, next(iter(wanted.values()), entry)), {})  # fmt: skip


def _moved(
    table: str, wanted: Mapping[str, Entry], now: Mapping[str, Entry]
) -> Iterator[dict[str, Any]]:
    """Yield which policies go after which others: new ones stand at the end until then."""
    order, new = list(wanted), [key for key in wanted if key not in now]
    there = [key for key in now if key in wanted] + new
    labels = {key: _label(table, entry) for key, entry in wanted.items()}
    blocks = SequenceMatcher(None, there, order, autojunk=False).get_matching_blocks()
    stay = {key for block in blocks for key in there[block.a : block.a + block.size]}
    for index, key in enumerate(order):
        if key not in stay:
            side, other = ("after", order[index - 1]) if index else ("before", there[0])
            place = there.index(key)
            before = {"after": labels[there[place - 1]] if place else "nothing"}
            step = _step(table, "present", wanted[key], before, {side: labels[other]})
            yield step | {"label": f"place of {step['label']}", "move": [side, other]}


def _step(table: str, state: str, entry: Entry, before: Entry, after: Entry) -> dict[str, Any]:
    about = {"table": table, "state": state, "entry": dict(entry), "key": str(entry[_key(table)])}
    return about | {"before": before, "after": after, "label": _label(table, entry)}


def _label(table: str, entry: Entry) -> str:
    name = entry.get("name") or entry.get("comments", "").partition(":")[0] or entry["policyid"]
    return f"{KINDS[table]} {str(name).removeprefix(OURS)}"


def _name(entry: Entry) -> dict[str, Any]:
    return {key: entry[key] for key in ("name", "comments") if entry.get(key)}


def _shown(entry: Entry, like: Entry) -> dict[str, str]:
    """Return what ``entry`` says of what ``like`` does, each as text; without what says nothing."""
    found = {key: entry.get(key) for key in like}
    return {key: _text(value) for key, value in found.items() if value not in (None, *NOTHING)}


def _text(value: Any) -> str:
    """Return a value as text: of a list the names, for their order means nothing."""
    if isinstance(value, list):
        return ", ".join(sorted(str(one.get("name") or one.get("range")) for one in value))
    return str(value)


class FilterModule:
    """The filter of this role."""

    def filters(self) -> dict[str, Any]:
        """Return it by its name."""
        return {"fortigate_steps": steps}
