"""The routers know the way to every building."""

import json
import time


def test_neighbours(host, vars):
    """Every tunnel has an OSPF neighbour in state Full."""
    wanted = {tunnel["name"] for tunnel in vars["tunnels"]}
    for _ in range(20):  # a second for a first hello, a few for the databases
        shown = json.loads(host.check_output("vtysh -c 'show ip ospf neighbor json'"))
        peers = [peer for found in shown["neighbors"].values() for peer in found]
        full = {
            peer.get("ifaceName", "").split(":")[0]
            for peer in peers
            if (peer.get("nbrState") or peer.get("state", "")).startswith("Full")
        }
        if full == wanted:
            break
        time.sleep(1)
    assert full == wanted


def test_failure_is_noticed(host, vars):
    """BFD watches every tunnel and finds the other end up."""
    shown = json.loads(host.check_output("vtysh -c 'show bfd peers json'"))
    up = {peer["peer"] for peer in shown if peer["status"] == "up"}
    assert up == {tunnel["peer_address"] for tunnel in vars["tunnels"]}


def test_routes(host, vars):
    """The network of every other building is reached through its own tunnel."""
    for tunnel in vars["tunnels"]:
        route = json.loads(host.check_output(f"ip -j route get {_first(tunnel['peer_lan'])}"))
        assert route[0]["dev"] == tunnel["name"], f"{tunnel['peer_lan']} goes by {route[0]['dev']}"


def _first(subnet: str) -> str:
    return subnet.rsplit(".", 1)[0] + ".1"
