"""kahya approve, verify and review, as people type them, on a copy of the example town."""

import json
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kahya import cli
from kahya.cli.common import open_journal
from kahya.inventory import load
from kahya.model import BlindSpot, Change, HostPlan, Plan
from kahya.plan import gate, store

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "molecule/town"))
import people as lab_people  # noqa: E402 - the lab's modules stand in its Molecule scenario

NOW = datetime.now(UTC)
FORM = "%Y-%m-%dT%H:%M:%SZ"


@pytest.fixture
def town(tmp_path, monkeypatch):
    """Return a copy of the example town, with its people's keys beside it."""
    shutil.copytree(ROOT / "inventories", tmp_path / "inventories")
    for name in ("roles", "deploys", "templates", "probes", "systems.yml", "ansible.cfg"):
        (tmp_path / name).symlink_to(ROOT / name)
    lab_people.write(tmp_path / "people", ["ayse", "mehmet", "zeynep", "stranger"])
    monkeypatch.setenv("KAHYA_TOWN", str(tmp_path / "inventories/lab"))
    monkeypatch.chdir(tmp_path)
    return load(tmp_path / "inventories/lab")


@pytest.fixture
def run(town, tmp_path, capsys):
    """Return what runs a command and answers its exit code and what was said."""

    def running(*words, key=""):
        keys = ["--key", str(tmp_path / "people" / key), "--yes"] if key else []
        with pytest.raises(SystemExit) as caught:
            cli.main([*map(str, words), *keys, "--lang=en"])
        said = capsys.readouterr()
        return caught.value.code, said.out + said.err

    return running


def written(folder, *changes, authors=("deniz@ornek.bel.tr",), spots=()):
    """Write a plan of these changes (host, system, risk, diff) and return its file."""
    made = [
        Change(h, "fen_isleri" if "fen" in h else "merkez", s, "pyinfra", "file /etc/x", "update",
               diff, {"to": diff}, risk)
        for h, s, risk, diff in changes
    ]  # fmt: skip
    found = [HostPlan(c.host, c.system, "ok", (c,), tuple(spots)) for c in made]
    times = (NOW.strftime(FORM), (NOW + timedelta(hours=24)).strftime(FORM))
    path = folder / "plan.json"
    store.write(Plan("ornek", "c", {}, *times, tuple(found), authors), path)
    return path


PC = ("pc-fen", "base", (), "-a\n+b")
GATEWAY = ("gw-merkez", "firewall", ("cuts-path",), "-a\n+b")
OPEN = (*GATEWAY[:3], '+ iifname "wan0" oifname "lan0" accept')


def test_two_sign_a_risky_plan(town, run, tmp_path):
    file = written(tmp_path, PC, GATEWAY)
    code, said = run("approve", file, key="ayse")
    assert code == 0, said
    assert "file /etc/x" in said
    assert "ayse@ornek.bel.tr signs that exactly this may be done" in said
    assert "Still missing after it, for gw-merkez firewall: 1 more signature" in said
    code, said = run("approve", file, key="mehmet")
    assert "With this signature the plan may be applied." in said
    code, said = run("verify", file)
    assert (code, store.read(file).seal in said) == (0, True)
    assert "Signed by: ayse@ornek.bel.tr, mehmet@ornek.bel.tr." in said
    assert len(open_journal(town).entries("approved", plan=store.read(file).id)) == 2
    for approval in store.approval_files(file):
        assert approval.stat().st_mode & 0o777 == 0o600


def test_a_second_signature_of_one_person_keeps_the_blind_spots_of_the_first(run, tmp_path):
    spot = BlindSpot("pc-fen", "base", "command x", "no check mode")
    file = written(tmp_path, PC, spots=[spot])
    code, said = run("approve", file, "--allow-blind", spot.id, key="ayse")
    assert "1 of 1 blind spots" in said
    assert run("approve", file, key="ayse")[0] == 0
    (approval,) = store.read_approvals(file)
    assert approval.blind_spots == (spot.id,)
    code, said = run("approve", file, "--allow-blind=all", key="mehmet")
    assert (code, "may be applied" in said) == (0, True)


@pytest.mark.parametrize(
    ("changes", "authors", "key", "words"),
    [
        ([PC], ("MEHMET@ornek.bel.tr",), "mehmet", "wrote it, and four eyes are asked for"),
        ([GATEWAY], ("d@x.tr",), "zeynep", "may not speak for merkez"),
        ([PC], ("d@x.tr",), "stranger", "is nobody's key in approvers"),
        (
            [OPEN],
            ("d@x.tr",),
            "ayse",
            "refused",
        ),
    ],
    ids=["author", "building", "stranger", "refused"],
)
def test_what_could_never_count_is_not_signed(run, town, tmp_path, changes, authors, key, words):
    file = written(tmp_path, *changes, authors=authors)
    code, said = run("approve", file, key=key)
    assert (code, words in said) == (1, True), said
    assert store.read_approvals(file) == ()
    assert open_journal(town).entries("approved") == []


def test_a_used_plan_is_not_signed_again(run, town, tmp_path):
    file = written(tmp_path, PC)
    open_journal(town).record("started", "x", {"seal": store.read(file).seal})
    code, said = run("approve", file, key="ayse")
    assert (code, "used already" in said) == (1, True)


def test_without_a_terminal_nobody_is_asked(run, tmp_path, monkeypatch):
    file = written(tmp_path, PC)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    code, said = run("approve", file, "--key", tmp_path / "people/ayse")
    assert (code, "no terminal" in said, "--yes" in said) == (1, True, True)
    assert run("approve", file, "--allow-blind=ffff", key="ayse")[1].count("no blind spot") == 1


@pytest.mark.parametrize(("answer", "signed"), [("y", 1), ("n", 0), ("", 0)])
def test_the_person_at_the_terminal_is_asked(run, tmp_path, monkeypatch, answer, signed):
    file = written(tmp_path, PC)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _prompt: answer)
    run("approve", file, "--key", tmp_path / "people/ayse")
    assert len(store.read_approvals(file)) == signed


def test_verify_tells_every_failure(run, tmp_path):
    file = written(tmp_path, PC)
    file.write_text(file.read_text().replace("file /etc/x", "file /etc/y"))
    code, said = run("verify", file)
    assert code == 1
    assert len(said.splitlines()) == 4  # id, digest, seal, short name
    assert run("verify", tmp_path / "none.json")[0] == 1


def test_a_signature_of_a_plan_that_was_edited_is_no_more_valid(run, tmp_path):
    file = written(tmp_path, PC)
    run("approve", file, key="ayse")
    document = json.loads(store.approval_files(file)[0].read_text())
    document["at"] = (NOW + timedelta(seconds=90)).strftime(FORM)
    store.approval_files(file)[0].write_text(json.dumps(document))
    code, said = run("verify", file)
    assert (code, "is not valid" in said) == (1, True)


def test_break_glass_is_reviewed_by_someone_else_and_once(run, town):
    journal = open_journal(town)
    entry = journal.record(
        "break-glass", "p", {"seal": "s", "by": "ayse@ornek.bel.tr", "reason": "VPN down"}
    )
    code, said = run("review", entry.number, key="ayse")
    assert (code, "someone else has to review it" in said) == (1, True)
    code, said = run("review", entry.number, key="mehmet")
    assert (code, "VPN down" in said) == (0, True), said
    (reviewed,) = journal.entries("reviewed")
    assert reviewed.data["digest"] == entry.digest
    code, said = run("review", entry.number, key="zeynep")
    assert (code, "waits for a review" in said) == (1, True)


def test_a_plan_that_is_refused_says_so_when_it_is_made(run, tmp_path, monkeypatch):
    file = written(tmp_path, OPEN)
    monkeypatch.setattr("kahya.workflow.Workflow.make_plan", lambda *_: store.read(file))
    code, said = run("plan")
    assert (code, "never from the WAN" in said) == (1, True)


def test_a_plan_lives_as_long_as_the_town_says(town):
    assert gate.valid_hours(town) == 24
