"""Translating what FRR and Linux print: the cases that the two routers do not show."""

import pytest

from napalm_frr import translate
from napalm_frr.bgp_config import bgp_config


@pytest.mark.parametrize(
    ("uptime", "expected"),
    [("00:01:06", 66), ("1d02h03m", 93780), ("02w1d00h", 1296000), ("", -1), ("never", -1)],
)
def test_uptimes(uptime, expected):
    assert translate.seconds(uptime) == expected


def test_an_interface_that_is_only_named_in_the_configuration_is_no_interface():
    shown = {"wg9": {"index": 0, "mtu": 0}, "lan0": {"index": 2, "mtu": 1500, "speed": 4294967295}}
    assert list(translate.interfaces(shown)) == ["lan0"]
    assert translate.interfaces(shown)["lan0"]["speed"] == 0.0


def test_a_ping_without_an_answer_is_a_loss():
    out = "2 packets transmitted, 0 received, 100% packet loss, time 203ms\n"
    assert translate.ping(out, "")["success"]["packet_loss"] == 2


def test_a_ping_that_cannot_be_sent_is_an_error():
    assert translate.ping("", "ping: nowhere: unknown\n") == {"error": "ping: nowhere: unknown"}


def test_only_what_a_bridge_learnt_is_in_the_mac_table():
    entries = [
        {"mac": "33:33:00:00:00:01", "ifname": "lan0", "flags": ["self"], "state": "permanent"},
        {"mac": "aa:bb:cc:00:00:01", "ifname": "p1", "master": "br0", "updated": 7, "state": ""},
    ]
    assert [(e["mac"], e["static"]) for e in translate.mac_table(entries)] == [
        ("AA:BB:CC:00:00:01", False)
    ]


@pytest.mark.parametrize("chassis", [{"sw1": {"id": {"value": "aa"}}}, {"id": {"value": "aa"}}])
def test_one_lldp_neighbour_comes_without_a_list(chassis):
    entry = {"chassis": chassis, "port": {"id": {"value": "ge-0/0/1"}}}
    shown = {"lldp": {"interface": {"lan0": entry}}}
    assert translate.lldp(shown)["lan0"][0]["port"] == "ge-0/0/1"
    assert translate.lldp({"lldp": {}}) == {}


def test_routes_are_filtered_by_protocol():
    hop = {"ip": "10.0.0.1", "interfaceName": "lan0", "fib": True, "active": True}
    shown = {
        "10.0.0.0/8": [
            {"protocol": "ospf", "distance": 110, "nexthops": [hop], "uptime": "00:00:05"},
            {"protocol": "bgp", "distance": 20, "selected": True, "nexthops": [hop]},
        ]
    }
    routes = translate.routes(shown, "bgp")["10.0.0.0/8"]
    assert [(r["protocol"], r["current_active"], r["age"]) for r in routes] == [("bgp", True, -1)]
    assert len(translate.routes(shown)["10.0.0.0/8"]) == 2


BGP = """router bgp 65001
 neighbor TOWN peer-group
 neighbor TOWN remote-as 65002
 neighbor 10.0.0.2 peer-group TOWN
 neighbor 10.0.0.2 description the second building
 neighbor 10.0.0.3 remote-as internal
 neighbor 10.0.0.3 password s3cret
 address-family ipv4 unicast
  neighbor TOWN route-map IN in
  neighbor 10.0.0.3 next-hop-self
 exit-address-family
exit
"""


def test_peers_inherit_from_their_group():
    groups = bgp_config(BGP)
    assert groups["TOWN"]["type"] == "external"
    peer = groups["TOWN"]["neighbors"]["10.0.0.2"]
    assert (peer["remote_as"], peer["import_policy"]) == (65002, "IN")
    alone = groups["_"]["neighbors"]["10.0.0.3"]
    assert (alone["remote_as"], alone["authentication_key"], alone["nhs"]) == (
        65001,
        "s3cret",
        True,
    )


def test_one_group_or_one_peer_can_be_asked_for():
    assert list(bgp_config(BGP, group="TOWN")) == ["TOWN"]
    assert list(bgp_config(BGP, neighbor="10.0.0.3")["_"]["neighbors"]) == ["10.0.0.3"]
