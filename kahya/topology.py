"""What follows from the inventory: gateways, networks, tunnels between buildings, router ids."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface, ip_interface
from itertools import combinations
from typing import Any

WAN = "wan"
"""The zone of the carrier's network."""

TUNNEL_PORT = 51820
TUNNEL_COST = 10


def tunnel_address(own: int, peer: int) -> str:
    """Return the address of building ``own`` on its tunnel to ``peer``: one /30 for each pair.

    >>> tunnel_address(1, 3), tunnel_address(3, 1)
    ('10.255.1.13', '10.255.1.14')
    """
    low, high = sorted((own, peer))
    return f"10.255.{low}.{4 * high + (1 if own == low else 2)}"


def derive(hosts: Mapping[str, dict[str, Any]], town: Mapping[str, Any]) -> None:
    """Add ``building.gateway``, ``town``, ``tunnels`` and ``router_id`` to the hosts' variables.

    So does ``building`` get ``gateway6`` and ``networks``: lists of CIDRs by zone, without the
    carrier's.

    Args:
        hosts: variables by host name, already validated; changed in place.
        town: ``id`` and ``name`` of the town.
    """
    gateways = {v["building"]["name"]: v for v in hosts.values() if "gateways" in v["group_names"]}
    buildings = {v["building"]["name"]: v["building"] for v in hosts.values()}
    for name, building in buildings.items():
        gateway = gateways.get(name, {"ansible_host": None})
        building["gateway"] = gateway["ansible_host"]
        building["gateway6"] = _address6(gateway)
        building["networks"] = _networks(gateway)
    for variables in hosts.values():
        variables["building"] = buildings[variables["building"]["name"]]
        variables["town"] = {**town, "buildings": buildings}
    for gateway in gateways.values():
        gateway["router_id"] = f"10.255.255.{gateway['building']['number']}"
        gateway["tunnels"] = []
    # A gateway of another make has no WireGuard.
    ends = [gateway for gateway in gateways.values() if "vpn_public_key" in gateway]
    for one, other in combinations(sorted(ends, key=_number), 2):
        one["tunnels"].append(_tunnel(one, other))
        other["tunnels"].append(_tunnel(other, one))


def interfaces_of(part: Mapping[str, Any]) -> list[IPv4Interface | IPv6Interface]:
    """Return the addresses, with their networks, of an interface, tunnel or host; IPv4 first."""
    return [ip_interface(part[key]) for key in ("address", "address6") if part.get(key)]


def lan_of(address: str, gateway: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the gateway's interface, with its ``name``, in whose IPv4 network ``address`` is."""
    for name, interface in gateway.get("interfaces", {}).items():
        if IPv4Address(address) in ip_interface(interface["address"]).network:
            return {"name": name, **interface}
    return None


def _address6(gateway: Mapping[str, Any]) -> str | None:
    """Return the IPv6 address of a gateway in its building's LAN, if it has one."""
    lan = lan_of(gateway["ansible_host"], gateway) if "interfaces" in gateway else None
    return lan["address6"].split("/")[0] if lan and "address6" in lan else None


def _networks(gateway: Mapping[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for interface in gateway.get("interfaces", {}).values():
        if interface["zone"] != WAN:
            own = found.setdefault(interface["zone"], [])
            own += [str(address.network) for address in interfaces_of(interface)]
    return found


def wan_address(gateway: Mapping[str, Any]) -> str:
    """Return the address of a gateway on the carrier's network, without its prefix length."""
    wan = next(i for i in gateway["interfaces"].values() if i["zone"] == WAN)
    return str(wan["address"]).split("/")[0]


def _number(variables: Mapping[str, Any]) -> int:
    return int(variables["building"]["number"])


def _tunnel(own: Mapping[str, Any], peer: Mapping[str, Any]) -> dict[str, Any]:
    mine, theirs = _number(own), _number(peer)
    return {
        "name": f"wg-{peer['building']['name']}",
        "peer_host": peer["inventory_hostname"],
        "peer_building": peer["building"]["name"],
        "peer_number": theirs,
        "peer_lan": peer["building"]["lan"],
        "peer_public_key": peer["vpn_public_key"],
        "address": f"{tunnel_address(mine, theirs)}/30",
        "address6": f"fe80::{mine}/64",  # OSPFv3 speaks from it; WireGuard makes none by itself
        "peer_address": tunnel_address(theirs, mine),
        "peer_address6": f"fe80::{theirs}",
        "listen_port": TUNNEL_PORT + theirs,
        "endpoint": f"{wan_address(peer)}:{TUNNEL_PORT + mine}",
        "cost": TUNNEL_COST,
    }
