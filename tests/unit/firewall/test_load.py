"""Rules are loaded while traffic flows: nobody notices, and they go on counting."""

import os

import pytest
from namespaces import namespaces
from reloading import LOADS, load_alternately, talk_while

from kahya.firewall import review
from kahya.firewall.nftables import ruleset

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: root only")
HOSTS = ["pc-fen", "db-merkez", "web-merkez", "internet"]
CALL = "import socket; socket.create_connection(('10.20.1.10', 4321), 1)"


@pytest.fixture(scope="module")
def world(town):
    with namespaces(review.matrix_of(town), HOSTS) as made:
        made.load(review.rulesets(town))
        yield made


def test_fifty_loads_lose_no_connection_no_packet_and_no_count(world, town):
    kept = {}
    answered, lost = talk_while(
        lambda: kept.update(load_alternately(town, world.on)), town, world.login
    )
    print(dict(answered))
    assert lost == []
    assert all(answered[kind] > LOADS for kind in ("tcp", "udp", "new tcp", "new udp"))
    for before, after in kept.values():
        touched = [(chain, n) for (chain, rule), n in after.items() if n < before[chain, rule]]
        assert touched == []
        assert [n for (_c, rule), n in after.items() if n and "drop" in rule] == []
        assert sum(after.values()) > sum(before.values()) > 0


def test_what_stays_in_a_chain_that_is_touched_goes_on_counting(world, town):
    gateway = town.hosts["gw-fen"].vars["ansible_host"]
    rule = ("chain input {", 'counter drop comment "no rule"')
    world.on("pc-fen", f'python3 -c "{CALL.replace("10.20.1.10", gateway)}" || true')
    before, after = load_alternately(town, world.on)["gw-fen"]
    assert after[rule] >= before[rule] > 0


@pytest.mark.parametrize(("until", "passes"), [("2199-12-31", True), ("2020-12-31", False)])
def test_a_rule_ends_by_itself(world, town, until, passes):
    """Whatever day it was when the rules were loaded."""
    rule = {"name": "fair", "from": ["ofis"], "to": ["db-merkez"], "services": ["fair"]}
    rule |= {"owner": "x", "reason": "y", "until": until}
    policy = {"services": {"fair": {"tcp": [4321]}}, "rules": [rule]}
    for gateway in ("gw-fen", "gw-merkez"):
        about = {"firewall": policy, "today": "2020-01-01"}
        text = ruleset(town.hosts[gateway].vars | about)
        world.load({gateway: text})
    refused = "ConnectionRefusedError" if passes else "TimeoutError"
    said = world.on("pc-fen", f'python3 -c "{CALL}" 2>&1 || true')
    assert refused in said
