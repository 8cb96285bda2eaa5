"""Engines work at once where they may, and one after the other where they must."""

import time
from dataclasses import replace
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import pytest

from kahya.engines.base import Mandate
from kahya.engines.fleet import Fleet
from kahya.errors import EngineError
from kahya.inventory import load
from kahya.model import Outcome

TOWN = load(Path(__file__).parents[3] / "inventories/lab")
WAIT_SECONDS = 5


class Fake:
    """An engine that notes when it works; it meets the others at ``barrier`` if there is one."""

    def __init__(self, log, barrier=None, fails=(), error=None):
        self.log, self.barrier, self.fails, self.error = log, barrier, fails, error

    def apply(self, _town, tasks, _approved, _progress):
        for task in tasks:
            for host in task.hosts:
                pair = host.name, task.system.name
                self.log.append(("begun", *pair))
                if self.barrier:
                    self.barrier.wait(WAIT_SECONDS)
                if self.error:
                    raise self.error
                time.sleep(0.01)
                self.log.append(("ended", *pair))
                yield Outcome(*pair, "failed" if host.name in self.fails else "applied")


def applied(pairs, town=TOWN, **engines):
    fleet = Fleet(town, engines, lambda *_: None)
    mandates = dict.fromkeys(pairs, Mandate(()))
    return {(o.host, o.system): o for o in fleet.apply(pairs, mandates)}


def test_engines_work_at_once_on_other_hosts():
    barrier, log = Barrier(3), []
    pairs = [("gw-fen", "webfilter"), ("sw-fen", "switching"), ("db-merkez", "postgresql")]
    engines = {name: Fake(log, barrier) for name in ("ansible", "napalm", "pyinfra")}
    found = applied(pairs, **engines)
    assert {pair: o.status for pair, o in found.items()} == dict.fromkeys(pairs, "applied")


@pytest.mark.parametrize(
    "pairs",
    [
        # A switch may be beyond the firewall: they don't come together.
        [("gw-fen", "firewall"), ("sw-fen", "switching")],
        [("gw-fen", "firewall"), ("gw-fen", "webfilter"), ("sw-fen", "switching")],
        [("gw-fen", "vpn"), ("gw-itfaiye", "routing")],
        [("db-merkez", "base"), ("db-merkez", "postgresql")],
    ],
)
def test_what_needs_what_is_before_it_waits(pairs):
    log = []
    applied(pairs, **{name: Fake(log) for name in ("ansible", "napalm", "pyinfra")})
    assert log == [(when, *pair) for pair in pairs for when in ("begun", "ended")]


def test_one_host_is_one_engines_at_a_time():
    systems = tuple(replace(s, together=s.name != "base") for s in TOWN.systems)
    log, pairs = [], [("gw-fen", "vpn"), ("gw-fen", "routing")]
    town = replace(TOWN, systems=systems)
    applied(pairs, town, pyinfra=Fake(log), napalm=Fake(log), ansible=Fake(log))
    assert [entry[0] for entry in log] == ["begun", "ended"] * 2


def test_an_engine_that_breaks_leaves_the_others_at_work():
    barrier = Barrier(2)
    pairs = [("sw-fen", "switching"), ("db-merkez", "postgresql")]
    broken = EngineError("no ansible", "Install it.")
    found = applied(
        pairs, napalm=Fake([], barrier), ansible=Fake([], barrier, error=broken), pyinfra=None
    )
    assert found[pairs[0]].status == "applied"
    assert (found[pairs[1]].status, found[pairs[1]].reason) == ("failed", "no ansible Install it.")


def test_whoever_reads_hears_what_went_wrong_in_an_engine():
    with pytest.raises(BrokenBarrierError):
        applied(
            [("sw-fen", "switching"), ("db-merkez", "postgresql")],
            napalm=Fake([]),
            pyinfra=None,
            ansible=Fake([], Broken()),
        )


class Broken:
    def wait(self, _seconds):
        raise BrokenBarrierError


def test_what_failed_on_a_host_keeps_later_systems_from_it():
    log = []
    pairs = [("db-merkez", "base"), ("db-merkez", "postgresql"), ("sw-fen", "switching")]
    found = applied(
        pairs, pyinfra=Fake(log, fails=["db-merkez"]), ansible=Fake(log), napalm=Fake(log)
    )
    assert found[pairs[1]].status == "refused"
    assert found[pairs[2]].status == "applied"
