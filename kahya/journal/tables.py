"""The two tables of the journal, as the newest migration leaves them."""

from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData, Table, Text

METADATA = MetaData()

ENTRIES = Table(
    "entries",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("kind", Text, nullable=False, index=True),
    Column("plan", Text, nullable=False, index=True),
    # The canonical form as it was digested: a database's own JSON would spell it anew.
    Column("data", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("digest", Text, nullable=False),
)

LOCKS = Table(
    "locks",
    METADATA,
    Column("town", Text, primary_key=True),
    Column("person", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("boot", Text, nullable=False),
    Column("started", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("since", Text, nullable=False),
    Column("until", Text, nullable=False),
)
