"""Find what is wrong in networks and addresses, once each part is well-formed by itself."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network
from itertools import combinations
from typing import NamedTuple

from kahya.i18n import _
from kahya.inventory_check import Problem, at, one_of
from kahya.inventory_reader import RawHost, RawInventory
from kahya.topology import MAIN, WAN, lan_of, line_of

KEYS = ("address", "address6")


class Network(NamedTuple):
    """A network, and the keys where it is written; ``wan``: it is the carrier's."""

    host: RawHost
    path: list[str | int]
    subnet: IPv4Network | IPv6Network
    wan: bool = False


def check_zones(raw: RawInventory) -> list[Problem]:
    """Compare networks, the gateways' interfaces and the hosts' addresses with each other."""
    problems: set[Problem] = set()
    networks: list[Network] = []
    zones = {i["zone"] for h in raw.hosts.values() for i in h.vars.get("interfaces", {}).values()}
    for members in (raw.groups[b] for b in raw.children["buildings"] if raw.groups[b]):
        gateway = next(raw.hosts[n] for n in members if n in raw.groups["gateways"])
        own, broken = _networks(gateway), set(_gateway(gateway))
        problems |= {*broken, *_named(gateway, zones - {WAN})}
        if broken:  # what else its interfaces are at odds with would say the same once more
            own = [network for network in own if network.path[0] == "building"]
        else:
            for host in (raw.hosts[name] for name in members if name != gateway.name):
                problems |= set(_place(host, gateway, own))
        networks += own
    problems |= {*_overlaps(networks), *_twice(raw)}
    return sorted(problems)


def _networks(gateway: RawHost) -> list[Network]:
    """Return each network of a gateway's building once, the carrier's last."""
    building, interfaces = gateway.vars["building"], gateway.vars["interfaces"]
    found = {
        ip_network(building[key]): (["building", key], False)
        for key in ("lan", "lan6")
        if key in building
    }
    for name, subnet in building.get("vlans", {}).items():
        found.setdefault(ip_network(subnet), (["building", "vlans", name], False))
    for name, interface in sorted(interfaces.items(), key=lambda item: item[1]["zone"] == WAN):
        for key in (key for key in KEYS if key in interface):
            where = (["interfaces", name, key], interface["zone"] == WAN)
            found.setdefault(ip_interface(interface[key]).network, where)
    return [Network(gateway, [*path], subnet, wan) for subnet, (path, wan) in found.items()]


def _overlaps(networks: list[Network]) -> Iterator[Problem]:
    for one, other in combinations(networks, 2):
        a, b = one.subnet, other.subnet
        # What several gateways share is the carrier's.
        if a.version == b.version and a.overlaps(b) and not (one.wan and other.wan):
            same = one.host is other.host
            name = str(one.path[-1]) if one.path[0] == "building" else str(one.path[1])
            message = _("{subnet} overlaps {other}, which is {name}").format(
                subnet=b, other=a, name=name if same else f"{name} ({one.host.name})"
            )
            yield at(other.host, other.path, message, _("a subnet of its own"))


def _gateway(gateway: RawHost) -> Iterator[Problem]:
    """Find what a gateway lacks: a way out, and its address in the building's LAN."""
    building, interfaces = gateway.vars["building"], gateway.vars["interfaces"]
    path: list[str | int] = ["interfaces"]
    yield from _lines(gateway)
    wanted = f"{gateway.vars['ansible_host']}/{ip_network(building['lan']).prefixlen}"
    name = next((n for n, i in interfaces.items() if i["address"] == wanted), "")
    if not name or ip_interface(wanted).network != ip_network(building["lan"]):
        message = _("{gateway} has no interface with its own address in {lan}").format(
            gateway=gateway.name, lan=building["lan"]
        )
        yield at(
            gateway, path, message, _("an interface with address: {address}").format(address=wanted)
        )
        return
    address6, lan6 = interfaces[name].get("address6"), building.get("lan6")
    if (ip_interface(address6).network if address6 else None) != (lan6 and ip_network(lan6)):
        message = _("{name} of {gateway} is not in the building's lan6 {lan6}").format(
            name=name, gateway=gateway.name, lan6=lan6 or ""
        )
        yield at(gateway, [*path, name, *(["address6"] if address6 else [])], message,
                 _("address6 and building.lan6 of the same subnet, or none of them"))  # fmt: skip


def _named(gateway: RawHost, zones: set[str]) -> Iterator[Problem]:
    """Find names of zones that are none."""
    answered = gateway.vars.get("resolver", {}).get("zones", ())
    for *path, names in (
        ("vpn_zones", gateway.vars.get("vpn_zones", ())),
        ("resolver", "zones", answered),
    ):
        for index, zone in enumerate(names):
            if zone not in zones:
                message = _("no interface is in the zone {zone}").format(zone=repr(zone))
                yield at(gateway, [*path, index], message, one_of(sorted(zones)))


def _lines(gateway: RawHost) -> Iterator[Problem]:
    """Find what a gateway's lines to carriers lack: one is the main one, others have a router."""
    interfaces, seen = gateway.vars["interfaces"], set()
    for name, interface in interfaces.items():
        own = {key for key in ("line", "gateway", "gateway6") if key in interface}
        path: list[str | int] = ["interfaces", name]
        if interface["zone"] != WAN:
            for key in sorted(own):
                message = _("{name} leads to no carrier").format(name=name)
                yield at(gateway, [*path, key], message, _("it only beside zone: wan"))
            continue
        line = line_of(interface)
        if line in seen:
            message = _("{gateway} has another {line} line").format(gateway=gateway.name, line=line)
            yield at(gateway, path, message, _("line: backup, on one of two"))
        seen.add(line)
        if line != MAIN and gateway.vars["platform"] != "frr":
            message = _("{platform} can have one line only").format(
                platform=gateway.vars["platform"]
            )
            yield at(gateway, [*path, "line"], message, _("the main line alone"))
        if line != MAIN and "gateway" not in interface:
            message = _("the carrier's router on {name} is missing").format(name=name)
            yield at(gateway, path, message, _("gateway: and its address"))
        for key, address in (("gateway", "address"), ("gateway6", "address6")):
            network = ip_interface(interface[address]).network if address in interface else ()
            if key in own and ip_address(interface[key]) not in network:
                message = _("{address} is not in the network of {name}")
                message = message.format(address=interface[key], name=name)
                yield at(gateway, [*path, key], message, _("an address of that network"))
    if MAIN not in seen:
        message = _("{gateway} has no interface in the zone wan").format(gateway=gateway.name)
        yield at(gateway, ["interfaces"], message, _("an interface with zone: wan"))


def _place(host: RawHost, gateway: RawHost, networks: list[Network]) -> Iterator[Problem]:
    """Find an address that is in no network of its building, or not in that of the other one."""
    address, lan = host.vars["ansible_host"], gateway.vars["building"]["lan"]
    if not any(ip_address(address) in n.subnet for n in networks if not n.wan):
        message = _("{address} of {host} is outside its building's {lan}").format(
            address=address, host=host.name, lan=lan
        )
        yield at(host, ["ansible_host"], message, _("an address of {lan}").format(lan=lan))
    elif address6 := host.vars.get("address6"):
        network6 = (lan_of(address, gateway.vars) or {}).get("address6")
        if not network6:
            message = _("there is no IPv6 where {host} stands").format(host=host.name)
            expected = _("no address6, or one for the gateway's interface, too")
            yield at(host, ["address6"], message, expected)
        elif ip_address(address6) not in (subnet := ip_interface(network6).network):
            message = _("{address} of {host} is outside {subnet}, the IPv6 network of its LAN")
            message = message.format(address=address6, host=host.name, subnet=subnet)
            yield at(host, ["address6"], message, _("an address of {lan}").format(lan=subnet))


def _twice(raw: RawInventory) -> Iterator[Problem]:
    """Find addresses that two hosts have."""
    seen: dict[str, str] = {}
    for host in raw.hosts.values():
        places: list[tuple[list[str | int], str]] = [
            ([key], host.vars[key]) for key in ("ansible_host", "address6") if key in host.vars
        ]
        places += [
            (["interfaces", name, key], interface[key].split("/")[0])
            for name, interface in host.vars.get("interfaces", {}).items()
            for key in KEYS
            if key in interface
        ]
        for path, text in places:
            address = str(ip_address(text))
            if seen.setdefault(address, host.name) != host.name:
                message = _("{host} has the address of {other}").format(
                    host=host.name, other=seen[address]
                )
                yield at(host, path, message, _("an address of its own"))
