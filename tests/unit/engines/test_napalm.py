"""What the engine does with what a device says; one that errs is never "no change"."""

import re
from dataclasses import replace
from difflib import unified_diff
from pathlib import Path
from types import SimpleNamespace

import pytest
from napalm.base.exceptions import CommitError, ConnectionException, ReplaceConfigException

from kahya.engines import napalm, napalm_device
from kahya.engines.base import Mandate, Task
from kahya.engines.napalm_meaning import meaning
from kahya.engines.napalm_platforms import PLATFORMS
from kahya.inventory import load

TOWN = load(Path(__file__).parents[3] / "inventories/lab")
ROUTING = next(s for s in TOWN.systems if s.name == "routing")
GATEWAY = TOWN.hosts["gw-fen"]
FRR = PLATFORMS["frr"]


def test_the_intent_names_every_interface_and_tunnel():
    shown = meaning(napalm.render(TOWN, ROUTING, GATEWAY), FRR.rules)
    tunnels = {f"interface {t['name']}" for t in GATEWAY.vars["tunnels"]}
    assert tunnels | {"interface lan0", "interface wan0", "router ospf"} <= shown.keys()


def test_only_the_networks_of_the_vpns_zones_are_told_to_other_routers():
    for gateway in TOWN.hosts_of(ROUTING):
        for part in napalm.render(TOWN, ROUTING, gateway).split("!\n"):
            name = part.partition("\n")[0].removeprefix("interface ")
            if interface := gateway.vars["interfaces"].get(name):
                told = interface["zone"] in ("ofis", "dmz", "kamera")
                assert (" ip ospf area 0\n ip ospf passive\n" in part) is told
                assert (" ipv6 ospf6 area 0\n ipv6 ospf6 passive\n" in part) is told


class Device:
    """A device that says what a test wants it to say."""

    def __init__(self, error=None, running="router ospf\n", candidate="router ospf\n"):
        self.error, self.config = error, {"running": running, "candidate": candidate}
        self.committed = self.pending = False

    def load_replace_candidate(self, config):
        assert "router ospf" in config
        if isinstance(self.error, ReplaceConfigException):
            raise self.error

    def get_config(self, **_):
        return self.config

    def compare_config(self):
        texts = (self.config[name].splitlines() for name in ("running", "candidate"))
        return "\n".join([*unified_diff(*texts, lineterm="")][2:])

    def get_facts(self):
        return {"serial_number": "a serial number"}

    def has_pending_commit(self):
        return self.pending

    def commit_config(self, revert_in):
        self.committed = revert_in == TOWN.confirm_seconds


@pytest.fixture
def engine(monkeypatch, tmp_path):
    """Return a function that makes an engine for a given device."""

    def make(device):
        class One:
            def __enter__(self):
                if isinstance(device.error, ConnectionException):
                    raise device.error
                return napalm_device.Device(device, FRR)

            def __exit__(self, *_):
                pass

        monkeypatch.setattr(napalm.NapalmEngine, "_device", lambda *_, **__: One())
        return napalm.NapalmEngine(tmp_path / "ssh_config", tmp_path)

    return make


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConnectionException("no route"), "unreachable"),
        (ReplaceConfigException("line 3: ip adress: Unknown command"), "error"),
    ],
)
def test_a_device_that_errs_is_told_apart_and_quoted(engine, error, status):
    [plan] = engine(Device(error)).plan(TOWN, [Task(ROUTING, (GATEWAY,))], lambda *_: None)
    assert (plan.status, plan.changes) == (status, ())
    assert str(error) in plan.reason


def test_a_value_that_the_inventory_lacks_is_an_error_with_its_name(engine):
    poor = replace(GATEWAY, vars={k: v for k, v in GATEWAY.vars.items() if k != "router_id"})
    [plan] = engine(Device()).plan(TOWN, [Task(ROUTING, (poor,))], lambda *_: None)
    assert plan.status == "error"
    assert "router_id" in plan.reason


def test_nothing_is_committed_that_was_not_approved(engine):
    device = Device(candidate="router ospf\n ospf router-id 1.1.1.1\n")
    [outcome] = engine(device).apply(TOWN, [Task(ROUTING, (GATEWAY,))], {}, lambda *_: None)
    assert (outcome.status, outcome.applied, device.committed) == ("refused", (), False)


def test_a_commit_that_is_refused_for_somebody_else_was_faster_is_not_waited_for(engine):
    class Busy(Device):
        def commit_config(self, message, revert_in):
            self.config["running"] = "router bgp 1\n"
            raise CommitError("running is not as it was")

    made = engine(Busy(candidate="router ospf\n ospf router-id 1.1.1.1\n"))
    task = Task(ROUTING, (GATEWAY,))
    [plan] = made.plan(TOWN, [task], lambda *_: None)
    approved = {("gw-fen", "routing"): Mandate(tuple(c.mark for c in plan.changes))}
    [outcome] = made.apply(TOWN, [task], approved, lambda *_: None)
    assert (outcome.status, outcome.applied) == ("failed", ())
    assert "another configuration by now: running is not as it was" in outcome.reason


def test_what_waits_for_its_confirmation_is_not_taken_for_done(engine):
    device = Device()  # running is as planned, but only until the device returns by itself
    device.pending = True
    made, task = engine(device), Task(ROUTING, (GATEWAY,))
    [plan] = made.plan(TOWN, [task], lambda *_: None)
    [outcome] = made.apply(TOWN, [task], {}, lambda *_: None)
    for said, status in ((plan, "unknown"), (outcome, "refused")):
        assert (said.status, "waits for its confirmation" in said.reason) == (status, True)


def test_a_key_is_shown_on_neither_side_and_that_it_differs_is_said(engine):
    texts = [f"router ospf\n x md5 {key}\n" for key in ("former", "present")]
    [plan] = engine(Device(None, *texts)).plan(TOWN, [Task(ROUTING, (GATEWAY,))], lambda *_: None)
    [change] = plan.changes
    assert not any(key in repr(plan) for key in ("former", "present"))
    assert "- x md5 <removed> (another)\n+ x md5 <removed>" in change.diff


@pytest.mark.parametrize("platform", ["nxos_ssh", "junos", "cisco"])
def test_a_platform_that_is_refused_or_not_known_is_an_error_and_says_why(platform, tmp_path):
    host = replace(GATEWAY, vars=GATEWAY.vars | {"platform": platform})
    made = napalm.NapalmEngine(tmp_path / "ssh_config", tmp_path)
    [plan] = made.plan(TOWN, [Task(ROUTING, (host,))], lambda *_: None)
    assert plan.status == "error"
    assert re.search("is refused: .*|write one of frr, ios, eos", plan.reason)


@pytest.mark.parametrize(
    ("last", "status", "rolled"),
    [
        ("confirm", "reverted", True),
        ("commit", "reverted", True),
        ("return", "reverted", False),
        ("undone", "reverted", False),
        ("rollback", "failed", False),
        ("refused", "failed", False),
        ("", "failed", False),
    ],
)
def test_only_the_last_commit_is_rolled_back_and_only_once(engine, last, status, rolled):
    device = Device()
    device.last, device.rolled = SimpleNamespace(event=lambda: last, message=str), False
    device.rollback = lambda: setattr(device, "rolled", True)
    [outcome] = engine(device).revert(TOWN, [Task(ROUTING, (GATEWAY,))], lambda *_: None)
    assert (outcome.status, device.rolled, bool(outcome.reason)) == (status, rolled, not rolled)


@pytest.mark.parametrize(
    ("last", "pending", "run", "status"),
    [
        ("return", False, "this", "reverted"),
        ("undone", False, "this", "reverted"),
        ("confirm", False, "this", "failed"),
        ("commit", True, "this", "unreachable"),
        ("confirm", False, "a later one", "reverted"),
    ],
)
def test_what_became_of_a_lost_commit_is_asked_and_nothing_is_done(
    engine, last, pending, run, status
):
    device = Device()
    device.pending = pending
    device.last = SimpleNamespace(event=lambda: last, message=lambda: run)
    tasks = [Task(ROUTING, (GATEWAY,))]
    [outcome] = engine(device).became(TOWN, tasks, lambda *_: None, "this")
    assert outcome.status == status
    assert outcome.reason
    assert not device.committed


def test_a_device_that_can_not_be_asked_stays_lost(engine):
    tasks = [Task(ROUTING, (GATEWAY,))]
    device = Device(ConnectionException("no route"))
    [outcome] = engine(device).became(TOWN, tasks, lambda *_: None, "this")
    assert (outcome.status, outcome.reason) == ("unreachable", "no route")
