"""Whatever is done to a journal behind Kâhya's back is found."""

import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from kahya.journal import Anchor, Journal
from kahya.model import digest

FIELDS = ("number", "at", "kind", "plan", "data", "previous", "digest")


def fill(journal):
    """Record a day: plans that name the journal before them, and what became of them."""
    for day in range(3):
        journal.record("planned", f"p-{day}", {"journal": journal.head(), "changes": [day]})
        journal.record("outcome", f"p-{day}", {"status": "applied", "changes": [day]})
    return journal


@pytest.fixture
def filled(journal):
    return fill(journal)


def run(database, *statements):
    with database.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def messages(journal, *anchors):
    return [str(failure) for failure in journal.verify(anchors)]


def rechained(database):
    """Do what an intruder who has Kâhya's code would do: digest everything anew."""
    previous = ""
    update = text(
        "UPDATE entries SET previous = :previous, digest = :digest WHERE number = :number"
    )
    with database.begin() as connection:
        rows = connection.execute(text("SELECT * FROM entries ORDER BY number")).mappings().all()
        for row in rows:
            entry = {name: row[name] for name in FIELDS[:-1]} | {"previous": previous}
            previous = digest(entry | {"data": json.loads(row["data"])})
            connection.execute(update, entry | {"digest": previous})


def test_a_sound_journal_is_sound(filled):
    assert filled.verify() == []


def test_an_altered_entry_is_found(filled, database):
    run(database, "UPDATE entries SET data = replace(data, 'applied', 'refused') WHERE number = 4")
    assert messages(filled) == ["entry 4 was altered"]


@pytest.mark.parametrize("spelt", ["""{"status":"x",""", """{ """])
def test_the_same_spelt_otherwise_is_found(filled, database, spelt):
    with database.begin() as connection:
        old = connection.scalar(text("SELECT data FROM entries WHERE number = 4"))
        assert json.loads(spelt + old[1:]) == json.loads(
            old
        )  # other readers take the first "status"
        update = text("UPDATE entries SET data = :data WHERE number = 4")
        connection.execute(update, {"data": spelt + old[1:]})
    assert messages(filled) == ["entry 4 was altered"]


def test_a_removed_entry_is_found(filled, database):
    run(database, "DELETE FROM entries WHERE number = 3")
    assert messages(filled) == ["before entry 4, entries were removed: 3"]


def test_a_removed_beginning_is_found(filled, database):
    run(database, "DELETE FROM entries WHERE number < 4")
    assert messages(filled)[0] == "before entry 4, entries were removed: 1–3"


def test_a_reordered_pair_is_found(filled, database):
    run(
        database,
        "UPDATE entries SET number = 99 WHERE number = 3",
        "UPDATE entries SET number = 3 WHERE number = 4",
        "UPDATE entries SET number = 4 WHERE number = 99",
    )
    found = messages(filled)
    assert "entry 3 was altered" in found
    assert "entry 4 was altered" in found
    assert any("entry 3 doesn't follow on entry 2" in message for message in found)


def test_a_removed_tail_is_found_by_the_head_file(filled, database, tmp_path):
    run(database, "DELETE FROM entries WHERE number > 4")
    head = tmp_path / "journal.head"
    assert messages(filled) == [f"the journal ends with entry 4, but {head} names entry 6"]


def test_a_removed_tail_is_found_by_a_plan_file_without_the_head_file(filled, database, tmp_path):
    head = filled.head()
    run(database, "DELETE FROM entries WHERE number > 4")
    (tmp_path / "journal.head").unlink()
    assert messages(filled) == []  # nothing left remembers it: hence the plans' anchors
    assert messages(filled, Anchor("plan.json", head)) == [
        "the journal ends with entry 4, but plan.json names entry 6"
    ]


def test_an_emptied_journal_is_found(filled, database):
    run(database, "DELETE FROM entries")
    assert "the journal ends with entry 0" in messages(filled)[0]


def test_a_chain_made_anew_is_found_by_plans_and_head(filled, database, tmp_path):
    run(database, "UPDATE entries SET data = replace(data, 'applied', 'refused') WHERE number = 2")
    rechained(database)
    head = tmp_path / "journal.head"
    assert messages(filled) == [
        "entry 2 is not the one that planned entry 3 names",
        "entry 4 is not the one that planned entry 5 names",
        f"entry 6 is not the one that {head} names",
    ]


def test_an_anchor_that_names_nothing_is_told(filled):
    assert messages(filled, Anchor("plan.json", "rubbish")) == ["plan.json names no entry: rubbish"]
    assert messages(filled, Anchor("plan.json", "0:"), Anchor("old.json", "")) == []


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A filled journal on SQLite, to be copied and spoilt."""
    folder = tmp_path_factory.mktemp("journal")
    fill(Journal.in_folder(folder))
    return folder


NUMBER = st.integers(1, 6)
VALUES = st.one_of(
    st.text(max_size=80), st.binary(max_size=40), st.integers(-9, 9), st.floats(allow_nan=False)
)


@st.composite
def tamperings(draw):
    """Return a function that does something to a row or two, as rows of a table."""
    kind = draw(st.sampled_from(["alter", "nudge", "delete", "swap", "copy", "exchange"]))
    one, other = draw(st.permutations(range(1, 7)))[:2]
    column = draw(st.sampled_from(FIELDS[1:]))
    value, place = draw(VALUES), draw(st.integers(0, 10_000))

    def tamper(rows):
        row = rows[one - 1]
        if kind == "alter":
            row[column] = value
        elif kind == "nudge":  # one character of what is there
            old = row[column] or " "
            at = place % len(old)
            row[column] = old[:at] + chr((ord(old[at]) + 1 + place % 50) % 127) + old[at + 1 :]
        elif kind == "delete":
            rows.remove(row)
        elif kind == "swap":  # the rows change places, numbers and all else
            row["number"], rows[other - 1]["number"] = rows[other - 1]["number"], row["number"]
        elif kind == "copy":  # a row is put in the place of another
            rows[other - 1].update({k: row[k] for k in FIELDS[1:]})
        else:  # all but number, previous and digest change places
            for name in ("at", "kind", "plan", "data"):
                row[name], rows[other - 1][name] = rows[other - 1][name], row[name]

    return tamper


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tamper=tamperings())
def test_any_tampering_is_found(original, tmp_path_factory, tamper):
    folder = tmp_path_factory.mktemp("spoilt")
    shutil.copytree(original, folder, dirs_exist_ok=True)
    engine = create_engine(f"sqlite:///{folder}/journal.sqlite")
    with engine.begin() as connection:
        before = [dict(r) for r in connection.execute(text("SELECT * FROM entries")).mappings()]
        after = [dict(row) for row in before]
        tamper(after)
        connection.execute(text("DELETE FROM entries"))
        for row in after:
            connection.execute(
                text(f"INSERT INTO entries ({', '.join(row)}) VALUES (:{', :'.join(row)})"), row
            )
        now = [dict(r) for r in connection.execute(text("SELECT * FROM entries")).mappings()]
    engine.dispose()
    found = Journal.in_folder(folder).verify()
    shutil.rmtree(folder)
    assert bool(found) == (key(now) != key(before))


def key(rows):
    return [tuple(row[name] for name in FIELDS) for row in sorted(rows, key=lambda r: r["number"])]
