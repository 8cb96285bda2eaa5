"""Entries, how each seals the one before it, and what is wrong with a chain of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kahya.i18n import _
from kahya.model import canonical, digest

HEAD = re.compile(r"(\d{1,18}):([0-9a-f]{64})")


@dataclass(frozen=True)
class Entry:
    """One event.

    ``number`` counts from 1; ``at`` is UTC, ISO 8601 to the second; ``kind`` is a word of
    docs/journal.md; ``plan`` is the id of a plan or ""; ``previous`` is the digest of the entry
    before, "" for the first; ``digest`` covers all the rest.
    """

    number: int
    at: str
    kind: str
    plan: str
    data: dict[str, Any]
    previous: str = ""
    digest: str = ""

    @property
    def head(self) -> str:
        """Return what plans and anchors call this entry: "number:digest"."""
        return f"{self.number}:{self.digest}"

    def sealed(self) -> str:
        """Return the digest that this entry should have.

        Raises:
            TypeError: there is something in it that has no canonical encoding.
        """
        return digest({name: value for name, value in vars(self).items() if name != "digest"})


@dataclass(frozen=True)
class Anchor:
    """What ``where`` (a file, a plan) remembers of the journal: ``head`` is "number:digest"."""

    where: str
    head: str


@dataclass(frozen=True)
class Failure:
    """One thing that is wrong with the entry ``number``, or with what should be there."""

    number: int
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass
class Check:
    """Follows a chain row by row (oldest first) and collects what is wrong with it."""

    failures: list[Failure] = field(default_factory=list)
    _digests: dict[int, str] = field(default_factory=dict)
    _anchors: list[Anchor] = field(default_factory=list)
    _last: tuple[int, str] = (0, "")

    def follow(self, row: Mapping[str, Any]) -> None:
        """Check the next ``row``, as the database holds it: ``data`` is a text."""
        number, stored = row["number"], row["digest"]
        entry = _sound(row)
        if entry is None:
            self._fail(number, _("entry {number} was altered"))
        before, expected = self._last
        if number > before + 1 and row["previous"] != expected:
            missing = str(before + 1) if number == before + 2 else f"{before + 1}–{number - 1}"
            text = _("before entry {number}, entries were removed: {missing}")
            self._fail(number, text, missing=missing)
        elif row["previous"] != expected:
            text = _("entry {number} doesn't follow on entry {before}: moved or put in its place")
            self._fail(number, text, before=before)
        if entry is not None and (head := _names(entry.data)):
            where = _("{kind} entry {number}").format(kind=entry.kind, number=number)
            self._anchors.append(Anchor(where, head))
        self._digests[number] = stored
        self._last = number, stored

    def finish(self, anchors: Iterable[Anchor]) -> list[Failure]:
        """Compare with the anchors, those in the entries too, and return all that is wrong."""
        for anchor in (*self._anchors, *anchors):
            match = HEAD.fullmatch(anchor.head)
            if match is None:
                if anchor.head not in ("", "0:"):
                    self._fail(0, _("{where} names no entry: {head}"), **vars(anchor))
                continue
            number, where = int(match[1]), anchor.where
            if number > self._last[0]:
                text = _("the journal ends with entry {end}, but {where} names entry {number}")
                self._fail(number, text, end=self._last[0], where=where)
            elif self._digests.get(number) != match[2]:
                text = _("entry {number} is not the one that {where} names")
                self._fail(number, text, where=where)
        return self.failures

    def _fail(self, number: int, text: str, **about: object) -> None:
        self.failures.append(Failure(number, text.format(number=number, **about)))


def read(row: Mapping[str, Any]) -> Entry:
    """Return the entry that a ``row`` of the table holds.

    Raises:
        ValueError: its data is no JSON.
    """
    return Entry(**{**row, "data": json.loads(row["data"])})


def _names(data: Mapping[str, Any]) -> str:
    """Return the head that a plan in ``data`` remembers, "" where there is no plan."""
    plan = data.get("document", data)
    return str(plan.get("journal", "")) if isinstance(plan, dict) else ""


def _sound(row: Mapping[str, Any]) -> Entry | None:
    """Return the entry of ``row``, or None where it isn't as Kâhya wrote it."""
    try:
        entry = read(row)
        # One meaning can be spelt in many ways; ours is spelt in one.
        spelt = canonical(entry.data).decode() == row["data"]
        return entry if spelt and entry.digest == entry.sealed() else None
    except (TypeError, ValueError, RecursionError):
        return None
