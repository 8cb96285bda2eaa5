"""Who was behind a public address and port at a time: what a prosecutor asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from kahya.accesslog.files import LogFile, lines
from kahya.accesslog.verify import Record, record

Key = tuple[str, ...]
BESIDES = b'"what":"start"', b'"what":"lost"', b'"what":"alive"', b'"what":"address"'
LOOK = timedelta(seconds=10)  # so much later a gateway may tell that an address has another owner
GAPS = "start", "lost"  # something may have happened before it that was not recorded
PARTS = ("id", "protocol", "source", "destination", "translated")


@dataclass(frozen=True)
class Connection:
    """One connection. ``begin`` is None where it began before what was read; so is ``end``.

    ``after`` is a time at which it was not there yet, where it began while nothing was recorded.
    ``mac`` and ``name`` are those of whoever had the internal address then, "" where unknown.
    ``file`` and ``record`` say where it stands in the log.
    """

    file: str
    record: int
    protocol: str
    source: str
    translated: str
    destination: str
    begin: datetime | None
    after: datetime | None = None
    end: datetime | None = None
    sent: int | None = None
    received: int | None = None
    mac: str = ""
    name: str = ""

    @property
    def address(self) -> str:
        """Return the internal address without its port."""
        return address(self.source)


def address(end: str) -> str:
    """Return the address of ``10.0.0.1:80``, ``[fd00::1]:80`` or either without a port."""
    if end.startswith("["):
        return end[1:].partition("]")[0]
    return end.partition(":")[0] if end.count(":") == 1 else end


def who(files: Iterable[LogFile], public: str, at: datetime, within: timedelta) -> list[Connection]:
    """Return the connections that came from ``public`` at ``at``, ``within`` sooner or later.

    Args:
        files: those of the day, and of the days before and after it.
        public: address and port as the other side saw them, ``198.51.100.7:40123``.
        at: when, with its time zone.
        within: how far the two sides' clocks may be apart.
    """
    search, owners, last = _Search(public), list[_Owner](), b""
    mark = f'"{public}"'.encode()
    for file in files:
        for raw in lines(file):
            before, last = last, raw
            if not (mark in raw or any(word in raw for word in BESIDES)):
                continue
            # What hasn't the log's form is told by verifying; it must not end the search.
            with suppress(KeyError, TypeError, ValueError):
                one = record(raw)
                if one and one.about["what"] == "address":
                    owners.append(_owner(one.about))
                elif one and one.about["what"] in GAPS:
                    search.gap(one.about, record(before))
                elif one:
                    search.take(file.name, one.about)
    asked = [one for one in search.all() if _overlaps(one, at, within)]
    asked.sort(key=lambda one: one.record)
    return [owned for one in asked for owned in _owned(one, owners, at, within)]


def recorded(files: Iterable[LogFile], at: datetime, within: timedelta) -> bool:
    """Return whether connections were recorded all the time from ``within`` before ``at`` to after.

    Not so before the first and after the last record, and from the last one before a start or a
    loss until then.
    """
    low, high, last = at - within, at + within, None
    for file in files:
        for raw in lines(file):
            with suppress(KeyError, TypeError, ValueError):
                if not (one := record(raw)):
                    continue
                when = datetime.fromisoformat(one.about["at"])
                if low < when and (last is None or (one.about["what"] in GAPS and last < high)):
                    return False
                last = when
    return last is not None and high <= last


@dataclass(frozen=True)
class _Owner:
    when: datetime
    address: str
    mac: str
    name: str


class _Search:
    """Puts the records of each connection together."""

    def __init__(self, public: str) -> None:
        self.public = public
        self.done: list[Connection] = []
        self.open: dict[Key, Connection] = {}
        # What was open before a stop or a loss, which may hide its end; what lasts is told again.
        self.doubtful: dict[Key, Connection] = {}
        # Whether all that was open is known, and when it last was before a stop or a loss.
        self.complete = False
        self.known: datetime | None = None

    def gap(self, about: Mapping[str, Any], before: Record | None) -> None:
        at = datetime.fromisoformat(about["at"])
        self.doubtful |= {key: replace(one, end=at) for key, one in self.open.items()}
        self.open = {}
        if self.complete:
            self.known = datetime.fromisoformat(before.about["at"]) if before else None
        self.complete = False

    def take(self, file: str, about: Mapping[str, Any]) -> None:
        at = datetime.fromisoformat(about["at"])
        if about["what"] == "alive":  # it ends what is told of all connections
            self.complete = True
        elif about.get("translated") == self.public:
            self._connection(file, about, at)

    def _connection(self, file: str, about: Mapping[str, Any], at: datetime) -> None:
        key = tuple(about[part] for part in PARTS)
        begin = at if about["what"] == "begin" else None
        ends = (about["protocol"], about["source"], about["translated"], about["destination"])
        doubted = self.doubtful.pop(key, None)
        if doubted and begin:  # another one, with the same number
            self.done.append(doubted)
            doubted = None
        known = self.open.pop(key, None) or doubted
        known = known or Connection(file, about["n"], *ends, begin, self.known)
        if about["what"] == "end":
            sent, received = about.get("bytes", (None, None))
            self.done.append(replace(known, end=at, sent=sent, received=received))
        else:
            # An "open" may stand before the "begin" that had waited in the kernel meanwhile.
            self.open[key] = replace(known, begin=known.begin or begin, end=None)

    def all(self) -> list[Connection]:
        return [*self.done, *self.doubtful.values(), *self.open.values()]


def _owner(about: Mapping[str, Any]) -> _Owner:
    when = datetime.fromisoformat(about["at"])
    return _Owner(when, about["address"], about["mac"], about["name"])


def _overlaps(one: Connection, at: datetime, within: timedelta) -> bool:
    begin = one.begin or one.after
    begun = begin is None or begin <= at + within
    return begun and (one.end is None or one.end >= at - within)


def _owned(
    one: Connection, owners: list[_Owner], at: datetime, within: timedelta
) -> Iterator[Connection]:
    """Add who had the internal address: the last told before ``at``, or else the first after.

    Whoever was told so soon after ``at`` that they may have had it already is another answer.
    """
    mine, low = [owner for owner in owners if owner.address == one.address], at - within
    told = [owner for owner in mine if owner.when <= low][-1:] or mine[:1]
    soon = [owner for owner in mine if low < owner.when <= at + within + LOOK]
    by_mac = {owner.mac: owner for owner in [*reversed(soon), *told]}
    for owner in reversed(by_mac.values()):
        yield replace(one, mac=owner.mac, name=owner.name)
    if not mine:
        yield one
