"""What is told of cables: declared and seen, declared only, seen only, and not known."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kahya.cabling import CABLE_STATES, Device, Neighbour, Port, compare
from kahya.model import Host

CASES = yaml.safe_load((Path(__file__).parent / "cases/cabling.yml").read_text(encoding="utf-8"))
PORTS = [f"Gi{n}" for n in range(1, 10)]
DEVICES = ("gw-a", "sw-a", "sw-b")


def host(name, ports, serial=""):
    """Return a device of the inventory; ``ports``: what is declared to be at their other ends."""
    found = [
        {"name": port, "to": "" if to == "unused" else to, "shut": to == "unused"}
        for port, to in ports.items()
    ]
    variables = {"switch": {"ports": found}} | ({"serial_number": serial} if serial else {})
    return Host(name, "", "merkez", (), variables)


def neighbour(text):
    """Return the one whom ``text`` describes: its name, its port's names, or (telephone)."""
    name, *ports = text.split()
    return Neighbour(name, tuple(ports), network=ports != ["(telephone)"])


def device(name, heard, up=()):
    """Return a device that hears ``heard`` (None: it does not listen)."""
    ports = {port: Port(port in up or port in (heard or {}), True, 1000.0) for port in PORTS}
    seen = heard and {port: (neighbour(text),) for port, text in heard.items()}
    return Device(name, "Cisco", "WS-C2960X", "15.2", "FOC1234", ports, seen)


def look(case):
    """Return what is found in ``case``."""
    serials = case.get("serial", {})
    hosts = [host(n, case["declared"].get(n, {}), serials.get(n, "")) for n in DEVICES]
    found = [device(n, h, case.get("up", {}).get(n, ())) for n, h in case["heard"].items()]
    return compare(hosts, found, dict.fromkeys(case.get("unread", ()), "off"), DEVICES)


@pytest.mark.parametrize("name", CASES)
def test_what_is_told(name):
    case, found = CASES[name], look(CASES[name])
    cables = {f"{c.host} {c.port} {c.far_end}": c.state for c in found.cables}
    told = [f"{d.host} {d.sentence(str)}" for d in found.differences]
    assert cables == case.get("cables", {})
    assert told == case.get("differences", [])
    assert found.unknown == bool("unread" in case or "unknown" in cables.values())


def test_each_state_is_in_a_case_and_has_its_own_mark_and_words():
    assert {s for case in CASES.values() for s in case.get("cables", {}).values()} == set(
        CABLE_STATES
    )
    assert len({mark for mark, _words in CABLE_STATES.values()}) == len(CABLE_STATES)
    assert len({words for _mark, words in CABLE_STATES.values()}) == len(CABLE_STATES)


def test_cables_of_hosts_that_were_not_asked_are_left_out():
    hosts = [
        host("gw-a", {}),
        host("sw-a", {"Gi1": "gw-a lan0"}),
        host("sw-b", {"Gi1": "gw-a lan1"}),
    ]
    found = compare(hosts, [device("sw-a", {"Gi1": "gw-a lan0"})], {}, ["sw-a"])
    assert [(c.host, c.state) for c in found.cables] == [("sw-a", "seen")]


def test_a_cable_is_unknown_only_when_both_its_ends_were_asked():
    hosts = [host("gw-a", {}), host("sw-a", {"Gi1": "gw-a lan0"})]
    deaf = [device("gw-a", None)]
    alone = compare(hosts, deaf, {}, ["gw-a"])
    assert (alone.cables, alone.unknown) == ((), False)
    both = compare(hosts, deaf, {}, ["gw-a", "sw-a"])
    assert ([c.state for c in both.cables], both.unknown) == (["unknown"], True)


@pytest.mark.parametrize("far", ["Gi2", ""])
@pytest.mark.parametrize("near", ["Gi1", ""])
def test_a_cable_that_both_ends_declare_is_one(near, far):
    hosts = [
        host("sw-a", {"Gi1": f"sw-b {far}".strip()}),
        host("sw-b", {"Gi2": f"sw-a {near}".strip()}),
    ]
    seen = [device("sw-a", {"Gi1": "sw-b Gi2"}), device("sw-b", {"Gi2": "sw-a Gi1"})]
    [cable] = compare(hosts, seen, {}, ["sw-a", "sw-b"]).cables
    assert (cable.port, cable.peer_port, cable.state) == ("Gi1", "Gi2", "seen")


ENDS = st.tuples(st.sampled_from(DEVICES), st.sampled_from(PORTS))
PLUGS = st.lists(st.tuples(ENDS, ENDS), max_size=6).map(
    lambda pairs: [
        (a, b)
        for n, (a, b) in enumerate(pairs)
        if a[0] != b[0] and not {a, b} & {end for pair in pairs[:n] for end in pair}
    ]
)


@given(declared=PLUGS, plugged=PLUGS)
def test_what_is_plugged_as_declared_makes_no_difference_and_anything_else_one(declared, plugged):
    hosts = [host(n, {p: f"{b[0]} {b[1]}" for (m, p), b in declared if m == n}) for n in DEVICES]
    both = [*plugged, *((b, a) for a, b in plugged)]
    devices = [device(n, {p: f"{b[0]} {b[1]}" for (m, p), b in both if m == n}) for n in DEVICES]
    found = compare(hosts, devices, {}, DEVICES)
    same = {frozenset(c) for c in declared} == {frozenset(c) for c in plugged}
    assert (not found.differences) == same
    told = {
        state: {
            frozenset({(c.host, c.port), (c.peer, c.peer_port)})
            for c in found.cables
            if c.state == state
        }
        for state in CABLE_STATES
    }
    wanted, there = ({frozenset(c) for c in pairs} for pairs in (declared, plugged))
    assert told == {
        "seen": wanted & there, "missing": wanted - there, "undeclared": there - wanted,
        "unknown": set(),
    }  # fmt: skip
    assert len(found.cables) == len(wanted | there), "each once"
