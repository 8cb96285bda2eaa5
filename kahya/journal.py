"""What was planned, applied, observed and probed, in the order in which it happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, String, create_engine, select
from sqlalchemy.engine import Engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class _Base(DeclarativeBase):
    pass


class _Row(_Base):
    __tablename__ = "entries"

    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[str] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(String(20), index=True)
    plan: Mapped[str] = mapped_column(String(40))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)


@dataclass(frozen=True)
class Entry:
    """One event: ``kind`` is planned, applied, observed or probed; ``at`` is UTC, ISO 8601."""

    number: int
    at: str
    kind: str
    plan: str
    data: dict[str, Any]


class Journal:
    """The town's journal, in any database that SQLAlchemy knows by its URL."""

    def __init__(self, url: str) -> None:
        self._engine: Engine = create_engine(url)
        _Base.metadata.create_all(self._engine)

    @classmethod
    def in_folder(cls, folder: Path) -> Journal:
        """Open (or begin) the journal in ``folder``, readable by its owner only."""
        path = folder / "journal.sqlite"
        path.touch(mode=0o600)
        return cls(f"sqlite:///{path}")

    def record(self, kind: str, plan: str, data: dict[str, Any]) -> None:
        """Add an entry; ``data`` is plain data with secrets already masked."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with Session(self._engine) as session, session.begin():
            session.add(_Row(at=now, kind=kind, plan=plan, data=data))

    def latest(self, limit: int, kind: str | None = None) -> Sequence[Entry]:
        """Return the last ``limit`` entries (of one kind), newest first."""
        query = select(_Row).order_by(_Row.number.desc()).limit(limit)
        if kind is not None:
            query = query.where(_Row.kind == kind)
        with Session(self._engine) as session:
            rows = session.scalars(query).all()
            return [Entry(r.number, r.at, r.kind, r.plan, r.data) for r in rows]
