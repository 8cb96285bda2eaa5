"""The routers know the way to every building."""

import json
import time
from ipaddress import ip_network

PATIENCE_SECONDS = 20  # a second for a first hello, a few for the databases
UNTIL = time.monotonic() + PATIENCE_SECONDS  # for all checks together: routers settle but once


def test_neighbours(host, tunnels):
    """Every tunnel has an OSPF neighbour in state Full."""

    def full():
        shown = json.loads(host.check_output("vtysh -c 'show ip ospf neighbor json'"))
        return {
            peer.get("ifaceName", "").split(":")[0]
            for found in shown["neighbors"].values()
            for peer in found
            if (peer.get("nbrState") or peer.get("state", "")).startswith("Full")
        }

    wanted = {tunnel["name"] for tunnel in tunnels}
    assert wanted <= awaited(full, wanted.issubset)


def test_neighbours6(host, tunnels):
    """Every tunnel has an OSPFv3 neighbour in state Full."""

    def full():
        shown = json.loads(host.check_output("vtysh -c 'show ipv6 ospf6 neighbor json'"))
        return {n["interfaceName"] for n in shown["neighbors"] if n["state"] == "Full"}

    wanted = {tunnel["name"] for tunnel in tunnels}
    assert wanted <= awaited(full, wanted.issubset)


def test_failure_is_noticed(host, tunnels):
    """BFD watches every tunnel and finds the other end up."""
    keys = ("peer_address", "peer_address6")
    wanted = {(tunnel["name"], tunnel[key]) for tunnel in tunnels for key in keys}

    def up():
        shown = json.loads(host.check_output("vtysh -c 'show bfd peers json'"))
        return {(p["interface"], p["peer"]) for p in shown if p["status"] == "up"}

    assert wanted <= awaited(up, wanted.issubset)


def test_routes(host, vars, tunnels):
    """The network of every other building is reached through its own tunnel."""
    for tunnel, zone, network in others(vars):
        if zone in vars["vpn_zones"]:
            # One that is not there yet has others in its place, perhaps through a third building.
            ways = [tunnel] if tunnel in tunnels else vars["tunnels"]
            wanted = {tunnel["name"] for tunnel in ways}
            assert awaited(lambda n=network: {way(host, n)}, wanted.issuperset) <= wanted, network


def test_no_route(host, vars):
    """No tunnel leads to networks that other buildings keep to themselves."""
    tunnels = {tunnel["name"] for tunnel in vars["tunnels"]}
    for _, zone, network in others(vars):
        if zone not in vars["vpn_zones"]:
            assert way(host, network) not in tunnels, network


def test_way_out(host, vars):
    """The way to the internet is the router's own, so that another line can take it over."""
    versions = {"gateway": 4, "gateway6": 6}
    for version in (versions[key] for key in versions if key in vars["lines"][0]):
        found = json.loads(host.check_output(f"ip -{version} -j route show default"))
        first = min(found, key=lambda route: route.get("metric", 0))
        assert first["protocol"] == "static", first


def others(vars):
    """Yield the cheapest tunnel, zone and network of all that lies behind the tunnels."""
    dearest_first = sorted(vars["tunnels"], key=lambda tunnel: -tunnel["cost"])
    for tunnel in {tunnel["peer_host"]: tunnel for tunnel in dearest_first}.values():
        networks = vars["town"]["buildings"][tunnel["peer_building"]]["networks"]
        yield from ((tunnel, zone, n) for zone, found in networks.items() for n in found)


def way(host, network):
    """Return the interface by which packets leave for ``network``."""
    done = host.run(f"ip -j route get {ip_network(network)[1]}")
    return json.loads(done.stdout)[0]["dev"] if done.rc == 0 else ""


def awaited(look, fits):
    """Return what ``look`` sees, once that fits, or patience has ended."""
    while not fits(found := look()) and time.monotonic() < UNTIL:
        time.sleep(1)
    return found
