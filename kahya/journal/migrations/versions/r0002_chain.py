"""Entries are chained by their digests; a town has a lock."""

import sqlalchemy as sa
from alembic import op

from kahya.model import canonical, digest

revision = "0002"
down_revision = "0001"
KEPT = ("number", "at", "kind", "plan")


def upgrade() -> None:
    """Write the entries there are, in their order and as they are, as the start of a chain."""
    op.drop_index("ix_entries_kind", "entries")
    op.rename_table("entries", "unchained")
    text = [sa.Column(n, sa.Text, nullable=False) for n in ("at", "data", "previous", "digest")]
    found = [sa.Column(n, sa.Text, nullable=False, index=True) for n in ("kind", "plan")]
    number = sa.Column("number", sa.Integer, primary_key=True, autoincrement=False)
    entries = op.create_table("entries", number, *text, *found)
    old = sa.table("unchained", sa.column("data", sa.JSON), *map(sa.column, KEPT))
    previous = ""
    for row in op.get_bind().execute(sa.select(old).order_by(old.c.number)).mappings().all():
        entry = {**row, "previous": previous}
        previous = digest(entry)
        entry |= {"data": canonical(entry["data"]).decode(), "digest": previous}
        op.get_bind().execute(entries.insert(), entry)
    op.drop_table("unchained")
    held = ("person", "host", "boot", "started", "run", "since", "until")
    op.create_table(
        "locks",
        sa.Column("town", sa.Text, primary_key=True),
        sa.Column("pid", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in held),
    )
