"""What every engine promises (kahya/engines/base.py), asked of each of them on real hosts."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from admin import ROOT, on

from kahya.engines.base import Mandate, Task
from kahya.inventory import load
from kahya.ssh import write_ssh_config

CASES = yaml.safe_load((Path(__file__).parent / "cases.yml").read_text(encoding="utf-8"))
NOBODY = "10.20.1.77"  # an address of merkez's network that no host has
pytestmark = pytest.mark.usefixtures("bring_up")


@pytest.fixture(params=CASES, ids=[f"{c['engine']}-{c['system']}" for c in CASES])
def case(request):
    return request.param


@pytest.fixture
def town():
    return load(ROOT / "inventories/lab")


def make(case, town, workdir):
    """Return the engine of a case and the task for its hosts."""
    module = import_module(f"kahya.engines.{case['engine']}")
    engine = getattr(module, f"{case['engine'].capitalize()}Engine")
    system = next(s for s in town.systems if s.name == case["system"])
    hosts = tuple(town.hosts[name] for name in [case["host"], *case["others"]])
    return engine(write_ssh_config(town, workdir), workdir), Task(system, hosts)


@pytest.fixture
def engine_and_task(case, town, tmp_path):
    return make(case, town, tmp_path)


def ask(engine, town, task, method="plan"):
    """Return the answers by host; each host must have exactly one."""
    answers = list(getattr(engine, method)(town, [task], lambda *_: None))
    assert sorted(a.host for a in answers) == sorted(h.name for h in task.hosts)
    return {a.host: a for a in answers}


def apply(engine, town, task, mandate):
    """Return what became of the one host of ``task`` under ``mandate``."""
    approved = {(task.hosts[0].name, task.system.name): mandate}
    return list(engine.apply(town, [task], approved, lambda *_: None))


def test_a_host_in_order_has_nothing_to_change(engine_and_task, town):
    engine, task = engine_and_task
    for method in ("plan", "observe"):
        for answer in ask(engine, town, task, method).values():
            assert (answer.status, answer.changes, answer.blind_spots) == ("ok", (), ())


def test_a_change_by_hand_is_found_refused_and_repaired(case, engine_and_task, town):
    engine, task = engine_and_task
    on(case["host"], case["command"])
    first, again = ask(engine, town, task), ask(engine, town, task, "observe")
    [change] = first[case["host"]].changes
    assert change.resource == case["resource"]
    assert change.diff
    assert [c.id for c in again[case["host"]].changes] == [change.id]  # looking changes nothing
    assert all(not first[name].changes for name in case["others"])

    only = replace(task, hosts=(town.hosts[case["host"]],))
    for approved in ({}, {(case["host"], case["system"]): Mandate(("another",))}):
        [refused] = engine.apply(town, [only], approved, lambda *_: None)
        assert (refused.status, refused.applied) == ("refused", ())
        assert refused.reason
    assert ask(engine, town, only)[case["host"]].changes[0].id == change.id  # and nothing was done

    mandate = Mandate((change.mark,), identity="another machine")
    [refused] = apply(engine, town, only, mandate)
    assert (refused.status, refused.applied) == ("refused", ())
    assert "another machine" in refused.reason

    mandate = Mandate((change.mark,), first[case["host"]].identity)
    assert mandate.identity
    for _ in range(2):  # there, back, and there again
        [done] = apply(engine, town, only, mandate)
        assert (done.status, [c.id for c in done.applied]) == ("applied", [change.id])
        assert ask(engine, town, only)[case["host"]].changes == ()
        [back] = engine.revert(town, [only], lambda *_: None)
        assert change.reversible == (back.status == "reverted") == ("no_way_back" not in case)
        if not change.reversible:
            assert "no way back" in back.reason
            return
        assert [c.id for c in ask(engine, town, only)[case["host"]].changes] == [change.id]
        [again] = engine.revert(town, [only], lambda *_: None)
        assert (again.status, "already" in again.reason) == ("failed", True)
    [done] = apply(engine, town, only, mandate)
    assert done.status == "applied"
    [resumed] = apply(engine, town, only, replace(mandate, resumed=True))
    assert (resumed.status, resumed.applied) == ("applied", ())  # all of it was there already


def test_a_host_that_does_not_answer_is_unreachable_and_the_others_are_not(case, town, tmp_path):
    lost = replace(town.hosts[case["host"]], address=NOBODY)
    lost = replace(lost, vars={**lost.vars, "ansible_host": NOBODY})
    town = replace(town, hosts={**town.hosts, lost.name: lost})
    engine, task = make(case, town, tmp_path)
    answers = ask(engine, town, task)
    assert answers[lost.name].status == "unreachable"
    assert answers[lost.name].reason
    assert all(answers[name].status == "ok" for name in case["others"])
    outcomes = list(engine.apply(town, [task], {}, lambda *_: None))
    assert {o.host: o.status for o in outcomes}[lost.name] in {"unreachable", "refused"}
    assert all(not o.applied for o in outcomes)
