"""A plan file is written whole, read back equal, and refused when anything in it was altered."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from strategies import PLANS

from kahya.errors import PlanError
from kahya.model import Change, HostPlan, Plan
from kahya.plan import store
from kahya.plan.document import from_document, to_document

CHANGE = Change(
    "pc", "merkez", "base", "pyinfra", "file /etc/x", "update", "-a\n+b", {"mode": "644"}
)
OFF = HostPlan("gw", "vpn", "unreachable", reason="off")
MADE, ENDS = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
PLAN = Plan(
    "ornek", "abc", {}, MADE, ENDS, (HostPlan("pc", "base", "ok", (CHANGE,), base="b"), OFF)
)


@given(PLANS)
def test_what_is_written_is_read_back(plan):
    assert from_document(json.loads(json.dumps(to_document(plan)))) == plan


def test_what_an_older_journal_holds_is_read():
    document = {**to_document(PLAN), "format": 2}
    del document["restores"]
    assert from_document(document) == PLAN


def test_a_file_is_private_and_never_overwritten(tmp_path):
    path = tmp_path / "plans" / "one.json"
    store.write(PLAN, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert store.read(path) == PLAN
    with pytest.raises(PlanError, match="exists already"):
        store.write(PLAN, path)
    assert [file.name for file in path.parent.iterdir()] == ["one.json"]


def leaves(value, path=()):
    """Yield the path of every leaf of a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(item, dict | list) and item:
            yield from leaves(item, (*path, key))
        else:
            yield (*path, key)


COVERED = list(leaves(to_document(PLAN)))


@pytest.mark.parametrize("path", COVERED, ids=lambda p: ".".join(map(str, p)))
def test_an_altered_leaf_is_found(path):
    document = json.loads(json.dumps(to_document(PLAN)))
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = "altered"
    with pytest.raises(PlanError):
        from_document(document)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 1}', '{"format": 99}', "\xff"])
def test_what_is_no_plan_is_refused_with_a_hint(tmp_path, text):
    path = Path(tmp_path / "plan.json")
    path.write_text(text, encoding="latin-1")
    with pytest.raises(PlanError) as caught:
        store.read(path)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    ["{}", "[]", '{"seal": 1, "approver": "a", "at": "", "blind_spots": [], "signature": ""}',
     '{"seal": "", "approver": "a", "at": "", "blind_spots": "x", "signature": ""}',
     '{"seal": "", "approver": "a", "at": "", "blind_spots": [], "signature": "\\ud800"}',
     '{"seal": "", "approver": "a", "at": "", "blind_spots": [], "signature": "", "more": ""}'],
)  # fmt: skip
def test_what_is_no_approval_is_refused_with_a_hint(tmp_path, text):
    (tmp_path / "plan.json.a.approval").write_text(text)
    with pytest.raises(PlanError) as caught:
        store.read_approvals(tmp_path / "plan.json")
    assert caught.value.hint
