"""Find what is wrong in the intent for the switches, once each part is well-formed by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from typing import Any

from kahya.i18n import _
from kahya.inventory_check import Problem, at, one_of
from kahya.inventory_reader import RawHost, RawInventory
from kahya.switching import EXAMPLE, HASH, gateway_address, management_subnet, ports_of

Row = tuple[list[str | int], dict[str, Any]]
"""An entry of a list, and the keys that lead to it."""

USERS = (("aaa", "users", "name"), ("snmp", "users", "name"))
RADIUS = ("aaa", "radius", "address")
SECRET_KEYS = {"auth_password", "priv_password", "key", *HASH.values()}
GATEWAY_KEYS = {"psk", "fortigate_access_token"}


def check_network(raw: RawInventory) -> list[Problem]:
    """Compare VLANs, roles, ports, subnets and users with each other."""
    problems: set[Problem] = set()
    members = {b: raw.groups[b] for b in raw.children.get("buildings", ())}
    first = [raw.hosts[names[0]] for names in members.values() if names]
    problems |= {problem for host in first for problem in _subnets(host)}
    for names in members.values():
        for host in (raw.hosts[n] for n in names if n in raw.groups.get("switches", ())):
            gateway = next(raw.hosts[n] for n in names if n in raw.groups["gateways"])
            problems |= {*_vlans(host), *_roles(host), *_ports(host), *_hashes(host)}
            problems |= {*_twice(host), *_in_the_open(host, raw.secrets)}
            problems |= set(_management(host, gateway, raw))
    for host in raw.hosts.values():
        rows: list[Row] = [([], host.vars)]
        rows += [(["ipsec_peers", n], p) for n, p in enumerate(host.vars.get("ipsec_peers", ()))]
        problems |= set(_unhidden(host, rows, GATEWAY_KEYS, raw.secrets))
    return sorted(problems)


def _subnets(host: RawHost) -> Iterator[Problem]:
    known = host.vars.get("network", {}).get("vlans", {})
    for name in host.vars["building"].get("vlans", {}):
        if name not in known:
            yield at(host, ["building", "vlans", name], *_no_vlan(name, known))


def _vlans(host: RawHost) -> Iterator[Problem]:
    for (one, a), (other, b) in combinations(host.vars["network"]["vlans"].items(), 2):
        if a["id"] == b["id"]:
            message = _("{vlan} has the id of {other}").format(vlan=other, other=one)
            path: list[str | int] = ["network", "vlans", other, "id"]
            yield at(host, path, message, _("an id of its own"))


def _roles(host: RawHost) -> Iterator[Problem]:
    known = host.vars["network"]["vlans"]
    for name, role in host.vars["network"]["port_roles"].items():
        path: list[str | int] = ["network", "port_roles", name]
        for key in ("vlan", "voice_vlan"):
            if key in role and role[key] not in known:
                yield at(host, [*path, key], *_no_vlan(role[key], known))
        for index, vlan in enumerate(role.get("trunk", ())):
            if vlan not in known:
                yield at(host, [*path, "trunk", index], *_no_vlan(vlan, known))
        if "trunk" in role and (clash := {"voice_vlan", "dot1x", "mab"} & role.keys()):
            message = _("a trunk has no {keys}").format(keys=", ".join(sorted(clash)))
            yield at(host, path, message, _("a role without trunk"))


def _ports(host: RawHost) -> Iterator[Problem]:
    roles, platform = host.vars["network"]["port_roles"], host.vars["platform"]
    seen: dict[str, str] = {}
    for text, intent in host.vars["ports"].items():
        path: list[str | int] = ["ports", text]
        if intent["role"] not in roles:
            message = _("no role is called {name}").format(name=repr(intent["role"]))
            yield at(host, [*path, "role"], message, one_of(roles))
        try:
            ports = ports_of(platform, text)
        except ValueError:
            message = _("no port or range of {platform}").format(platform=platform)
            yield at(host, path, message, EXAMPLE[platform])
            continue
        if twice := [port for port in ports if port in seen]:
            message = _("{port} stands in {other} already").format(
                port=twice[0], other=seen[twice[0]]
            )
            yield at(host, path, message, _("each port once"))
        seen |= dict.fromkeys(ports, text)
    management = host.vars["network"]["management"]["vlan"]
    ways = [
        n for n, r in roles.items() if r.get("trust") and management in r.get("trunk", [r["vlan"]])
    ]
    if not any(intent["role"] in ways for intent in host.vars["ports"].values()):
        message = _("{host} has no uplink that carries {vlan}").format(
            host=host.name, vlan=management
        )
        about = _("a role with trust: true and that VLAN")
        expected = _("a port with the role {roles}").format(roles=_(" or ").join(ways) or about)
        yield at(host, ["ports"], message, expected)


def _hashes(host: RawHost) -> Iterator[Problem]:
    platform = host.vars["platform"]
    aaa, form = host.vars["network"]["aaa"], HASH[platform]
    places: list[tuple[list[str | int], Any]] = [(["enable"], aaa["enable"])]
    places += [(["users", index], user) for index, user in enumerate(aaa["users"])]
    for path, about in places:
        if form not in about:
            message = _("{platform} needs {form}").format(platform=platform, form=form)
            expected = _("{form}: a hash from a vault").format(form=form)
            yield at(host, ["network", "aaa", *path], message, expected)


def _twice(host: RawHost) -> Iterator[Problem]:
    for *path, key in (*USERS, RADIUS):
        seen: set[str] = set()
        for place, row in _rows(host, path):
            if row[key] in seen:
                message = _("{name} stands there already").format(name=row[key])
                yield at(host, [*place, key], message, _("each once"))
            seen.add(row[key])


def _in_the_open(host: RawHost, secrets: tuple[str, ...]) -> Iterator[Problem]:
    enable: Row = (["network", "aaa", "enable"], host.vars["network"]["aaa"]["enable"])
    rows = [row for *path, _key in (*USERS, RADIUS) for row in _rows(host, path)]
    yield from _unhidden(host, [enable, *rows], SECRET_KEYS, secrets)


def _unhidden(
    host: RawHost, rows: Iterable[Row], keys: set[str], secrets: tuple[str, ...]
) -> Iterator[Problem]:
    """Yield the values of ``keys`` that are in no vault: plans and reports would show them."""
    for place, row in rows:
        for key in sorted(keys & row.keys()):
            if row[key] not in secrets:
                message = _("stands in the open")
                expected = _("it in a vault file, and its name here")
                yield at(host, [*place, key], message, expected)


def _rows(host: RawHost, path: list[str]) -> list[Row]:
    part, name = path
    rows = enumerate(host.vars["network"][part][name])
    return [(["network", part, name, index], row) for index, row in rows]


def _management(host: RawHost, gateway: RawHost, raw: RawInventory) -> Iterator[Problem]:
    intent, known = host.vars["network"]["management"], host.vars["network"]["vlans"]
    path: list[str | int] = ["network", "management"]
    if intent["vlan"] not in known:
        yield at(host, [*path, "vlan"], *_no_vlan(intent["vlan"], known))
    subnet = management_subnet(host.vars)
    if IPv4Address(host.vars["ansible_host"]) not in subnet:
        message = _("{address} is outside {subnet}, the VLAN {vlan} of its building").format(
            address=host.vars["ansible_host"], subnet=subnet, vlan=intent["vlan"]
        )
        yield at(host, ["ansible_host"], message, _("an address of {lan}").format(lan=subnet))
    elif not gateway_address(gateway.vars, subnet):
        message = _("{gateway} has no address in {subnet}, where {host} looks for it").format(
            gateway=gateway.name, subnet=subnet, host=host.name
        )
        yield at(gateway, ["interfaces"], message, _("an interface in {lan}").format(lan=subnet))
    desks = [raw.hosts[name].vars["ansible_host"] for name in raw.groups.get("workstations", ())]
    sources = [IPv4Network(text) for text in intent["from"]]
    if desks and not any(IPv4Address(desk) in subnet for desk in desks for subnet in sources):
        message = _("no workstation stands in any of these subnets")
        expected = _("a subnet with {address}").format(address=desks[0])
        yield at(host, [*path, "from"], message, expected)


def _no_vlan(name: str, known: Mapping[str, Any]) -> tuple[str, str]:
    return _("no VLAN is called {name}").format(name=repr(name)), one_of(known)
