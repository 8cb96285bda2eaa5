"""The workflow trusts no engine: what is not answered is unknown. Applying: see tests/faults."""

from contextlib import contextmanager
from pathlib import Path

import pytest

from kahya.bringup import bring_up
from kahya.engines.fleet import Fleet
from kahya.errors import EngineError, InventoryError, LockError
from kahya.inventory import load
from kahya.journal import Holder, Journal
from kahya.model import BlindSpot, HostPlan
from kahya.scope import scope
from kahya.workflow import Workflow

TOWN = load(Path(__file__).parents[2] / "inventories/lab")
ENGINES = ("ansible", "napalm", "pyinfra")
ALL = scope(TOWN)


class Fake:
    """An engine that finds nothing to do, is silent about some hosts, or breaks."""

    def __init__(self, silent=(), error=None):
        self.silent, self.error = silent, error

    def plan(self, _town, tasks, _progress):
        if self.error:
            raise self.error
        for task in tasks:
            for host in task.hosts:
                if host.name not in self.silent:
                    yield HostPlan(host.name, task.system.name, "ok")

    observe = plan


@pytest.fixture
def flow(tmp_path, monkeypatch):
    """Return a workflow whose engines are given by name, and idle where they are not."""

    def make(**engines):
        @contextmanager
        def fleet(*_):
            yield Fleet(TOWN, {n: engines.get(n, Fake()) for n in ENGINES}, lambda *_: None)

        made = Workflow(TOWN, Journal(f"sqlite:///{tmp_path}/journal.sqlite"), lambda *_: None)
        monkeypatch.setattr(made, "_fleet", fleet)
        return made

    return make


def test_every_host_and_system_is_answered(flow):
    plan = flow(pyinfra=Fake(silent=["pc-fen"])).make_plan(ALL)
    wanted = {(h.name, s.name) for s in TOWN.systems for h in TOWN.hosts_of(s)}
    assert {(p.host, p.system) for p in plan.host_plans} == wanted
    assert [(p.host, p.status) for p in plan.unread] == [("pc-fen", "unknown")]


def test_an_engine_that_breaks_says_nothing_about_its_hosts_and_stops_no_other(flow):
    plan = flow(ansible=Fake(error=EngineError("no ansible", "Install it."))).make_plan(ALL)
    assert [(p.host, p.status, p.reason) for p in plan.unread] == [
        ("db-merkez", "error", "no ansible Install it.")
    ]


def test_a_plan_knows_the_journal_before_it(flow):
    work = flow()
    first, second = work.make_plan(ALL), work.make_plan(ALL)
    assert first.journal == "0:"
    assert second.journal == work.journal.find(1).head


def test_a_bring_up_of_a_locked_town_is_refused_before_anything_is_read(flow):
    work = flow(pyinfra=Fake(error=AssertionError("read")))
    work.journal.lock(TOWN.name, Holder.here("Ayşe", "p-1"), 900)
    with pytest.raises(LockError, match="p-1"):
        bring_up(work, ALL, lambda _plan: [], lambda *_: None)


def test_a_scope_takes_hosts_buildings_groups_and_patterns():
    assert scope(TOWN, "itfaiye").hosts == ("gw-itfaiye", "sw-itfaiye", "pc-itfaiye")
    assert scope(TOWN, "pcs,gw-fen").hosts == ("gw-fen", "pc-merkez", "pc-fen", "pc-itfaiye")
    assert scope(TOWN, "gw-*", ["vpn"]).systems[0].name == "vpn"
    for wrong in ({"limit": "pc-fenn"}, {"systems": ["vpnn"]}):
        with pytest.raises(InventoryError) as caught:
            scope(TOWN, **wrong)
        assert "There are:" in caught.value.hint


def test_who_wrote_a_blind_spot_is_an_author(flow, monkeypatch):
    made = flow()
    done = {"host": "pc-fen", "system": "base", "status": "applied", "applied": [], "commit": "old"}
    made.journal.record("outcome", "", {"run": 1, **done})
    monkeypatch.setattr("kahya.checkout.authors", lambda _root, since: (f"since {since}",))
    spot = BlindSpot("pc-fen", "base", "a script", "it has no check mode")
    monkeypatch.setattr(Fake, "plan", lambda *_: iter([_blind(spot)]))
    assert made.make_plan(scope(TOWN, "pc-fen", ["base"])).authors == ("since old",)


def _blind(spot):
    return HostPlan(spot.host, spot.system, "ok", (), (spot,))
