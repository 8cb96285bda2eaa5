"""What conntrack, the kernel and lease files say, as records."""

import json
from pathlib import Path

import pytest
from sources import connection, leases, neighbours

GOLDEN = Path(__file__).parents[2] / "golden/accesslog"
OWN = {"10.99.1.1", "203.0.113.11"}


def test_conntrack_as_it_really_prints():
    """Recorded from conntrack 1.4.7 on a gateway with masquerading and a published service."""
    lines = (GOLDEN / "conntrack.txt").read_text(encoding="utf-8").splitlines()
    found = [connection(line, OWN) for line in lines]
    expected = (GOLDEN / "conntrack.jsonl").read_text(encoding="utf-8").splitlines()
    assert [list(one) if one else None for one in found] == [json.loads(line) for line in expected]


@pytest.mark.parametrize(
    "line", ["", "NOTICE: src=", "[1.0] [NEW] ipv4", "src=1.1.1.1 dst=2.2.2.2"]
)
def test_what_is_no_connection_is_none(line):
    assert connection(line, OWN) is None


def test_neighbours_of_the_inner_side_only():
    rows = [
        {"dst": "10.99.1.50", "dev": "lan0", "lladdr": "2a:33:87:58:96:72", "state": ["STALE"]},
        {"dst": "10.99.1.51", "dev": "lan0", "state": ["FAILED"]},
        {"dst": "fe80::1", "dev": "lan0", "lladdr": "2a:33:87:58:96:72", "state": ["STALE"]},
        {"dst": "203.0.113.1", "dev": "wan0", "lladdr": "62:b0:aa:61:64:22", "state": ["STALE"]},
    ]
    assert neighbours(json.dumps(rows), ["lan0"]) == {"10.99.1.50": "2a:33:87:58:96:72"}
    assert neighbours("", ["lan0"]) == {}


def test_leases_of_kea_and_of_dnsmasq():
    kea = (
        "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n"
        "10.0.0.5,02:00:00:00:00:05,,3600,1795791193,1,0,0,old.,0,\n"
        "10.0.0.5,02:00:00:00:00:06,,3600,1795794793,1,0,0,pc-ali.,0,\n"
        "10.0.0.6,02:00:00:00:00:07,,3600,1795794793,1,0,0,gone,1,\n"
        "10.0.0.7,02:00:00:00:00:08,,0,1795794793,1,0,0,released,0,\n"
    )
    assert leases(kea) == {"10.0.0.5": ("02:00:00:00:00:06", "pc-ali")}
    dnsmasq = (
        "1795791193 02:00:00:00:00:05 10.0.0.5 pc-ali *\n"
        "1795791193 02:00:00:00:00:06 10.0.0.6 * *\nduid 00:01\n"
    )
    assert leases(dnsmasq) == {
        "10.0.0.5": ("02:00:00:00:00:05", "pc-ali"),
        "10.0.0.6": ("02:00:00:00:00:06", ""),
    }
