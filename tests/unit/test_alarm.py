"""The alarm tells people at once, and what can't be told stops nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from kahya import alarm
from kahya.inventory import load

TOWN = load(Path(__file__).parents[2] / "inventories/lab")


def sound(command=None):
    settings = {**TOWN.settings, **({"alarm": {"command": command}} if command else {})}
    alarm.sound(replace(TOWN, settings=settings), 7, "2026-01-01-cafe", "ayse", "the web is down")


@pytest.fixture
def log(monkeypatch, tmp_path, capsys):
    """Without a system log the alarm goes to standard error."""
    monkeypatch.setattr(alarm, "LOG", tmp_path / "none")
    return lambda: capsys.readouterr().err


def test_the_log_and_the_command_get_all_that_matters(log, tmp_path):
    sound(["sh", "-c", f"cat >{tmp_path}/mail"])
    told = (tmp_path / "mail").read_text(encoding="utf-8")
    for word in ("Örnek Belediyesi", "ayse", "the web is down", "2026-01-01-cafe", "7"):
        assert word in told
    assert told.strip() in log()


@pytest.mark.parametrize("command", [["no-such-mailer"], ["false"]])
def test_a_command_that_fails_is_told_and_stops_nothing(log, command):
    sound(command)
    assert f"the alarm command {command[0]} failed" in log()
