"""kahya history: what people read, what an auditor checks, what a SIEM gets."""

import json
from pathlib import Path

import pytest
import yaml
from sqlalchemy import create_engine, text

from kahya import cli
from kahya.inventory import load
from kahya.journal import Journal
from kahya.model import Plan
from kahya.plan import store

ROOT = Path(__file__).parents[2]
TOWN = load(ROOT / "inventories/lab")
DAY = yaml.safe_load((ROOT / "tests/unit/cases/journal.yml").read_text(encoding="utf-8"))


@pytest.fixture
def journal(tmp_path, monkeypatch):
    """A journal in which the whole of cases/journal.yml has happened."""
    for module in ("common", "history"):
        monkeypatch.setattr(f"kahya.cli.{module}.state_folder", lambda _town: tmp_path)
    monkeypatch.setattr("kahya.cli.history.load", lambda _directory: TOWN)
    made = Journal.in_folder(tmp_path)
    for entry in DAY:
        made.record(entry["kind"], entry["plan"], entry["data"])
    return made


@pytest.fixture
def history(journal, capsys):
    """Run kahya history with some words; return its exit code, output and errors."""

    def run(*words, language="en"):
        with pytest.raises(SystemExit) as caught:
            cli.main(["history", *words, "-i", str(ROOT / "inventories/lab"), f"--lang={language}"])
        done = capsys.readouterr()
        return caught.value.code, done.out, done.err

    return run


def spoil(folder, statement):
    engine = create_engine(f"sqlite:///{folder}/journal.sqlite")
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_every_entry_is_a_sentence(history):
    code, out, _ = history("-n", "100")
    assert code == 0
    for number, (entry, line) in enumerate(zip(DAY, out.splitlines(), strict=True), 1):
        about = line.split(None, 3)
        assert about[0] == str(number)
        assert about[2] == (entry["plan"] or "–")
        assert about[3].startswith(entry["line"])


def test_every_kind_is_told_in_turkish(history):
    out = history("-n", "100", language="tr")[1]
    for entry in DAY[:-1]:  # all but the one that no Kâhya knows
        assert entry["line"] not in out
    assert "Onaylayan: ayse@ornek.bel.tr" in out


def test_the_last_entries_of_a_kind_as_json(history):
    code, out, _ = history("-n", "2", "--kind", "observed", "--json")
    assert code == 0
    assert [(e["number"], e["plan"]) for e in json.loads(out)] == [
        (12, "2026-03-11-bbbbbbbb"),
        (13, "2026-03-12-bbbbbbbb"),
    ]


def test_an_entry_is_shown_whole(history, journal):
    code, out, _ = history("show", "1")
    assert code == 0
    assert journal.find(1).digest in out
    shown = out.split("\n\n", 1)[1]
    assert yaml.safe_load(shown) == DAY[0]["data"]
    assert "-a\n    +b" in shown  # a diff stands line by line
    assert json.loads(history("show", "1", "--json")[1]) == vars(journal.find(1))


def test_all_of_a_plan_is_shown(history):
    out = history("show", "2026-03-09-aaaaaaaa")[1]
    assert [line.split()[0] for line in out.splitlines()] == [str(n) for n in range(1, 10)]
    assert len(json.loads(history("show", "2026-03-12-cccccccc", "--json")[1])) == 5


@pytest.mark.parametrize("name", ["999", "2026-01-01-00000000"])
def test_what_is_not_there_is_an_error(history, name):
    code, _, err = history("show", name)
    assert code == 1
    assert name in err
    assert "kahya history lists them" in err


def test_a_sound_journal_is_sound(history, journal):
    code, out, _ = history("verify")
    assert code == 0
    assert journal.head() in out


def test_every_failure_is_named(history, tmp_path):
    spoil(tmp_path, "UPDATE entries SET kind = 'quiet' WHERE number = 15")
    spoil(tmp_path, "DELETE FROM entries WHERE number IN (5, 20)")
    code, _, err = history("verify")
    assert code == 1
    for failure in ("entry 15 was altered", "were removed: 5", "journal.head names entry 20"):
        assert failure in err
    code, out, _ = history("verify", "--json")
    assert code == 1
    assert [f["number"] for f in json.loads(out)["failures"]] == [6, 15, 20]


def test_a_plan_file_remembers_the_journal(history, journal, tmp_path):
    times = ("2026-03-09T06:00:00Z", "2026-03-10T06:00:00Z")
    store.write(Plan("ornek", "c", {}, *times, (), journal=journal.head()), tmp_path / "p.json")
    assert history("verify", str(tmp_path / "p.json"))[0] == 0
    spoil(tmp_path, "DELETE FROM entries WHERE number = 20")
    (tmp_path / "journal.head").unlink()
    assert history("verify")[0] == 0
    code, _, err = history("verify", str(tmp_path / "p.json"))
    assert code == 1
    assert "p.json names entry 20" in err


def told(out):
    return [json.loads(line) for line in out.splitlines()]


def test_a_siem_is_told_what_changed_and_what_was_decided(history, journal):
    lines = told(history("export", "--after", "0")[1])
    for number, entry in enumerate(DAY, 1):
        mine = [line for line in lines if line["number"] == number]
        assert len(mine) == len(entry["told"]), entry
        for line, expected in zip(mine, entry["told"], strict=True):
            assert line.items() >= expected.items()
            assert line["town"] == "ornek"
            assert line["digest"] == journal.find(number).digest
    assert "BEGIN SSH" not in json.dumps(lines)


@pytest.mark.parametrize("first", range(len(DAY)))
def test_from_anywhere_on_the_lines_are_the_same(history, first):
    everything = told(history("export", "--after", "0")[1])
    expected = [line for line in everything if line["number"] > first]
    assert told(history("export", "--after", str(first))[1]) == expected


def test_a_timer_is_told_everything_once(history, journal):
    everything = told(history("export", "--after", "0")[1])
    assert told(history("export")[1]) == everything
    assert history("export") == (0, "", "")
    journal.record("unlocked", "", {"by": "ayse@ornek.bel.tr"})
    journal.record("observed", "", DAY[12]["data"])  # d1 is known already
    assert [line["event"] for line in told(history("export")[1])] == ["unlocked"]
    gone = {"hosts": DAY[12]["data"]["hosts"], "changes": [], "findings": []}
    journal.record("observed", "", gone)
    assert [(line["event"], line["id"]) for line in told(history("export")[1])] == [
        ("drift-gone", "d1")
    ]


def test_an_export_does_not_go_on_in_a_journal_that_was_altered(history, tmp_path):
    history("export")
    spoil(tmp_path, "DELETE FROM entries WHERE number > 10")
    code, out, err = history("export")
    assert (code, out) == (1, "")
    assert "kahya history verify" in err
