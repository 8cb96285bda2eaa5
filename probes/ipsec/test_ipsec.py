"""Tunnels to the gateways of others carry traffic, with strong ciphers, and there are no others."""

import re
import time

import pytest

IKE = "AES_GCM_16-256/PRF_HMAC_SHA2_384/ECP_384"
ESP = {"ESP:AES_GCM_16-256", "ESP:AES_GCM_16-256/ECP_384"}  # made with IKE's keys, and renewed
PROBE_SECONDS = 45  # the daemon tries again after 20


def associations(host):
    """Return what the daemon says of each connection that is up, by its name."""
    if host.run("systemctl -q is-active strongswan").rc:
        return {}
    text = host.check_output("swanctl --list-sas 2>/dev/null")
    found = re.split(r"^(\S+): #\d+, ", text, flags=re.MULTILINE)[1:]
    return dict(zip(found[::2], found[1::2], strict=True))


def test_declared_tunnels(host, vars):
    """the tunnels to others' gateways are up, with AES-256-GCM and ECP-384; there are no others"""
    peers = {peer["name"] for peer in vars["ipsec_peers"]}
    until = time.monotonic() + PROBE_SECONDS
    while not _up(found := associations(host), peers) and time.monotonic() < until:
        time.sleep(1)
    assert found.keys() == peers
    for name, text in found.items():
        assert text.startswith("ESTABLISHED, IKEv2"), name
        assert re.search(f"^  {IKE}$", text, re.MULTILINE), text
        states, ciphers = zip(*re.findall(r"(\w+), TUNNEL-in-UDP, (\S+)", text), strict=True)
        assert "INSTALLED" in states, text
        assert set(ciphers) <= ESP, text


@pytest.fixture
def peers(host, vars):  # noqa: ARG001 - its results are this host's
    """The others' gateways; most gateways have none."""
    return vars["ipsec_peers"] or pytest.skip("there are none")


def test_traffic(host, vars, peers):
    """what is behind the others' gateways answers this building's LAN"""
    own = vars["building"]["gateway"]
    for peer in peers:
        command = f"ping -q -c 2 -i 0.2 -W 2 -I {own} {peer['answers']}"
        assert host.run(command).rc == 0, peer["name"]


def _up(found, peers):
    return found.keys() == peers and all("INSTALLED" in text for text in found.values())
