"""How a journal of an older Kâhya becomes one of today's (Alembic)."""
