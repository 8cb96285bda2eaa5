"""Entries are added whole, safely, by many at once, and every trouble is explained."""

import json
import stat
import threading
import time
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import event, inspect, text

from kahya.errors import JournalError
from kahya.journal import Journal
from kahya.journal import database as databases
from kahya.journal.tables import METADATA
from kahya.model import digest

DATA = {"who": "ayşe", "n": [1, True, None], "odd": "\x00\ud7ff"}


def test_an_entry_comes_back_as_it_was_written(journal):
    made = journal.record("planned", "p-1", DATA)
    assert made.number == 1
    assert made.previous == ""
    assert journal.find(1) == made
    assert journal.find(1).data == DATA
    assert journal.find(2) is None
    assert journal.record("applied", "p-1", {"tuple": (1, 2)}).previous == made.digest
    assert journal.find(2).data == {"tuple": [1, 2]}


def test_the_digest_is_over_all_but_itself(journal):
    made = journal.record("planned", "p-1", DATA)
    named = {k: getattr(made, k) for k in ("number", "at", "kind", "plan", "data", "previous")}
    assert made.digest == digest(named)


def test_the_head_names_the_last_entry(journal, tmp_path):
    assert journal.head() == "0:"
    journal.record("planned", "p-1", {})
    last = journal.record("planned", "p-2", {})
    assert journal.head() == last.head == f"2:{last.digest}"
    assert (tmp_path / "journal.head").read_text() == last.head + "\n"


def test_entries_are_chosen_by_kind_plan_and_number(journal):
    for kind, plan in [("planned", "a"), ("applied", "a"), ("planned", "b"), ("probed", "")]:
        journal.record(kind, plan, {})

    def numbers(found):
        return [entry.number for entry in found]

    assert numbers(journal.entries()) == [1, 2, 3, 4]
    assert numbers(journal.entries("planned")) == [1, 3]
    assert numbers(journal.entries("planned", "probed", after=1)) == [3, 4]
    assert numbers(journal.entries(plan="a")) == [1, 2]
    assert numbers(journal.entries("planned", plan="b")) == [3]
    assert numbers(journal.latest(3)) == [4, 3, 2]
    assert numbers(journal.latest(1, "planned")) == [3]
    huge = 10**30
    assert numbers(journal.latest(huge)) == [4, 3, 2, 1]
    assert (journal.find(huge), journal.entries(after=huge)) == (None, [])


def test_what_has_no_canonical_form_is_not_recorded(journal, tmp_path):
    with pytest.raises(TypeError, match="float"):
        journal.record("planned", "", {"share": 0.5})
    assert journal.head() == "0:"
    assert not (tmp_path / "journal.head").exists()


def test_many_write_at_once_and_the_chain_holds(url, tmp_path):
    def write():
        mine = Journal.in_folder(tmp_path, url)
        for _ in range(10):
            mine.record("outcome", "", {})

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal = Journal.in_folder(tmp_path, url)
    assert [e.number for e in journal.entries()] == list(range(1, 41))
    assert journal.verify() == []


def test_a_journal_is_its_owners_only_and_nothing_is_left_beside_it(tmp_path):
    Journal.in_folder(tmp_path).record("planned", "", {})
    found = sorted(tmp_path.iterdir())
    assert [path.name for path in found] == ["journal.head", "journal.sqlite"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o600}


def test_opening_is_fast(journal, url, tmp_path):
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        Journal.in_folder(tmp_path, url)
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.05


# --- migrations ---


OLD_LAYOUT = (  # as the first Kâhya made it
    (
        "CREATE TABLE entries (number INTEGER NOT NULL PRIMARY KEY, at VARCHAR(20) NOT NULL,"
        " kind VARCHAR(20) NOT NULL, plan VARCHAR(40) NOT NULL, data JSON NOT NULL)"
    ),
    "CREATE INDEX ix_entries_kind ON entries (kind)",
)


def old_layout(engine, rows):
    with engine.begin() as connection:
        for statement in OLD_LAYOUT:
            connection.execute(text(statement))
        insert = text("INSERT INTO entries VALUES (:number, :at, :kind, :plan, :data)")
        for row in rows:
            connection.execute(insert, {**row, "data": json.dumps(row["data"])})


def test_a_journal_from_before_the_chain_is_chained_as_it_is(url, database, tmp_path):
    about = {"at": "2026-03-09T06:00:00Z", "kind": "planned", "plan": "p"}
    rows = [{"number": n, **about, "data": {"ş": "é", "n": n}} for n in (1, 2, 5)]
    old_layout(database, rows)
    journal = Journal.in_folder(tmp_path, url)
    found = journal.entries()
    assert [{k: getattr(e, k) for k in rows[0]} for e in found] == rows
    assert [e.previous for e in found] == ["", found[0].digest, found[1].digest]
    assert journal.verify() == []
    assert journal.record("applied", "p", {}).number == 6
    assert set(inspect(database).get_table_names()) == {"alembic_version", "entries", "locks"}


def test_the_migrations_make_the_tables_that_the_code_knows(journal, database):
    found = inspect(database)
    for table in METADATA.tables.values():
        columns = found.get_columns(table.name)
        assert {c["name"]: (str(c["type"]), c["nullable"]) for c in columns} == {
            c.name: (str(c.type), c.nullable) for c in table.columns
        }
        indexes = {tuple(i["column_names"]) for i in found.get_indexes(table.name)}
        assert indexes == {tuple(c.name for c in i.columns) for i in table.indexes}
    folder = Path(databases.__file__).with_name("migrations")
    assert ScriptDirectory(str(folder)).get_heads() == [databases.REVISION]


def test_a_migration_that_breaks_off_leaves_the_old_journal(url, database, tmp_path, monkeypatch):
    old_layout(database, [{"number": 1, "at": "", "kind": "", "plan": "", "data": {}}])
    with monkeypatch.context() as patch:
        patch.setattr("kahya.model.canonical", broken)
        with pytest.raises(RuntimeError):
            Journal.in_folder(tmp_path, url)
    assert inspect(database).get_table_names() == ["entries"]
    assert Journal.in_folder(tmp_path, url).verify() == []


def broken(*_):
    raise RuntimeError


def test_a_newer_journal_is_left_alone(journal, url, database):
    with database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(JournalError, match="newer Kâhya") as caught:
        Journal(url)
    assert "Update this Kâhya" in caught.value.hint


# --- trouble ---


def test_a_failed_append_leaves_nothing(journal, tmp_path):
    first = journal.record("planned", "", {})
    writer = journal._database._engine

    def fail(*_):
        raise RuntimeError

    event.listen(writer, "commit", fail)
    with pytest.raises(RuntimeError):
        journal.record("applied", "", {})
    event.remove(writer, "commit", fail)
    assert journal.head() == first.head
    assert (tmp_path / "journal.head").read_text().strip() == first.head
    assert journal.verify() == []
    assert not list(tmp_path.glob("journal.head-*"))


def test_a_locked_journal_says_so(journal, url, monkeypatch, tmp_path):
    monkeypatch.setitem(databases.BEGIN_WRITING, "postgresql", quick_lock())
    monkeypatch.setattr(databases, "PATIENCE", 0.1)
    impatient = Journal(url)
    with journal._database.writing(), pytest.raises(JournalError, match="locked by another") as at:
        impatient.record("planned", "", {})
    assert "try again" in at.value.hint
    assert impatient.record("planned", "", {}).number == 1


def quick_lock():
    return [s.replace("5s", "100ms") for s in databases.BEGIN_WRITING["postgresql"]]


def test_a_full_disk_says_so(tmp_path):
    journal = Journal.in_folder(tmp_path)
    first = journal.record("planned", "", {})
    with journal._database.reading() as connection:  # as if there were no more room than this
        pages = connection.execute(text("PRAGMA page_count")).scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalError, match="disk is full") as caught:
        journal.record("applied", "", {"much": "x" * 100_000})
    assert "Make room" in caught.value.hint
    assert journal.head() == first.head


def test_a_full_disk_under_the_head_file_says_so(tmp_path, monkeypatch):
    journal = Journal.in_folder(tmp_path)

    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kahya.journal.head.tempfile.mkstemp", full)
    with pytest.raises(JournalError, match="No space left"):
        journal.record("applied", "", {})
    assert journal.head() == "0:"
    assert [p.name for p in tmp_path.iterdir()] == ["journal.sqlite"]


def test_a_journal_that_can_only_be_read_says_so(tmp_path):
    Journal.in_folder(tmp_path)
    with pytest.raises(JournalError, match="read-only") as caught:
        Journal(f"sqlite:///file:{tmp_path}/journal.sqlite?mode=ro&uri=true").record("x", "", {})
    assert "permissions" in caught.value.hint


@pytest.mark.parametrize("content", [b"not a database, " * 100, b"SQLite format 3\0" * 100])
def test_what_is_not_a_journal_says_so(tmp_path, content):
    (tmp_path / "journal.sqlite").write_bytes(content)
    with pytest.raises(JournalError, match="is not a journal") as caught:
        Journal.in_folder(tmp_path)
    assert "backup" in caught.value.hint
    assert (tmp_path / "journal.sqlite").read_bytes() == content


def test_a_folder_that_is_none_says_so(tmp_path):
    with pytest.raises(JournalError, match="No such file"):
        Journal.in_folder(tmp_path / "gone")
    with pytest.raises(JournalError, match="can't be opened"):
        Journal(f"sqlite:///{tmp_path}/gone/journal.sqlite")


def test_a_server_that_is_none_says_so_without_the_password():
    with pytest.raises(JournalError, match="can't be reached") as caught:
        Journal("postgresql://kahya:canary@127.0.0.1:1/journal")
    assert "canary" not in str(caught.value)


def test_a_database_that_is_none_says_so(postgres):
    with pytest.raises(JournalError, match="does not exist"):
        Journal(postgres.set(database="gone").render_as_string(hide_password=False))


def test_a_server_that_hangs_up_is_met_again(journal, url, database):
    if not url.startswith("postgresql"):
        pytest.skip("SQLite has no server")
    journal.record("planned", "", {})
    with database.begin() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        )
    assert journal.record("applied", "", {}).number == 2


@pytest.mark.parametrize("wrong", ["mysql://a@b/c", "hello"])
def test_an_address_that_is_none_says_so(wrong):
    with pytest.raises(JournalError) as caught:
        Journal(wrong)
    assert "PostgreSQL" in caught.value.hint or "postgresql" in caught.value.hint
