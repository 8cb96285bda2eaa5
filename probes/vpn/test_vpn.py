"""Every tunnel carries traffic, and the buildings reach each other through them."""

import time

HANDSHAKE_SECONDS = 240  # WireGuard renews after 120 s while traffic flows
FULL_PACKET = 1372  # fills a packet of 1400 bytes: finds a tunnel that only lets small ones pass


def test_handshakes(host, tunnels):
    """every tunnel has shaken hands lately"""
    for tunnel in tunnels:
        last = int(host.check_output(f"wg show {tunnel['name']} latest-handshakes").split()[-1])
        assert time.time() - last < HANDSHAKE_SECONDS, tunnel["name"]


def test_tunnels(host, tunnels):
    """the other end of every tunnel answers, to full packets as well"""
    for tunnel in tunnels:
        command = f"ping -q -c 2 -i 0.2 -W 2 -M do -s {FULL_PACKET} -I {tunnel['name']}"
        assert host.run(f"{command} {tunnel['peer_address']}").rc == 0, tunnel["name"]


def test_lan_to_lan(host, vars):
    """this building's LAN reaches the LAN of every other building"""
    for building in {tunnel["peer_building"] for tunnel in vars["tunnels"]}:
        there = vars["town"]["buildings"][building]
        reaches(host, vars["building"], [there["gateway"], there["gateway6"]])


def test_hosts_of_other_buildings(host, vars, town):
    """every host of the buildings that a tunnel leads to answers"""
    peers = {tunnel["peer_building"] for tunnel in vars["tunnels"]}
    for other in town["hosts"].values():
        if other["building"]["name"] in peers:
            reaches(host, vars["building"], [other["ansible_host"], other.get("address6")])


def reaches(host, building, addresses):
    """Ping an IPv4 and an IPv6 address from the building's LAN, where both sides have one."""
    for own, there in zip((building["gateway"], building["gateway6"]), addresses, strict=True):
        if own and there:
            assert host.run(f"ping -q -c 2 -i 0.2 -W 2 -I {own} {there}").rc == 0, there


def test_private_key(host):
    """the private key is root's alone"""
    key = host.file("/etc/wireguard/private.key")
    assert (key.user, key.mode) == ("root", 0o600)
