"""What follows from the inventory for a switch: its ports one by one, with all that they get."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Interface, IPv4Network
from itertools import count, groupby
from typing import Any
from zlib import crc32

from kahya.device_secrets import AES_128_BYTES, junos_9, localized, type_7

SPEEDS = (
    "FastEthernet", "GigabitEthernet", "TwoGigabitEthernet", "FiveGigabitEthernet",
    "TenGigabitEthernet", "TwentyFiveGigE", "FortyGigabitEthernet", "HundredGigE",
)  # fmt: skip
KINDS = {"eos": ("Ethernet",), "ios": SPEEDS, "junos": ("ge-", "mge-", "xe-", "et-")}
"""How the names of a platform's ports begin, in the order in which it prints them."""

EXAMPLE = {"eos": "Ethernet3-8", "ios": "GigabitEthernet1/0/3-8", "junos": "ge-0/0/3-8"}
HASH = {"eos": "sha512", "ios": "scrypt", "junos": "sha512"}
"""Which form of a password's hash a platform takes."""

ENGINE = {"eos": "80001f8804", "ios": "80001f8804", "junos": "80000a4c04"}
"""How an SNMP engine id made of text begins (RFC 3411): net-snmp's number, and Juniper's own."""

ROLE = {
    "voice_vlan": None, "trunk": (), "dot1x": False, "mab": False, "trust": False,
    "bpdu_guard": False, "shut": False, "storm_control": None,
}  # fmt: skip
UIDS = range(2001, 64000)  # what Junos takes for users of its own


def ports_of(platform: str, text: str) -> list[str]:
    """Return the ports that a name or range such as ``Ethernet3-8`` means.

    Raises:
        ValueError: ``platform`` has no port of that name, or the range runs backwards.

    >>> ports_of("ios", "GigabitEthernet1/0/9-11")
    ['GigabitEthernet1/0/9', 'GigabitEthernet1/0/10', 'GigabitEthernet1/0/11']
    """
    slots, number = "{2}" if platform == "junos" else "{0,2}", r"0|[1-9]\d*"
    kinds = "|".join(KINDS[platform])
    form = rf"((?:{kinds})(?:(?:{number})/){slots})({number})(?:-({number}))?"
    if not (found := re.fullmatch(form, text)):
        raise ValueError(text)
    first, last = int(found[2]), int(found[3] or found[2])
    if last < first:
        raise ValueError(text)
    return [f"{found[1]}{number}" for number in range(first, last + 1)]


def derive(hosts: Mapping[str, dict[str, Any]]) -> tuple[str, ...]:
    """Add ``switch`` (all that a template needs) to the switches' variables; return new secrets.

    Args:
        hosts: variables by host name, validated, with ``building`` resolved; changed in place.
    """
    secrets: list[str] = []
    for variables in hosts.values():
        if "switches" in variables["group_names"]:
            gateway = next(
                v for v in hosts.values()
                if "gateways" in v["group_names"] and v["building"] is variables["building"]
            )  # fmt: skip
            variables["switch"] = _switch(variables, gateway)
            radius, users = variables["switch"]["radius"], variables["switch"]["snmp"]["users"]
            secrets += [server[form] for server in radius for form in ("type_7", "junos_9")]
            secrets += [v for u in users for k, v in u.items() if k != "name"]
    return tuple(secrets)


def _switch(variables: Mapping[str, Any], gateway: Mapping[str, Any]) -> dict[str, Any]:
    network, platform = variables["network"], variables["platform"]
    vlans = sorted(({"name": n, "dhcp": False, **v} for n, v in network["vlans"].items()), key=_id)
    aaa, hashed = network["aaa"], HASH[platform]
    ports = _ports(variables, gateway["inventory_hostname"], {v["name"]: v for v in vlans})
    return {
        "vlans": [{**vlan, "carried": _carried(vlan, ports)} for vlan in vlans],
        "dhcp_vlans": vlan_list((v["id"] for v in vlans if v["dhcp"]), platform),
        "ports": ports,
        "management": _management(variables, gateway),
        "users": [
            {"name": user["name"], "hash": user[hashed], "uid": _uid(user["name"])}
            for user in sorted(aaa["users"], key=lambda user: str(user["name"]))
        ],
        "enable": aaa["enable"][hashed],
        "radius": [
            {"address": s["address"], "type_7": type_7(s["key"]), "junos_9": junos_9(s["key"])}
            for s in aaa["radius"]
        ],
        "snmp": _snmp(network["snmp"], platform, variables["inventory_hostname"]),
    }


def _uid(name: str) -> int:
    """Return a number that stays the same when other users come and go."""
    return UIDS[crc32(name.encode()) % len(UIDS)]


def _id(vlan: Mapping[str, Any]) -> int:
    return int(vlan["id"])


def _ports(
    variables: Mapping[str, Any], gateway: str, vlans: Mapping[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    platform, ports = variables["platform"], []
    for text, intent in variables["ports"].items():
        role = ROLE | variables["network"]["port_roles"][intent["role"]]
        to = intent.get("to", gateway if role["trust"] else "")
        trunk = sorted((vlans[name] for name in role["trunk"]), key=_id)
        resolved = {
            "vlan": vlans[role["vlan"]],
            "voice_vlan": vlans.get(role["voice_vlan"] or ""),
            "trunk": trunk,
            "authenticates": role["dot1x"] or role["mab"],
            "allowed": vlan_list((v["id"] for v in trunk), platform),
        }
        about = {"role": intent["role"], "to": to, "description": f"{intent['role']} {to}".strip()}
        ports += [{"name": n, **about, **role, **resolved} for n in ports_of(platform, text)]
    return sorted(ports, key=lambda port: _order(platform, port["name"]))


def _carried(vlan: Any, ports: Iterable[Mapping[str, Any]]) -> list[tuple[bool, list[str]]]:
    """Return the ports that carry ``vlan``: the trusted ones, then the others, if there are any."""
    found: dict[bool, list[str]] = {True: [], False: []}
    for port in ports:
        if vlan in (port["trunk"] or (port["vlan"], port["voice_vlan"])):
            found[port["trust"]].append(port["name"])
    return [(trust, names) for trust, names in found.items() if names]


def _order(platform: str, port: str) -> tuple[int, list[int]]:
    kind = next(k for k in KINDS[platform] if re.match(rf"{k}\d", port))
    return KINDS[platform].index(kind), [int(n) for n in re.findall(r"\d+", port[len(kind) :])]


def _management(variables: Mapping[str, Any], gateway: Mapping[str, Any]) -> dict[str, Any]:
    intent = variables["network"]["management"]
    subnet = management_subnet(variables)
    own = IPv4Interface(f"{variables['ansible_host']}/{subnet.prefixlen}")
    sources = sorted(IPv4Network(text) for text in intent["from"])
    return {
        "vlan": {"name": intent["vlan"], **variables["network"]["vlans"][intent["vlan"]]},
        "address": str(own.ip),
        "netmask": str(own.netmask),
        "prefix": subnet.prefixlen,
        "gateway": gateway_address(gateway, subnet),
        "from": [
            {
                "subnet": str(n),
                "address": str(n.network_address),
                "wildcard": str(n.hostmask),
                "single": n.prefixlen == n.max_prefixlen,
            }
            for n in sources
        ],
    }


def management_subnet(variables: Mapping[str, Any]) -> IPv4Network:
    """Return the subnet of the management VLAN in a switch's building: its own, or else the LAN."""
    building, vlan = variables["building"], variables["network"]["management"]["vlan"]
    return IPv4Network(building.get("vlans", {}).get(vlan, building["lan"]))


def gateway_address(gateway: Mapping[str, Any], subnet: IPv4Network) -> str | None:
    """Return the address of a gateway in ``subnet``, or None if it has none there."""
    found = (IPv4Interface(i["address"]) for i in gateway["interfaces"].values())
    return next((str(i.ip) for i in found if i.network == subnet), None)


def _snmp(intent: Mapping[str, Any], platform: str, host: str) -> dict[str, Any]:
    engine = ENGINE[platform] + host.encode().hex()
    users = []
    for user in sorted(intent["users"], key=lambda user: str(user["name"])):
        auth = localized(user["auth_password"], engine)
        priv = localized(user["priv_password"], engine)[: 2 * AES_128_BYTES]
        coded = {"auth_junos_9": junos_9(auth), "priv_junos_9": junos_9(priv)}
        users.append({"name": user["name"], "auth": auth, "priv": priv, **coded})
    return {"contact": intent["contact"], "engine_id": engine, "users": users}


def vlan_list(ids: Iterable[int], platform: str) -> str:
    """Return VLANs as the platform prints them: IOS joins three or more in a row, EOS two.

    >>> vlan_list([30, 10, 11, 31, 32], "ios"), vlan_list([10, 11, 30], "eos")
    ('10,11,30-32', '10-11,30')
    """
    shortest = 2 if platform == "eos" else 3
    parts: list[str] = []
    counter = count()
    for _, run in groupby(sorted(set(ids)), key=lambda number: number - next(counter)):
        row = list(run)
        long = len(row) >= shortest
        parts += [f"{row[0]}-{row[-1]}"] if long else map(str, row)
    return ",".join(parts)
