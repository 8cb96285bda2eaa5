"""The whole life of a change on IOS and EOS: upstream's drivers against stand-ins.

KAHYA_LONG=1 tries every change and fault on both; else all of them on EOS, fewer on IOS, where
each takes seconds.
"""

import os
import re
import time
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from threading import Timer

import pytest
import yaml
from switch_lab import MINUTE, managed

from kahya.engines import napalm_device

HERE = Path(__file__).parent
DRIFT = yaml.safe_load((HERE / "network_drift.yml").read_text(encoding="utf-8"))
FAULTS = yaml.safe_load((HERE / "network_faults.yml").read_text(encoding="utf-8"))
LONG = os.environ.get("KAHYA_LONG")
PATIENCE = 5  # seconds for an answer; the faults "slow" are slower
PORT = {"ios": "GigabitEthernet1/0/1", "eos": "Ethernet1"}
SECRETS = re.compile(r"gizli|parola|\$\d\$\w")


@pytest.fixture(scope="module")
def devices(tmp_path_factory):
    """Return a function that starts a device of a platform, once for all tests of this module."""
    with ExitStack() as stack:
        yield cache(lambda name: stack.enter_context(managed(name, tmp_path_factory.mktemp(name))))


@pytest.fixture(params=["eos", "ios"])
def bench(request, devices):
    """Return a device in whatever state."""
    return devices(request.param)


@pytest.fixture
def switch(bench):
    """Return a device in order."""
    bench.device.faults()
    bench.intend()
    bench.news.clear()
    bench.at_commit = None
    settle(bench)
    return bench


def settle(switch):
    """Bring it in order, whatever the test before has left."""
    deadline = time.monotonic() + MINUTE + 5
    while (plan := switch.plan()).status != "ok":
        assert time.monotonic() < deadline, plan.reason
        time.sleep(0.5)
    if plan.changes:
        assert switch.apply(plan).status == "applied"


def hasten(monkeypatch):
    """Have the engine wait less for what doesn't come."""
    for name in ("TIMEOUT_SECONDS", "READ_SECONDS"):
        monkeypatch.setattr(napalm_device, name, PATIENCE)


def another(switch, description="Zeynep"):
    """Intend something else for one port, and return the plan."""
    switch.intend(switch.intend().replace("description Ayse", f"description {description}"))
    plan = switch.plan()
    assert (plan.status, plan.reason) == ("ok", "")
    assert [c.resource for c in plan.changes] == [f"interface {PORT[switch.platform]}"]
    return plan


def test_a_change_is_planned_committed_confirmed_and_taken_back(switch):
    plan = another(switch)
    [change] = plan.changes
    assert {"- description Ayse", "+ description Zeynep"} <= {*change.diff.splitlines()}
    seconds = {"ios": 60, "eos": 10}[switch.platform]  # the town says 10; IOS counts minutes
    assert change.then == (
        f"unless it is confirmed the device returns by itself after {seconds} s",
    )
    outcome = switch.apply(plan)
    assert (outcome.status, outcome.reason) == ("applied", "")
    assert [c.id for c in outcome.applied] == [change.id]
    assert switch.news == [f"committing, returns in {seconds} s", "confirmed"]
    assert switch.plan().changes == ()
    startup = (switch.device.folder / "startup-config").read_text(encoding="utf-8")
    assert "description Zeynep" in startup  # kept for the next start, too
    assert not any(name.startswith("kahya-new") for name in switch.flash())
    other = switch.revert("another run")
    assert (other.status, other.reason) == ("reverted", "nothing was changed here by this plan")
    assert switch.plan().changes == ()
    back = switch.revert()
    assert (back.status, back.reason) == ("reverted", "")
    assert [c.id for c in switch.plan().changes] == [change.id]
    again = switch.revert()
    assert (again.status, "already" in again.reason) == ("failed", True)


def test_a_device_that_drifted_is_refused_and_left_alone(switch):
    plan = another(switch)
    switch.type("vlan 77")
    outcome = switch.apply(plan)
    assert (outcome.status, outcome.applied) == ("refused", ())
    assert "not approved: vlan 77" in outcome.reason
    assert {c.resource for c in switch.plan().changes} == {plan.changes[0].resource, "vlan 77"}


def test_what_was_changed_since_is_not_taken_back(switch):
    assert switch.apply(another(switch)).status == "applied"
    switch.type("vlan 77")
    outcome = switch.revert()
    assert (outcome.status, "changed since" in outcome.reason) == ("failed", True)
    assert [c.resource for c in switch.plan().changes] == ["vlan 77"]


def test_a_device_that_does_not_forget_the_way_back_before_is_refused(switch):
    assert switch.apply(another(switch)).status == "applied"
    plan, before = another(switch, "Veli"), switch.shows()
    switch.device.faults({"fault": "say", "command": "^delete .*kahya-old", "text": "%Error\n"})
    outcome = switch.apply(plan)
    assert (outcome.status, outcome.applied) == ("refused", ())
    assert "does not delete kahya-old-" in outcome.reason
    assert switch.shows() == before
    assert switch.revert().status == "reverted"  # the way back of what was applied is still there


def test_a_change_that_cuts_the_path_is_gone_by_itself(switch, monkeypatch):
    hasten(monkeypatch)
    plan, before = another(switch), switch.shows()
    gone = {"fault": "drop", "command": "^(terminal|enable|show version)"}
    commit = {"fault": "drop", "command": "configure replace|commit timer", "after": True}
    switch.at_commit = lambda: switch.device.faults(commit, gone)
    back = Timer({"ios": MINUTE, "eos": 10}[switch.platform] + 1, switch.device.faults)
    back.start()
    outcome = switch.apply(plan)
    back.join()
    assert (outcome.status, outcome.applied) == ("failed", ())
    assert re.search("returned by itself|has its former configuration", outcome.reason)
    assert switch.shows() == before
    after = switch.revert()
    assert (after.status, "returned by itself" in after.reason) == ("reverted", True)


BREAKS = {
    "before it is confirmed": {"command": "configure confirm|commit$"},
    "once it is confirmed": {"command": "configure confirm|commit$", "after": True},
    "when its files are removed": {"command": "^delete"},
}


@pytest.mark.parametrize("when", BREAKS)
def test_confirming_is_tried_again_when_the_connection_breaks_off(switch, monkeypatch, when):
    hasten(monkeypatch)
    plan = another(switch)
    once = {"fault": "drop", "times": 1, **BREAKS[when]}
    switch.at_commit = lambda: switch.device.faults(once)
    assert switch.apply(plan).status == "applied"
    assert switch.plan().changes == ()


def test_what_the_device_did_not_save_is_not_called_applied(switch):
    plan = another(switch, "Never saved")  # nor by a test before
    words = "startup-config file open failed (No space left on device)\n"
    deaf = {"fault": "say", "command": "^write", "text": words}
    switch.at_commit = lambda: switch.device.faults(deaf)
    outcome = switch.apply(plan)
    assert (outcome.status, outcome.applied) == ("failed", ())
    name = f"interface {PORT[switch.platform]}"
    assert "whether it was saved is not known" in outcome.reason
    assert f"startup configuration has something else: {name}" in outcome.reason


def faults():
    return [
        pytest.param(platform, fault, id=f"{platform}-{fault['at']}-{fault['name']}")
        for platform in ("eos", "ios")
        for fault in FAULTS
        if platform in fault["faults"] and (LONG or platform not in fault.get("long", ()))
    ]


@pytest.mark.parametrize(("bench", "fault"), faults(), indirect=["bench"])
def test_a_device_that_errs_is_quoted_and_nothing_is_committed(switch, fault, monkeypatch):
    hasten(monkeypatch)
    plan, before = another(switch), switch.shows()
    faults = [{**one} for one in fault["faults"][switch.platform]]
    if fault["at"] == "commit":
        switch.at_commit = lambda: switch.device.faults(*faults)
        found = switch.apply(plan)
    else:
        switch.device.faults(*faults)
        time.sleep(1.5 if "host-key" in str(faults) else 0)  # it looks for that all 0.2 s
        found = switch.plan() if fault["at"] == "plan" else switch.apply(plan)
    switch.device.faults()
    expected = {"plan": "error", "apply": "refused", "commit": "failed"}[fault["at"]]
    status = fault.get("status", expected)
    status = status if isinstance(status, str) else status[switch.platform]
    assert found.status == status, found.reason
    assert getattr(found, "applied", ()) == ()
    assert re.search(fault["words"], found.reason)
    assert not SECRETS.search(found.reason)
    assert switch.shows() == before


def test_somebody_elses_change_under_way_is_not_disturbed(switch):
    plan = another(switch)
    if switch.platform == "eos":
        switch.device.type_in("configure session elsewhere\nvlan 88")
    else:
        switch.device.type_in("configure terminal revert timer 1\nend")
    outcome = switch.apply(plan)
    switch.device.type_in("configure session elsewhere abort\nconfigure revert now")
    words = {"eos": "session elsewhere", "ios": "waits for its confirmation"}[switch.platform]
    assert (outcome.status, words in outcome.reason) == ("refused", True)


def test_what_became_of_a_change_that_nobody_saw_the_end_of(switch):
    def became(run):
        [outcome] = switch.engine.became(switch.town, [switch.task], lambda *_: None, run)
        return outcome.status, outcome.reason

    applied = switch.apply(another(switch))
    assert applied.status == "applied"
    assert became("a run") == (
        "failed",
        "it can be reached again, and what was done is still there",
    )
    assert became("another run") == ("reverted", "nothing was changed here by this plan")
    switch.intend()
    switch.type(f"interface {PORT[switch.platform]}\ndescription Ayse")
    assert became("a run")[0] == "reverted"


def test_what_an_interrupted_run_left_is_cleaned_up(switch):
    if switch.platform != "eos":
        pytest.skip("its candidates are files, each named by its digest")
    young = f"kahya-{int(time.time())}-1"
    for name in ("kahya-1000000000-1", young):
        switch.device.type_in(f"configure session {name}\nvlan 88")
    assert switch.plan().status == "ok"
    left = switch.device.type_in("show configuration sessions")
    switch.device.type_in(f"configure session {young} abort")
    assert (young in left, "kahya-1000000000-1" in left) == (True, False)


def cases():
    return [
        pytest.param(platform, case, id=f"{platform}-{case['name']}")
        for platform, few in (("eos", 1), ("ios", 1 if LONG else 6))
        for case in DRIFT[platform]["by_hand"][::few]
    ]


@pytest.mark.parametrize(("bench", "case"), cases(), indirect=["bench"])
def test_a_change_by_hand_is_found_and_repaired_on_the_device(switch, case):
    before = switch.shows()
    switch.type(case["type"])
    plan = switch.plan()
    assert (plan.status, [c.resource for c in plan.changes]) == ("ok", [case["resource"]])
    assert switch.apply(plan).status == "applied"
    assert switch.shows() == before
