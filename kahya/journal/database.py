"""The database under the journal: opened, brought up to date, and its errors explained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from kahya.errors import JournalError
from kahya.i18n import N_, _

REVISION = "0002"  # the newest of migrations/versions
PATIENCE = 5  # seconds to wait for another program that writes
CLOCK = {
    "sqlite": "SELECT strftime('%Y-%m-%dT%H:%M:%SZ', 'now')",
    "postgresql": "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC',"
    """ 'YYYY-MM-DD"T"HH24:MI:SS"Z"')""",
}
BEGIN_WRITING = {
    "sqlite": (),  # BEGIN IMMEDIATE, see _begin
    "postgresql": (
        f"SET LOCAL lock_timeout = '{PATIENCE}s'",
        "SET LOCAL synchronous_commit = on",  # what was returned survives a loss of power
        "SELECT pg_advisory_xact_lock(hashtext('kahya journal'))",
    ),
}
# What SQLite (by name) and PostgreSQL (by the start of its SQLSTATE) call it, and what to do.
BUSY = N_("is locked by another program"), N_("See what else uses it, and try again.")
FULL = N_("can't be written: the disk is full"), N_("Make room, and try again.")
READ_ONLY = N_("can't be written: it is read-only"), N_("Check its permissions and its owner.")
UNOPENED = N_("can't be opened"), N_("Check that it exists, and who may read it.")
BROKEN = (
    N_("is not a journal, or is damaged"),
    N_("Put it aside and restore the last backup (docs/journal.md)."),
)
UNREACHED = N_("can't be reached"), N_("Check the address, and that the server is running.")
DENIED = N_("lets nobody in by that name"), N_("Check the name, and the password in ~/.pgpass.")
CAUSES = {
    "SQLITE_BUSY": BUSY, "SQLITE_LOCKED": BUSY, "SQLITE_FULL": FULL,
    "SQLITE_READONLY": READ_ONLY, "SQLITE_CANTOPEN": UNOPENED, "SQLITE_PERM": UNOPENED,
    "SQLITE_NOTADB": BROKEN, "SQLITE_CORRUPT": BROKEN,
    "55P03": BUSY, "40": BUSY, "53100": FULL, "25006": READ_ONLY, "42501": READ_ONLY,
    "3D": UNOPENED, "28": DENIED, "08": UNREACHED, "57P": UNREACHED, "XX001": BROKEN,
}  # fmt: skip


class Database:
    """A database by its URL: reads, writes that nobody else interrupts, and their errors."""

    def __init__(self, url: str | URL) -> None:
        try:
            self._url = make_url(url)
        except ArgumentError as error:
            hint = _("Write postgresql://user@host/database; keep the password in ~/.pgpass.")
            raise JournalError(_("the journal's address is none"), hint) from error
        self.kind = self._url.get_backend_name()
        if self.kind not in CLOCK:
            message = _("the journal can't be kept in {kind}").format(kind=self.kind)
            raise JournalError(message, _("Use SQLite (no address) or PostgreSQL."))
        connect: dict[str, Any] = {"timeout": PATIENCE}
        if self.kind == "postgresql":
            self._url = self._url.set(drivername="postgresql+psycopg")
            connect = {"connect_timeout": PATIENCE}
        # A connection may have died between two waves; ask before it is used.
        self._engine = create_engine(self._url, connect_args=connect, pool_pre_ping=True)
        self._writer = self._engine.execution_options(kahya_writes=True)
        if self.kind == "sqlite":
            event.listen(self._engine, "connect", _prepare)
            event.listen(self._engine, "begin", _begin)
        self._bring_up_to_date()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection to read with.

        Raises:
            JournalError: the database can't do it.
        """
        with self._explained(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection that alone may write, until the end of the block; all or nothing.

        Raises:
            JournalError: the database can't do it; nothing remains of it then.
        """
        with self._explained(), self._writer.begin() as connection:
            for statement in BEGIN_WRITING[self.kind]:
                connection.execute(text(statement))
            yield connection

    def now(self, connection: Connection) -> str:
        """Return the database's time, UTC, ISO 8601: one clock for all who share a journal."""
        return str(connection.scalar(text(CLOCK[self.kind])))

    def _bring_up_to_date(self) -> None:
        with self.reading() as connection:
            if _revision(connection) == REVISION:
                return
        with self.writing() as connection:
            found = _revision(connection)  # another program may have been faster
            if found == REVISION:
                return
            if found > REVISION:
                message = _("{journal} was written by a newer Kâhya").format(journal=self)
                raise JournalError(message, _("Update this Kâhya; the journal stays as it is."))
            _migrate(connection)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            original = error.orig if isinstance(error, DBAPIError) else error
            name = getattr(original, "sqlite_errorname", None) or getattr(
                original, "sqlstate", None
            )
            # No SQLSTATE: the server was never reached, or hung up.
            causes = (cause for start, cause in CAUSES.items() if (name or "08").startswith(start))
            what, hint = next(causes, (N_("can't be used"), N_("See the database's own log.")))
            # The statement and its values would come along with str(error): only the cause is said.
            reason = str(original).strip().splitlines()[0]
            raise JournalError(f"{self} {_(what)}: {reason}", _(hint)) from error

    def __str__(self) -> str:
        place = Path(self._url.database or "") if self.kind == "sqlite" else self._url
        shown = place if isinstance(place, Path) else place.render_as_string(hide_password=True)
        return _("the journal {place}").format(place=shown)


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # Python's driver would begin transactions in its own way
    # What isn't UTF-8 is a matter for verify, not for the driver.
    connection.text_factory = lambda raw: raw.decode(errors="surrogateescape")
    # EXTRA is FULL and syncs the folder too: what was returned survives a loss of power.
    connection.execute("PRAGMA synchronous = EXTRA")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("kahya_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _revision(connection: Connection) -> str:
    """Return the revision of the tables; "" for those from before there were revisions."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.scalar(text("SELECT version_num FROM alembic_version")))


def _migrate(connection: Connection) -> None:
    # Imported here: a journal that is up to date, as nearly all are, doesn't wait for it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "kahya.journal:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
