"""The gate tells every reason why a plan may not be applied, in words that say what to do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from small_town import approval, plan, town

from kahya import approvers
from kahya.plan import gate, signature

FILE = yaml.safe_load(Path(__file__).with_name("gate_cases.yml").read_text())


@pytest.mark.parametrize("case", FILE["cases"], ids=lambda c: c["name"])
def test_case(case, people, tmp_path):
    lines = people.file.read_text()
    for name, option in case.get("options", {}).items():
        lines = lines.replace(f"{name}@ornek.bel.tr ", f"{name}@ornek.bel.tr {option},")
    (tmp_path / "approvers").write_text(lines)
    made = plan(case)
    reasons = gate.examine(
        made,
        town(case.get("rules", FILE["rules"])),
        approvers.load(tmp_path / "approvers"),
        [approval(made, people, **one) for one in case.get("approvals", ())],
        case.get("commit", "3f2a"),
        datetime.fromisoformat(case.get("now", "2026-03-09T12:00:00Z")),
        used=lambda seal: case.get("used", False) and seal == made.seal,
        break_glass=case.get("break_glass", False),
    )
    assert len(reasons) == len(case.get("expect", ())), reasons
    for reason, words in zip(reasons, case.get("expect", ()), strict=True):
        for word in words:
            assert word in reason, reasons


def test_the_cases_are_many():
    assert sum("expect" in case for case in FILE["cases"]) >= 25


def test_a_town_says_for_how_long_a_plan_lives(people):
    made = plan({})
    short = town([])
    short.settings["approval"]["valid_hours"] = 2
    now = datetime(2026, 3, 9, 7, tzinfo=UTC)
    assert gate.valid_hours(short) == 2
    shown = gate.obstacles(made, short, now, lambda _seal: False)
    assert shown == ["the plan would be valid for longer than 2 hours: make the plan again"]
    later = replace(made, expires=(now + timedelta(hours=1)).strftime(signature.FORM))
    assert gate.obstacles(later, short, now, lambda _seal: False) == []
