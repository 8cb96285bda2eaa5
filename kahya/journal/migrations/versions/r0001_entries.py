"""The journal of Kâhya 0.1.0's first days: entries without a chain."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table, unless this is such a journal: those had no revision number."""
    if sa.inspect(op.get_bind()).has_table("entries"):
        return
    op.create_table(
        "entries",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at", sa.String(20), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False, index=True),
        sa.Column("plan", sa.String(40), nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
    )
