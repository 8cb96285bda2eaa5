"""A rule too many on a real gateway is found by real packets, and named."""

import pytest
from admin import kahya, on

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
