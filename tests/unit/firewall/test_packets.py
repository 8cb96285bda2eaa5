"""The packet prober on namespaces with the lab's own rules: what is wrong there is found."""

import os
import subprocess
from pathlib import Path

import pytest
from namespaces import namespaces

from kahya.firewall import review
from kahya.inventory import load
from probes.firewall import packets

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: root only")
FORGE = """
import socket, sys
for word in (b"1", b"2"):
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        sender.bind((sys.argv[1], 0))
        sender.sendto(word, (sys.argv[2], 123))
"""
HOSTS = ["pc-fen", "ws-merkez", "db-merkez", "web-merkez", "misafir-fen", "kamera-itfaiye",
         "pc-itfaiye", "internet"]  # fmt: skip


@pytest.fixture(scope="module")
def town():
    return load(ROOT / "inventories/lab")


@pytest.fixture(scope="module")
def matrix(town):
    return review.matrix_of(town)


@pytest.fixture(scope="module")
def world(town, matrix):
    with namespaces(matrix, HOSTS) as made:
        made.load(review.rulesets(town))
        yield made


@pytest.fixture(scope="module")
def tried(matrix):
    gateways = packets.ends(matrix, list(matrix.gateways))
    return list(packets.flows(matrix, packets.ends(matrix, HOSTS), gateways))


def wrong(tried, world):
    return [seen for seen in packets.probe(tried, world.login) if not seen.right]


def of(tried, source):
    return [one for one in tried if one[0] == source]


def test_enough_is_tried(tried, matrix):
    assert len({flow.source.zone for _s, _t, flow in tried}) >= 6
    assert len(matrix.policy.services) >= 15
    assert {flow.to.address.version for _s, _t, flow in tried} == {4, 6}
    answered = [flow for _s, _t, flow in tried if flow.arrives]
    assert any(flow.arrives[1] != flow.knock.port for flow in answered)  # a forwarded port
    assert {flow.to.address.version for flow in answered} == {4, 6}


def test_packets_do_as_the_policy_says(tried, world):
    assert packets.table(wrong(tried, world)).count("\n") == 0


def test_a_rule_too_many_is_found(tried, world, town):
    rule = "inet kahya forward ip saddr 10.20.43.0/24 ip daddr 10.20.1.10 tcp dport 5432 accept"
    for gateway in ("gw-itfaiye", "gw-merkez"):
        world.on(gateway, f"PATH=$PATH:/usr/sbin; nft insert rule {rule}")
    try:
        rows = {seen.row for seen in wrong(of(tried, "kamera-itfaiye"), world)}
    finally:
        world.load(review.rulesets(town))
    assert rows == {
        ("kamera-itfaiye (kamera)", "db-merkez (sunucu)", "postgresql (tcp/5432)", "IPv4",
         "dropped", "by db-merkez"),
    }  # fmt: skip


def test_a_missing_rule_is_found(tried, world, town):
    world.on("gw-merkez", "PATH=$PATH:/usr/sbin; nft flush chain inet kahya published")
    try:
        rows = {seen.row for seen in wrong(of(tried, "internet"), world)}
    finally:
        world.load(review.rulesets(town))
    found = ("internet (internet)", "web-merkez (gateway)", "tcp/8443")
    assert rows == {(*found, family, "answered", "dropped") for family in ("IPv4", "IPv6")}


@pytest.mark.parametrize("host", ["misafir-fen", "internet"])
def test_who_claims_an_office_address_is_dropped(world, host, matrix):
    """Seen at the rule's own counter: that nobody answers proves nothing."""
    about = matrix.gateways["gw-fen"]["interfaces"]
    zone = {"misafir-fen": "misafir", "internet": "wan"}[host]
    name, goal = next((n, i["address"]) for n, i in about.items() if i["zone"] == zone)
    claim = "10.20.2.77"

    def dropped():
        chain = world.on("gw-fen", "PATH=$PATH:/usr/sbin; nft list chain inet kahya guard")
        return packets.counted(chain, name, "spoofed")

    before = dropped()
    world.on(host, f"ip address add {claim}/32 dev lo")
    try:
        world.on(host, f"python3 -c '{FORGE}' {claim} {goal.split('/')[0]}")
    finally:
        world.on(host, f"ip address del {claim}/32 dev lo")
    assert dropped() == before + 2


def test_a_daemon_that_answers_nobody_is_told_apart(tried, world):
    """It can't be seen whether what was said to it got through or was dropped."""
    mine = [one for one in of(tried, "misafir-fen") if one[1] == "db-merkez"]
    daemon = "import socket; s = socket.socket(type=socket.SOCK_DGRAM)"
    daemon += "; s.bind((str(), 123)); print(flush=True); input()"
    words = [*world.login("db-merkez"), "python3", "-c", daemon]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        one.stdout.readline()
        seen = packets.probe(mine, world.login)
        one.communicate("\n", timeout=20)
    silent = {(s.flow.label, s.flow.to.address.version) for s in seen if s.silent}
    assert silent == {("ntp (udp/123)", 4)}
    assert all(s.right for s in seen)


def test_nothing_stays_behind(world):
    for host in (*HOSTS, "gw-merkez"):
        assert world.on(host, "ss -Hltun") == ""
