"""Exit codes are a promise: CI and scripts act on them."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kahya import cli, workflow
from kahya.finding import Finding, Look
from kahya.model import BlindSpot, Change, HostPlan, Plan, Waiver

ROOT = Path(__file__).parents[2]
CHANGE = Change("pc-fen", "fen_isleri", "base", "pyinfra", "file /etc/x", "update", "-a\n+b", {})
OK = HostPlan("pc-merkez", "base", "ok")
CHANGED = HostPlan("pc-fen", "base", "ok", (CHANGE,))
OFF = HostPlan("pc-itfaiye", "base", "unreachable", reason="no answer")
BLIND = HostPlan("pc-fen", "base", "ok", (), (BlindSpot("pc-fen", "base", "x", "no check mode"),))


def run(*words):
    """Return the exit code of a command."""
    with pytest.raises(SystemExit) as caught:
        cli.main([*words, "-i", str(ROOT / "inventories/lab"), "--lang", "en"])
    return caught.value.code


@pytest.fixture
def finds(monkeypatch):
    """Have plan and drift find the given host plans."""

    def found(*host_plans):
        plan = Plan("ornek", "c", {}, "2026-01-01T00:00:00Z", "2099-01-01T00:00:00Z", host_plans)
        look = Look(plan, tuple(Finding(c, "pending", plan.created) for c in plan.changes))
        monkeypatch.setattr(workflow.Workflow, "make_plan", lambda *_: plan)
        monkeypatch.setattr(workflow.Workflow, "check_drift", lambda *_: look)
        return plan

    return found


@pytest.mark.parametrize(
    ("host_plans", "plan", "drift"),
    [
        ([OK], 0, 0),
        ([OK, CHANGED], 2, 2),
        ([OK, OFF], 1, 3),
        ([CHANGED, OFF], 1, 3),
        ([BLIND], 2, 3),
    ],
    ids=["in order", "changed", "off", "changed and off", "blind"],
)
def test_exit_codes(finds, host_plans, plan, drift, capsys):
    finds(*host_plans)
    assert (run("plan"), run("drift")) == (plan, drift)
    shown = capsys.readouterr().out
    assert ("Nothing to change" in shown, "No drift" in shown) == (plan == 0, drift == 0)


WAIVER = Waiver("pc-*", "*", "*", "ayse@ornek.bel.tr", "a fair", "2026-06-30")
DRIFT = Finding(CHANGE, "drift", "2026-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("findings", "code", "words"),
    [
        ([DRIFT], 2, ["Drift: ", "+b", "nobody approved this"]),
        ([replace(DRIFT, kind="pending")], 2, ["Pending: ", "+b"]),
        ([replace(DRIFT, waiver=WAIVER)], 0, ["Waived: ", "until 2026-06-30 by ayse@ornek"]),
        ([replace(DRIFT, waiver=WAIVER, expired=True)], 2, ["Drift: ", "ended on 2026-06-30"]),
    ],
    ids=["drift", "pending", "waived", "no longer waived"],
)
def test_each_kind_is_shown_apart(monkeypatch, findings, code, words, capsys):
    plan = Plan("ornek", "c", {}, "2026-01-01T00:00:00Z", "2099-01-01T00:00:00Z", (CHANGED,))
    look = Look(plan, tuple(findings), ("its commit is gone",))
    monkeypatch.setattr(workflow.Workflow, "check_drift", lambda *_: look)
    assert run("drift") == code
    shown = capsys.readouterr().out
    for text in (*words, "its commit is gone"):
        assert text in shown
    titles = ("Drift: ", "Pending: ", "Waived: ", "Unknown")
    assert [title for title in titles if title in shown] == [words[0]]
    assert ("+b" in shown) == (code != 0), "what is waived is short"


def test_json_is_one_document(finds, capsys):
    plan = finds(OK, CHANGED, OFF)
    assert run("drift", "--json") == 3
    document = json.loads(capsys.readouterr().out)
    assert document["digest"] == plan.digest
    assert document["unreachable"] == ["pc-itfaiye"]
    assert document["changes"][0]["id"] == CHANGE.id
    assert [(f["id"], f["kind"]) for f in document["findings"]] == [(CHANGE.id, "pending")]
    assert document["waived"] == []


def test_a_written_plan_is_shown_again(finds, tmp_path, capsys):
    finds(CHANGED)
    assert run("plan", "--out", str(tmp_path / "plan.json")) == 2
    capsys.readouterr()
    assert run("show", str(tmp_path / "plan.json")) == 0
    assert "file /etc/x" in capsys.readouterr().out
    assert run("plan", "--out", str(tmp_path / "plan.json")) == 1  # never overwritten


@pytest.mark.parametrize(
    "words",
    [["apply"], ["apply", "no-such-file"], ["plan", "--limit", "nobody"], ["plann"], []],
)
def test_what_cannot_be_done_ends_with_1_and_says_why(words, capsys):
    assert run(*words) == 1
    assert capsys.readouterr().err.strip()


def test_a_folder_that_is_no_town_is_an_error(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["validate", "-i", str(ROOT / "inventories/nowhere"), "--lang", "en"])
    assert caught.value.code == 1
    assert "nowhere" in capsys.readouterr().err


def test_help_is_there_in_turkish():
    done = subprocess.run(
        [sys.executable, "-c", "from kahya.cli import main; main(['--lang=tr', '--help'])"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Belediye" in done.stdout or "belediye" in done.stdout
