"""Drift, pending and waived are told apart, with since when and on whose word."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from kahya import finding
from kahya.drift import authority, history, since, tell_apart, waive
from kahya.finding import Authority, Finding, Look
from kahya.journal import Entry
from kahya.model import BlindSpot, Change, HostPlan, Plan, Waiver

CASES = yaml.safe_load((Path(__file__).parent / "cases/drift.yml").read_text(encoding="utf-8"))
HOST, SYSTEM = "pc-fen", "base"


def change(text, host=HOST):
    resource, effect = text.split("=")
    return Change(host, "fen", SYSTEM, "pyinfra", resource, "update", "", effect)


def entry(number, kind, data, at=""):
    return Entry(number, at or f"2026-03-{number:02}T06:00:00Z", kind, f"plan-{number}", data)


def outcome(number, commit, status, resources=(), kind="outcome", run=None):
    data = {"host": HOST, "system": SYSTEM, "status": status, "commit": commit}
    applied = [{"id": r, "resource": r, "action": "update"} for r in resources]
    return entry(number, kind, data | {"applied": applied, "run": number if run is None else run})


def told(rows):
    """Make the journal of a case."""
    for number, (commit, status, *rest) in enumerate(rows, 1):
        if status in ("reverted", "failed-revert"):
            became = "reverted" if status == "reverted" else "failed"
            yield outcome(number, commit, became, kind="reverted", run=number - 1)
        else:
            yield outcome(number, commit, status, *rest)


def plan(*changes, commit="c2", status="ok", spots=()):
    host_plan = HostPlan(HOST, SYSTEM, status, tuple(map(change, changes)), spots)
    return Plan("ornek", commit, {}, "2026-03-09T06:00:00Z", "", (host_plan,))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_what_a_difference_means(case):
    before = {}
    if "before" in case:
        spots = (BlindSpot(HOST, SYSTEM, "x", "y"),) if case.get("blind") else ()
        then = plan(*case["before"], status=case.get("status", "ok"), spots=spots)
        before = {(HOST, SYSTEM): then.host_plans[0]}
    now = plan(*case["now"], commit=case.get("commit", "c2"))
    found = tell_apart(now, history(told(case["journal"])), before)
    expected = [
        (resource, kind, note and getattr(finding, note))
        for resource, kind, note in case["expected"]
    ]
    assert [(c.resource, kind, note) for c, kind, note in found] == expected


def look(number, *ids, status="ok", findings=()):
    hosts = {HOST: {"systems": {SYSTEM: {"status": status}}}} if status else {}
    changes = [{"id": change(i).id} for i in ids]
    found = [{"id": change(i).id} for i in findings]
    created = f"2026-03-{number:02}T06:00:00Z"
    data = {"created": created, "hosts": hosts, "changes": changes, "findings": found}
    return entry(number, "observed", data, "2026-03-31T00:00:00Z")


@pytest.mark.parametrize(
    ("looks", "day"),
    [
        ([], "now"),
        ([look(3, "b=1")], "now"),
        ([look(3, "a=1"), look(2, "a=1", "b=1"), look(1)], 2),
        ([look(3, "a=1"), look(2), look(1, "a=1")], 3),
        ([look(3, status="unreachable"), look(2, "a=1"), look(1)], 2),
        ([look(3, status=None), look(2, "a=1")], 2),
        ([look(3, findings=["a=1"]), look(2)], 3),
    ],
)
def test_since_is_the_first_look_of_the_unbroken_row(looks, day):
    seen = change("a=1")
    expected = day if day == "now" else f"2026-03-{day:02}T06:00:00Z"
    assert since([seen], "now", looks) == {seen.id: expected}


def test_no_more_looks_are_taken_than_needed():
    def looks():
        yield look(3, "a=1")
        yield look(2)
        pytest.fail("the row is broken already")

    since([change("a=1")], "now", looks())


def test_who_approved_is_who_signed_the_plan_that_last_changed_the_resource():
    past = history([outcome(1, "c1", "applied", ["a"]), outcome(2, "c2", "applied", ["b"])])
    deed = past.last(change("a=1"))
    assert deed.run == 1
    assert past.last(change("c=1")) is None
    signed = {"approvals": [{"approver": "ayse@ornek.bel.tr"}], "break_glass": ""}
    names = {"approvals": ["ayse@ornek.bel.tr"], "break_glass": None}
    expected = Authority("plan-1", deed.at, ("ayse@ornek.bel.tr",))
    assert authority(deed, entry(1, "started", signed)) == expected
    assert authority(deed, entry(1, "started", names)) == expected
    broken = {"approvals": [], "break_glass": "flood", "by": "can@ornek.bel.tr"}
    assert authority(deed, entry(1, "started", broken)) == Authority(
        "plan-1", deed.at, ("can@ornek.bel.tr",), "flood"
    )
    assert authority(deed, None) is None
    assert authority(deed, entry(1, "started", {"approvals": [], "break_glass": ""})) is None


WAIVER = Waiver("pc-*", "base", "file /etc/*", "ayse@ornek.bel.tr", "old PC", "2026-06-30")


def test_a_waiver_covers_its_last_day_and_no_more():
    found = Finding(change("file /etc/motd=1"), "drift", "")
    assert waive(found, [WAIVER], "2026-06-30").waived
    expired = waive(found, [WAIVER], "2026-07-01")
    assert (expired.waived, expired.waiver, expired.expired) == (False, WAIVER, True)
    renewed = replace(WAIVER, until="2027-01-01")
    assert waive(found, [renewed, WAIVER], "2026-07-01").waiver == renewed
    assert waive(found, [renewed, WAIVER], "2026-07-01").waived
    for other in ({"host": "gw-*"}, {"system": "vpn"}, {"resource": "package *"}):
        assert waive(found, [replace(WAIVER, **other)], "2026-06-30") == found


def test_a_look_sorts_what_it_found():
    one, two, three = (Finding(change(f"file /etc/{n}=1"), "drift", "") for n in "abc")
    pending = replace(two, kind="pending")
    waived = waive(one, [WAIVER], "2026-01-01")
    expired = waive(three, [WAIVER], "2027-01-01")
    seen = Look(plan(), (waived, pending, expired))
    assert seen.of("drift") == (expired,)
    assert seen.of("pending") == (pending,)
    assert seen.waived == (waived,)
    assert seen.expired == (WAIVER,)
    document = seen.document
    assert document["waived"] == [one.change.id]
    assert [f["kind"] for f in document["findings"]] == ["drift", "pending", "drift"]
    assert [f["waiver"] and f["waiver"]["expired"] for f in document["findings"]] == [
        False, None, True,
    ]  # fmt: skip


def test_an_older_journal_is_read_too():
    """Before waves there was one entry for all of an apply."""
    data = {
        "commit": "c1",
        "outcomes": [{"host": HOST, "system": SYSTEM, "status": "applied"}],
        "applied": [{"host": HOST, "system": SYSTEM, "resource": "a"}],
    }
    past = history(
        [entry(1, "applied", data), entry(2, "applied", {"outcomes": [], "applied": []})]
    )
    assert past.commit((HOST, SYSTEM)) == "c1"
    assert past.last(change("a=1")).plan == "plan-1"
