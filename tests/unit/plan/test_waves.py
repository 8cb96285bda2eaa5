"""The order in which hosts change: a canary, buildings, uplinks alone, the own building last."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kahya.inventory import load
from kahya.model import Change, HostPlan, Plan
from kahya.plan.waves import waves

TOWN = load(Path(__file__).parents[3] / "inventories/lab")
GATEWAYS = {h.name for h in TOWN.hosts.values() if "gateways" in h.groups}


def plan_for(hosts, risks=(), resource="x"):
    host_plans = tuple(
        HostPlan(
            name, "base", "ok",
            (Change(name, "", "base", "pyinfra", resource, "update", "", {}, risk=tuple(risks)),),
        )
        for name in hosts
    )  # fmt: skip
    return Plan("ornek", "c", {}, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", host_plans)


def order(hosts, town=TOWN):
    return [(wave.name, list(wave.hosts)) for wave in waves(town, plan_for(hosts))]


def test_the_whole_town():
    assert order(TOWN.hosts) == [
        ("canary", ["pc-merkez"]),
        ("fen_isleri", ["pc-fen"]),
        ("fen_isleri", ["sw-fen"]),
        ("fen_isleri", ["gw-fen"]),
        ("itfaiye", ["pc-itfaiye"]),
        ("itfaiye", ["sw-itfaiye"]),
        ("itfaiye", ["gw-itfaiye"]),
        ("merkez", ["db-merkez", "ws-merkez"]),
        ("merkez", ["sw-merkez"]),
        ("merkez", ["gw-merkez"]),
    ]


def test_switches_alone_begin_with_one_of_them():
    switches = [name for name, host in TOWN.hosts.items() if "switches" in host.groups]
    assert [hosts for _, hosts in order(switches)] == [["sw-merkez"], ["sw-fen"], ["sw-itfaiye"]]


@pytest.mark.parametrize(
    ("resource", "others"),
    [
        ("list domains/usom", [("all others", ["gw-fen", "gw-itfaiye"])]),
        ("list urls/usom", [("all others", ["gw-fen", "gw-itfaiye"])]),
        ("list addresses/usom", [("fen_isleri", ["gw-fen"]), ("itfaiye", ["gw-itfaiye"])]),
    ],
)
def test_lists_of_names_are_soon_everywhere(resource, others):
    found = waves(TOWN, plan_for(GATEWAYS, resource=resource))
    [canary, *rest] = [(wave.name, list(wave.hosts)) for wave in found]
    assert canary == ("canary", ["gw-merkez"])
    assert rest == others


def test_one_host_needs_no_canary():
    assert order(["gw-fen"]) == [("fen_isleri", ["gw-fen"])]


def test_the_town_may_choose_its_canary():
    town = replace(TOWN, settings={"apply": {"canary": ["pc-itfaiye"]}})
    assert order(["pc-merkez", "pc-itfaiye"], town)[0] == ("canary", ["pc-itfaiye"])


@given(st.sets(st.sampled_from(list(TOWN.hosts)), min_size=1))
def test_every_host_changes_once_and_no_two_gateways_together(hosts):
    found = waves(TOWN, plan_for(hosts))
    assert sorted(host for wave in found for host in wave.hosts) == sorted(hosts)
    assert all(len(GATEWAYS & set(wave.hosts)) == 0 or len(wave.hosts) == 1 for wave in found)
    last = {TOWN.hosts[h].building: n for n, wave in enumerate(found) for h in wave.hosts}
    for number, wave in enumerate(found):
        for gateway in GATEWAYS & set(wave.hosts):
            others = hosts - GATEWAYS - {found[0].hosts[0]}
            inside = [h for h in others if TOWN.hosts[h].building == TOWN.hosts[gateway].building]
            assert not inside or last[TOWN.hosts[gateway].building] == number
