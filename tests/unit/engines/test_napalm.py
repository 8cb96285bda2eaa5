"""A configuration is compared stanza by stanza, and a device that errs is never "no change"."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from napalm.base.exceptions import ConnectionException, ReplaceConfigException

from kahya.engines import napalm
from kahya.engines.base import Task
from kahya.inventory import load

TOWN = load(Path(__file__).parents[3] / "inventories/lab")
ROUTING = next(s for s in TOWN.systems if s.name == "routing")
GATEWAY = TOWN.hosts["gw-fen"]
NAMES = st.sampled_from(
    ["interface a", "interface b", "ip route 10.0.0.0/8 1.1.1.1", "router ospf"]
)
LINES = st.lists(st.sampled_from([" one", " two", " three"]), unique=True, max_size=3)
CONFIGS = st.dictionaries(NAMES, LINES.map(tuple))


def text(config):
    return "".join(
        f"{head}\n" + "".join(f"{x}\n" for x in lines) + "exit\n!\n"
        for head, lines in config.items()
    )


@given(CONFIGS)
def test_stanzas_are_what_the_text_says(config):
    assert napalm.stanzas(text(config)) == config


@given(CONFIGS, CONFIGS)
def test_one_change_for_each_stanza_that_differs(before, after):
    changes = list(napalm.changes_between(before, after, {}, TOWN, ROUTING, GATEWAY))
    differing = {h for h in {*before, *after} if before.get(h) != after.get(h)}
    assert {c.resource for c in changes} == differing
    assert len(changes) == len(differing)
    for change in changes:
        signs = {line[0] for line in change.diff.splitlines()}
        assert signs & {"+", "-"}
        assert (change.action == "create") == (change.resource not in before)
        assert (change.action == "delete") == (change.resource not in after)


@given(CONFIGS, CONFIGS, CONFIGS)
def test_another_change_has_another_id(before, after, other):
    def ids(a, b):
        return {c.resource: c.id for c in napalm.changes_between(a, b, {}, TOWN, ROUTING, GATEWAY)}

    one, two = ids(before, after), ids(before, other)
    for resource in one.keys() & two.keys():
        assert (one[resource] == two[resource]) == (after.get(resource) == other.get(resource))


def test_the_intent_names_every_interface_and_tunnel():
    shown = napalm.stanzas(napalm.render(TOWN, ROUTING, GATEWAY))
    tunnels = {f"interface {t['name']}" for t in GATEWAY.vars["tunnels"]}
    assert tunnels | {"interface lan0", "interface wan0", "router ospf"} <= shown.keys()


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
                return device

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


def test_what_waits_for_its_confirmation_is_not_taken_for_done(engine):
    device = Device()  # running is as planned, but only until the device returns by itself
    device.pending = True
    [outcome] = engine(device).apply(TOWN, [Task(ROUTING, (GATEWAY,))], {}, lambda *_: None)
    assert (outcome.status, "waits for its confirmation" in outcome.reason) == ("refused", True)


KEYS = "interface a\n ip ospf message-digest-key 1 md5 {0}\n"


def test_a_key_is_shown_on_neither_side_and_that_it_differs_is_said():
    old, new = KEYS.format("former"), KEYS.format("present")
    shown = KEYS.format("<removed>").splitlines()[1]
    hidden = {text.splitlines()[1]: shown for text in (old, new)}
    before, after = napalm.stanzas(old), napalm.stanzas(new)
    [change] = napalm.changes_between(before, after, hidden, TOWN, ROUTING, GATEWAY)
    assert not any(key in repr(change) for key in ("former", "present"))
    assert f"-{shown} (another)\n+{shown}" in change.diff
    assert list(napalm.changes_between(before, before, hidden, TOWN, ROUTING, GATEWAY)) == []


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
    device.last, device.rolled = SimpleNamespace(event=lambda: last), False
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
