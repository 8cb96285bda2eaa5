"""What follows from the inventory: gateways, lines, networks, tunnels, router ids."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface, ip_interface
from itertools import combinations, product
from typing import Any

WAN = "wan"
"""The zone of the carrier's network."""

MAIN, BACKUP = "main", "backup"
LINES = {MAIN: 5, BACKUP: 50}
"""A gateway's lines to carriers, each with its share of a tunnel's OSPF cost."""

IPSEC = "ipsec0"
"""The interface on which strongSwan has what is behind the gateways of others (deploys/ipsec)."""

TUNNEL_PORT = 51820
LINE_TABLE = 101
"""The routing table, and the mark, of the first of LINES; the next one has the next."""

STEP = 64
"""One more than the highest number of a building."""

End = tuple[int, str]
"""A building's number and one of its lines."""


def tunnel_address(own: End, peer: End) -> str:
    """Return the address of ``own`` on its tunnel to ``peer``: one /30 for each pair of ends.

    >>> tunnel_address((1, "main"), (3, "main")), tunnel_address((3, "main"), (1, "main"))
    ('10.255.1.13', '10.255.1.14')
    >>> tunnel_address((1, "main"), (3, "backup"))
    '10.255.65.13'
    """
    low, high = sorted((own, peer))
    third = low[0] + STEP * _pair(low[1], high[1])
    return f"10.255.{third}.{4 * high[0] + (1 if own == low else 2)}"


def tunnel_port(own: str, peer: End) -> int:
    """Return the UDP port on which line ``own`` awaits ``peer``.

    >>> tunnel_port("main", (3, "main")), tunnel_port("main", (3, "backup"))
    (51823, 51887)
    """
    return TUNNEL_PORT + STEP * _pair(own, peer[1]) + peer[0]


def _pair(one: str, other: str) -> int:
    names = list(LINES)
    return len(names) * names.index(one) + names.index(other)


def derive(hosts: Mapping[str, dict[str, Any]], town: Mapping[str, Any]) -> None:
    """Add ``building.gateway``, ``town``, ``lines``, ``tunnels`` and ``router_id`` to variables.

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
        gateway["lines"], gateway["tunnels"] = lines_of(gateway), []
    ready = [gateway for gateway in gateways.values() if "vpn_public_key" in gateway]
    for one, other in combinations(sorted(ready, key=_number), 2):
        for line, far in product(one["lines"], other["lines"]):
            one["tunnels"].append(_tunnel(one, line, other, far))
            other["tunnels"].append(_tunnel(other, far, one, line))


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


def lines_of(gateway: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a gateway's lines to carriers, the main one first: its interfaces in zone wan.

    Each has ``line``, ``interface``, ``address``, ``gateway``, where there is IPv6 ``gateway6``,
    and ``table``: its routing table, and the mark of what has to leave by it.
    """
    found = [(n, i) for n, i in gateway["interfaces"].items() if i["zone"] == WAN]
    names = list(LINES)
    lines = []
    for name, interface in sorted(found, key=lambda pair: names.index(line_of(pair[1]))):
        common = gateway if line_of(interface) == MAIN else {}  # another carrier's, else
        ways = {
            key: interface.get(key, common.get(f"wan_{key}"))
            for key, address in (("gateway", "address"), ("gateway6", "address6"))
            if address in interface
        }
        lines.append(
            {
                "line": line_of(interface),
                "interface": name,
                "address": interface["address"].split("/")[0],
                "table": LINE_TABLE + names.index(line_of(interface)),
                **{key: way for key, way in ways.items() if way},
            }
        )
    return lines


def line_of(interface: Mapping[str, Any]) -> str:
    """Return which line an interface in zone wan is."""
    return str(interface.get("line", MAIN))


def wan_address(gateway: Mapping[str, Any]) -> str:
    """Return the address of a gateway on its main line, without its prefix length."""
    return str(lines_of(gateway)[0]["address"])


def _number(variables: Mapping[str, Any]) -> int:
    return int(variables["building"]["number"])


def _tunnel(
    own: Mapping[str, Any], line: Mapping[str, Any], peer: Mapping[str, Any], far: Mapping[str, Any]
) -> dict[str, Any]:
    mine, theirs = (_number(own), line["line"]), (_number(peer), far["line"])
    names, pair = list(LINES), (line["line"], far["line"])
    key = "vpn_public_key_next" if pair != (MAIN, MAIN) else "vpn_public_key"
    lines = "" if pair == (MAIN, MAIN) else "".join(str(names.index(one)) for one in pair)
    return {
        "name": f"wg{lines}-{peer['building']['name']}",
        "line": line["line"],
        "peer_line": far["line"],
        "interface": line["interface"],
        "table": line["table"],
        "peer_host": peer["inventory_hostname"],
        "peer_building": peer["building"]["name"],
        "peer_number": theirs[0],
        "peer_lan": peer["building"]["lan"],
        "public_key": own.get(key, own["vpn_public_key"]),
        "next_key": pair != (MAIN, MAIN) and "vpn_public_key_next" in own,
        "peer_public_key": peer.get(key, peer["vpn_public_key"]),
        "address": f"{tunnel_address(mine, theirs)}/30",
        "address6": f"fe80::{mine[0]}/64",  # OSPFv3 speaks from it; WireGuard makes none by itself
        "peer_address": tunnel_address(theirs, mine),
        "peer_address6": f"fe80::{theirs[0]}",
        "listen_port": tunnel_port(line["line"], theirs),
        "endpoint": f"{far['address']}:{tunnel_port(far['line'], mine)}",
        "cost": LINES[line["line"]] + LINES[far["line"]],
    }
