"""The workflow trusts no engine: what is not answered is unknown, what was not planned is named."""

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kahya.errors import EngineError, InventoryError, PlanError
from kahya.inventory import load
from kahya.journal import Journal
from kahya.model import Change, HostPlan, Outcome
from kahya.workflow import Workflow, scope

TOWN = load(Path(__file__).parents[2] / "inventories/lab")
ENGINES = ("ansible", "napalm", "pyinfra")


def change(host, system, resource="file /etc/x"):
    engine = next(s.engine for s in TOWN.systems if s.name == system)
    return Change(host, TOWN.hosts[host].building, system, engine, resource, "update", "", {"a": 1})


class Fake:
    """An engine whose hosts need the changes in ``due`` and do what ``does`` makes of them."""

    def __init__(self, due=(), does=lambda c: c, silent=(), error=None):
        self.due, self.does, self.silent, self.error = list(due), does, silent, error

    def plan(self, _town, tasks, _progress):
        if self.error:
            raise self.error
        for task in tasks:
            for host in task.hosts:
                mine = [c for c in self.due if (c.host, c.system) == (host.name, task.system.name)]
                if host.name not in self.silent:
                    yield HostPlan(host.name, task.system.name, "ok", tuple(mine))

    observe = plan

    def apply(self, town, tasks, _approved, progress):
        for plan in list(self.plan(town, tasks, progress)):
            done = [d for d in map(self.does, plan.changes) if d]
            self.due = [c for c in self.due if c not in plan.changes]
            status = "applied" if len(done) == len(plan.changes) else "failed"
            yield Outcome(plan.host, plan.system, status, tuple(done))


@pytest.fixture
def flow(tmp_path, monkeypatch):
    """Return a workflow whose engines are given by name, and idle where they are not."""

    def make(**engines):
        @contextmanager
        def fakes(*_):
            yield {name: engines.get(name, Fake()) for name in ENGINES}

        made = Workflow(TOWN, Journal(f"sqlite:///{tmp_path}/journal.sqlite"), lambda *_: None)
        monkeypatch.setattr(made, "_engines", fakes)
        return made

    return make


ALL = scope(TOWN)


def test_every_host_and_system_is_answered(flow):
    plan = flow(pyinfra=Fake(silent=["pc-fen"])).make_plan(ALL)
    wanted = {(h.name, s.name) for s in TOWN.systems for h in TOWN.hosts_of(s)}
    assert {(p.host, p.system) for p in plan.host_plans} == wanted
    assert [(p.host, p.status) for p in plan.unread] == [("pc-fen", "unknown")]


def test_an_engine_that_breaks_says_nothing_about_its_hosts_and_stops_no_other(flow):
    plan = flow(ansible=Fake(error=EngineError("no ansible"))).make_plan(ALL)
    assert [(p.host, p.status, p.reason) for p in plan.unread] == [
        ("db-merkez", "error", "no ansible")
    ]


def test_what_is_planned_is_applied_and_nothing_is_left(flow):
    due = [change("pc-fen", "base"), change("gw-fen", "vpn"), change("gw-fen", "firewall")]
    work = flow(pyinfra=Fake(due))
    result = work.apply_plan(work.make_plan(ALL))
    assert result.ok
    assert sorted(c.id for c in result.applied) == sorted(c.id for c in due)
    assert work.journal.latest(1)[0].data["ok"] is True


def test_what_was_done_besides_the_plan_is_named_and_what_was_left_out_too(flow):
    def other(c):
        return replace(c, effect={"a": 2})

    work = flow(pyinfra=Fake([change("pc-fen", "base")], does=other))
    result = work.apply_plan(work.make_plan(ALL))
    assert not result.ok
    assert [c.effect for c in result.extra] == [{"a": 2}]
    assert [c.effect for c in result.missing] == [{"a": 1}]


def test_a_host_that_failed_is_left_alone_afterwards(flow):
    due = [change("gw-fen", "base"), change("gw-fen", "firewall"), change("gw-itfaiye", "firewall")]
    routing = change("gw-fen", "routing")
    broken = Fake(due, does=lambda c: None if c.system == "base" else c)
    work = flow(pyinfra=broken, napalm=Fake([routing]))
    result = work.apply_plan(work.make_plan(ALL))
    assert {c.host for c in result.applied} == {"gw-itfaiye"}
    assert {c.id for c in result.missing} == {due[0].id, due[1].id, routing.id}
    assert not result.ok


def test_what_a_second_look_still_finds_is_not_called_done(flow):
    class Sticky(Fake):
        def apply(self, *arguments):
            due = list(self.due)
            yield from super().apply(*arguments)
            self.due = due

    work = flow(pyinfra=Sticky([change("pc-fen", "base")]))
    result = work.apply_plan(work.make_plan(ALL))
    assert (result.extra, result.missing, result.ok) == ((), (), False)


@pytest.mark.parametrize(
    ("altered", "words"),
    [
        ({"town": "baska"}, "the plan is for baska"),
        ({"expires": "2020-01-01T00:00:00Z"}, "expired"),
        ({"host_plans": (HostPlan("pc-fen", "base", "unreachable"),)}, "could not read pc-fen"),
    ],
)
def test_a_plan_that_may_not_be_applied_is_refused_with_a_hint(flow, altered, words):
    pyinfra = Fake([change("pc-fen", "base")])
    work = flow(pyinfra=pyinfra)
    with pytest.raises(PlanError, match=words) as caught:
        work.apply_plan(replace(work.make_plan(ALL), **altered))
    assert caught.value.hint
    assert pyinfra.due  # nothing was done


def test_a_scope_takes_hosts_buildings_groups_and_patterns():
    assert scope(TOWN, "itfaiye").hosts == ("gw-itfaiye", "pc-itfaiye")
    assert scope(TOWN, "pcs,gw-fen").hosts == ("gw-fen", "pc-merkez", "pc-fen", "pc-itfaiye")
    assert scope(TOWN, "gw-*", ["vpn"]).systems[0].name == "vpn"
    for wrong in ({"limit": "pc-fenn"}, {"systems": ["vpnn"]}):
        with pytest.raises(InventoryError) as caught:
            scope(TOWN, **wrong)
        assert "There are:" in caught.value.hint
