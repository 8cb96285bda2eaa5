"""What was planned, decided and done, in the order in which it happened (docs/journal.md)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, fields, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from kahya.errors import LockError
from kahya.i18n import _
from kahya.journal.chain import HEAD, Anchor, Check, Entry, Failure, read
from kahya.journal.database import Database
from kahya.journal.head import HeadFile, explained
from kahya.journal.lock import Holder, Lock
from kahya.journal.tables import ENTRIES, LOCKS
from kahya.model import Town, canonical

__all__ = ["HEAD", "Anchor", "Entry", "Failure", "Holder", "Journal", "Lock", "address"]

PAGE = 500  # entries that verify reads at once
BIGGEST = 2**31 - 1  # an INTEGER of PostgreSQL


def address(town: Town) -> str:
    """Return the URL of the journal's database, or "" for a file in the town's state folder.

    KAHYA_JOURNAL goes before ``journal.url`` in town.yml, which holds no password.
    """
    return os.environ.get("KAHYA_JOURNAL") or town.settings.get("journal", {}).get("url", "")


class Journal:
    """The town's journal: entries are added and read, never changed.

    Every method raises JournalError where the database can't do it; its hint says what to do.

    Args:
        url: where it is, sqlite:///FILE or postgresql://USER@HOST/DATABASE.
        head: a file that remembers the last entry outside the database.
    """

    def __init__(self, url: str, head: Path | None = None) -> None:
        self._database = Database(url)
        self._head = HeadFile(head) if head else None

    @classmethod
    def in_folder(cls, folder: Path, url: str = "") -> Journal:
        """Open (or begin) the journal at ``url``, or the file in ``folder``, its owner's only."""
        path = folder / "journal.sqlite"
        if not url:
            with explained(path):
                path.touch(mode=0o600)
        return cls(url or f"sqlite:///{path}", folder / "journal.head")

    def record(self, kind: str, plan: str, data: dict[str, Any]) -> Entry:
        """Add an entry and return it once it is safe on the disk.

        Args:
            kind: a word of docs/journal.md.
            plan: the id of a plan, or "".
            data: plain data, without fractions, and with secrets already masked.
        """
        text = canonical(data).decode()
        with self._following() as remember, self._database.writing() as connection:
            last = _last(connection)
            now = self._database.now(connection)
            number, previous = (last.number + 1, last.digest) if last else (1, "")
            entry = Entry(number, now, kind, plan, json.loads(text), previous)
            entry = replace(entry, digest=entry.sealed())
            connection.execute(ENTRIES.insert(), {**vars(entry), "data": text})
            remember(entry.head)
        return entry

    def latest(self, limit: int, kind: str | None = None) -> Sequence[Entry]:
        """Return the last ``limit`` entries (of one kind), newest first."""
        query = select(ENTRIES).order_by(ENTRIES.c.number.desc()).limit(min(limit, BIGGEST))
        return self._read(query if kind is None else query.where(ENTRIES.c.kind == kind))

    def entries(
        self, *kinds: str, plan: str | None = None, after: int = 0, limit: int | None = None
    ) -> Sequence[Entry]:
        """Return the entries after the number ``after``, oldest first.

        Args:
            kinds: of these kinds only; none means all.
            plan: of the plan with this id only.
            after: a number, 0 for all.
            limit: so many at most.
        """
        query = select(ENTRIES).order_by(ENTRIES.c.number).limit(limit)
        query = query.where(ENTRIES.c.number > min(after, BIGGEST))
        query = query.where(ENTRIES.c.kind.in_(kinds)) if kinds else query
        return self._read(query if plan is None else query.where(ENTRIES.c.plan == plan))

    def find(self, number: int) -> Entry | None:
        """Return the entry with this number."""
        if number > BIGGEST:
            return None
        return next(iter(self._read(select(ENTRIES).where(ENTRIES.c.number == number))), None)

    def head(self) -> str:
        """Return the last entry's "number:digest", what a plan remembers; "0:" of an empty one."""
        with self._database.reading() as connection:
            last = _last(connection)
        return f"{last.number}:{last.digest}" if last else "0:"

    def holds(self, head: str) -> bool:
        """Return whether the journal goes on from ``head`` and from what the head file remembers.

        If not, entries are missing, as after an old backup was put back: what was used may look
        unused.
        """
        for text in (head, self._head.read() if self._head else ""):
            match = HEAD.fullmatch(text)
            entry = self.find(int(match[1])) if match else None
            if match and (entry is None or entry.digest != match[2]):
                return False
        return True

    def verify(self, anchors: Iterable[Anchor] = ()) -> list[Failure]:
        """Return everything that is wrong with the journal; [] when it is sound.

        Args:
            anchors: what others remember of it; the head file and the plans in the journal
                itself are asked anyway.
        """
        own = [Anchor(str(self._head.path), self._head.read())] if self._head else []
        check, last = Check(), -BIGGEST
        # Page by page: an apply that writes meanwhile must not wait for the whole.
        while rows := self._page(last):
            for row in rows:
                check.follow(row)
            last = rows[-1]["number"]
        return check.finish([*own, *anchors])

    def lock(self, town: str, holder: Holder, seconds: int, after: Holder | None = None) -> Lock:
        """Take the town for ``holder``, for ``seconds`` from now.

        Args:
            town: its name.
            holder: who takes it.
            seconds: after that the lock has expired; it still has to be removed by a person.
            after: whose lock may be taken over (an apply that broke off is resumed).

        Raises:
            LockError: somebody else holds it; says who, since when, and what to do.
        """
        with self._database.writing() as connection:
            found = self._lock(connection, town)
            if found and found.holder != after:
                raise found.refuse()
            return self._take(connection, town, holder, seconds)

    def renew(self, town: str, holder: Holder, seconds: int) -> Lock:
        """Keep the town for ``seconds`` from now.

        Raises:
            LockError: it is no longer the holder's.
        """
        with self._database.writing() as connection:
            found = self._lock(connection, town)
            if found is None:
                message = _("the lock of {town} was removed while it was in use")
                hint = _("Ask who ran kahya unlock; see kahya history.")
                raise LockError(message.format(town=town), hint)
            if found.holder != holder:
                raise found.refuse()
            return self._take(connection, town, holder, seconds, found.since)

    def release(self, town: str, holder: Holder) -> bool:
        """Give the town back; return whether it was the holder's (else nothing is done)."""
        with self._database.writing() as connection:
            found = self._lock(connection, town)
            ours = found is not None and found.holder == holder
            if ours:
                connection.execute(LOCKS.delete().where(LOCKS.c.town == town))
            return ours

    def holder_of(self, town: str) -> Lock | None:
        """Return the lock of the town, expired or not."""
        with self._database.reading() as connection:
            return self._lock(connection, town)

    def refuse_if_locked(self, town: str) -> None:
        """Pass where nobody holds the town.

        Raises:
            LockError: an apply is under way.
        """
        if lock := self.holder_of(town):
            raise lock.refuse()

    def _page(self, after: int) -> list[dict[str, Any]]:
        query = select(ENTRIES).order_by(ENTRIES.c.number).limit(PAGE)
        with self._database.reading() as connection:
            rows = connection.execute(query.where(ENTRIES.c.number > after))
            return [dict(row) for row in rows.mappings()]

    def _read(self, query: Select[Any]) -> list[Entry]:
        with self._database.reading() as connection:
            return [read(dict(row)) for row in connection.execute(query).mappings()]

    def _following(self) -> AbstractContextManager[Callable[[str], object]]:
        return self._head.following() if self._head else nullcontext(lambda _head: None)

    def _lock(self, connection: Connection, town: str) -> Lock | None:
        row = connection.execute(select(LOCKS).where(LOCKS.c.town == town)).mappings().first()
        if row is None:
            return None
        holder = Holder(**{field.name: row[field.name] for field in fields(Holder)})
        return Lock(town, holder, row["since"], row["until"], self._database.now(connection))

    def _take(
        self, connection: Connection, town: str, holder: Holder, seconds: int, since: str = ""
    ) -> Lock:
        now = self._database.now(connection)
        until = datetime.fromisoformat(now) + timedelta(seconds=seconds)
        lock = Lock(town, holder, since or now, until.strftime("%Y-%m-%dT%H:%M:%SZ"), now)
        connection.execute(LOCKS.delete().where(LOCKS.c.town == town))
        times = {"since": lock.since, "until": lock.until}
        connection.execute(LOCKS.insert(), {"town": town, **times, **asdict(holder)})
        return lock


def _last(connection: Connection) -> Row[int, str] | None:
    columns = select(ENTRIES.c.number, ENTRIES.c.digest)
    return connection.execute(columns.order_by(ENTRIES.c.number.desc()).limit(1)).first()
