"""Real gateways: a rule too many is found by real packets; no load of the rules is noticed."""

import pytest
from admin import ROOT, found, kahya, on
from reloading import LOADS, load_alternately, talk_while

from kahya.inventory import load

pytestmark = pytest.mark.usefixtures("bring_up")
GATEWAYS = ("gw-itfaiye", "gw-merkez")
RULE = "inet kahya forward ip saddr 10.20.43.0/24 ip daddr 10.20.1.10 tcp dport 445 accept"


def test_the_matrix_finds_a_rule_too_many():
    for gateway in GATEWAYS:
        on(gateway, f"nft insert rule {RULE}")
    try:
        wrong = kahya("probe", "--system", "firewall")
    finally:
        for gateway in GATEWAYS:
            on(gateway, "nft -f /etc/nftables.conf")
    assert wrong.returncode == 1
    assert "kamera-itfaiye (kamera)" in wrong.stdout
    assert "smb (tcp/445)" in wrong.stdout


def test_fifty_loads_lose_no_connection_no_packet_and_no_count():
    town, kept = load(ROOT / "inventories/lab"), {}
    answered, lost = talk_while(
        lambda: kept.update(load_alternately(town, on)),
        town,
        lambda host: [ROOT / "scripts/lab", "exec", host],
    )
    print(dict(answered))
    assert lost == []
    assert all(answered[kind] > LOADS for kind in ("tcp", "udp", "new tcp", "new udp"))
    for before, after in kept.values():
        assert [rule for rule, count in after.items() if count < before.get(rule, 0)] == []
    assert found("--system", "firewall")[0] == 0
