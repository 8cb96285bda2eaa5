"""Translate what FRR and Linux print into NAPALM's models. Pure functions, no device needed."""

import json
import re
from collections.abc import Iterator
from typing import Any

Model = dict[str, Any]
UNKNOWN_SPEED = 4294967295  # Linux's -1, as FRR prints it


def facts(printed: str) -> Model:
    """Translate the six lines that getters.FACTS prints."""
    version, hostname, fqdn, machine, uptime, links = printed.split("\n", 5)
    return {
        "vendor": "FRRouting",
        "model": "FRR on Linux",
        "os_version": version.split()[1],
        "hostname": hostname,
        "fqdn": fqdn,
        "serial_number": machine,
        "uptime": float(uptime),
        "interface_list": sorted(link["ifname"] for link in json.loads(links)),
    }


def _links(shown: Model) -> Iterator[tuple[str, Model]]:
    """Yield the links that exist; FRR also lists those that are only named in a configuration."""
    for name, link in shown.items():
        if link.get("index", 0) > 0:
            yield name, link


def interfaces(shown: Model) -> Model:
    """Translate `show interface json`."""
    return {
        name: {
            "is_up": link.get("operationalStatus") == "up",
            "is_enabled": link.get("administrativeStatus") == "up",
            "description": link.get("description", ""),
            "last_flapped": -1.0,
            "mtu": int(link.get("mtu", 0)),
            "speed": float(link.get("speed", 0) % UNKNOWN_SPEED),
            "mac_address": link.get("hardwareAddress", "").upper(),
        }
        for name, link in _links(shown)
    }


def counters(links: list[Model]) -> Model:
    """Translate `ip -j -s link`."""
    return {link["ifname"]: _counters(link["stats64"]) for link in links}


def _counters(stats: Model) -> Model:
    rx, tx = stats["rx"], stats["tx"]
    return {
        "rx_octets": rx["bytes"],
        "tx_octets": tx["bytes"],
        "rx_errors": rx["errors"],
        "tx_errors": tx["errors"],
        "rx_discards": rx["dropped"],
        "tx_discards": tx["dropped"],
        "rx_unicast_packets": rx["packets"] - rx["multicast"],
        "tx_unicast_packets": tx["packets"],
        "rx_multicast_packets": rx["multicast"],
        "tx_multicast_packets": -1,
        "rx_broadcast_packets": -1,
        "tx_broadcast_packets": -1,
    }


def addresses(shown: Model) -> Model:
    """Translate the addresses of `show interface json`."""
    found: Model = {}
    for name, link in _links(shown):
        for item in link.get("ipAddresses", []):
            address, length = item["address"].split("/")
            family = "ipv6" if ":" in address else "ipv4"
            entry = {"prefix_length": int(length)}
            found.setdefault(name, {}).setdefault(family, {})[address] = entry
    return found


def arp(entries: list[Model]) -> list[Model]:
    """Translate `ip -4 -j -s neigh`, leaving out those that never answered."""
    return [_neighbour(entry) for entry in entries if "lladdr" in entry]


def ipv6_neighbours(entries: list[Model]) -> list[Model]:
    """Translate `ip -6 -j -s neigh`."""
    return [{**_neighbour(e), "state": "/".join(e.get("state", []))} for e in entries]


def _neighbour(entry: Model) -> Model:
    return {
        "interface": entry["dev"],
        "mac": entry.get("lladdr", "").upper(),
        "ip": entry["dst"],
        "age": float(entry.get("updated", -1)),
    }


def mac_table(entries: list[Model]) -> list[Model]:
    """Translate `bridge -j -s fdb show`; an entry without a master is a link's own filter."""
    return [
        {
            "mac": entry["mac"].upper(),
            "interface": entry["ifname"],
            "vlan": int(entry.get("vlan", 0)),
            "static": entry.get("state") in ("permanent", "static"),
            "active": entry.get("state") != "stale",
            "moves": -1,
            "last_move": float(entry.get("updated", -1)),
        }
        for entry in entries
        if "master" in entry
    ]


def seconds(uptime: str) -> int:
    """Read FRR's "00:00:06", "1d02h03m" or "01w2d03h" as seconds; -1 when it is none of these."""
    if clock := re.fullmatch(r"(\d+):(\d\d):(\d\d)", uptime):
        hours, minutes, rest = map(int, clock.groups())
        return hours * 3600 + minutes * 60 + rest
    unit = {"y": 31536000, "w": 604800, "d": 86400, "h": 3600, "m": 60}
    parts = re.findall(r"(\d+)([ywdhm])", uptime)
    return sum(int(number) * unit[letter] for number, letter in parts) if parts else -1


def routes(shown: Model, protocol: str = "") -> Model:
    """Translate `show ip route json`; one entry for every next hop."""
    found: dict[str, list[Model]] = {}
    for prefix, candidates in shown.items():
        for route in candidates:
            if protocol.lower() in ("", route["protocol"]):
                hops = [_route(route, hop) for hop in route.get("nexthops", [])]
                found.setdefault(prefix, []).extend(hops)
    return found


def _route(route: Model, hop: Model) -> Model:
    return {
        "protocol": route["protocol"],
        "current_active": bool(route.get("selected")),
        "last_active": False,
        "age": seconds(route.get("uptime", "")),
        "next_hop": hop.get("ip", ""),
        "outgoing_interface": hop.get("interfaceName", ""),
        "selected_next_hop": bool(hop.get("fib")),
        "preference": int(route.get("distance", 0)),
        "inactive_reason": "" if hop.get("active") else "the next hop is not reachable",
        "routing_table": route.get("vrfName", "default"),
        "protocol_attributes": {"metric": route.get("metric", 0)},
    }


def _sessions(shown: Model) -> Iterator[tuple[str, str, Model]]:
    """Yield routing instance, peer address and session of `show bgp vrf all neighbors json`."""
    for instance, peers in shown.items():
        for peer, session in peers.items():
            if isinstance(session, dict) and "remoteAs" in session:
                yield "global" if instance == "default" else instance, peer, session


def bgp_neighbors(shown: Model) -> Model:
    """Translate `show bgp vrf all neighbors json`."""
    found: Model = {}
    for instance, peer, session in _sessions(shown):
        group = found.setdefault(
            instance, {"router_id": session.get("localRouterId", ""), "peers": {}}
        )
        group["peers"][peer] = _session(session)
    return found


def _session(session: Model) -> Model:
    up = session.get("bgpState") == "Established"
    return {
        "local_as": int(session["localAs"]),
        "remote_as": int(session["remoteAs"]),
        "remote_id": session.get("remoteRouterId", ""),
        "is_up": up,
        "is_enabled": not session.get("adminShutDown", False),
        "description": session.get("nbrDesc", ""),
        "uptime": session["bgpTimerUpMsec"] // 1000 if up else -1,
        "address_family": {
            "ipv6" if family.startswith("ipv6") else "ipv4": {
                "received_prefixes": -1,
                "accepted_prefixes": int(counts.get("acceptedPrefixCounter", 0)),
                "sent_prefixes": int(counts.get("sentPrefixCounter", 0)),
            }
            for family, counts in session.get("addressFamilyInfo", {}).items()
            if family.endswith("Unicast")
        },
    }


def bgp_neighbors_detail(shown: Model, only: str = "") -> Model:
    """Translate `show bgp vrf all neighbors json`, all peers or one."""
    found: dict[str, dict[int, list[Model]]] = {}
    for instance, peer, session in _sessions(shown):
        if only in ("", peer):
            by_as = found.setdefault(instance, {})
            by_as.setdefault(int(session["remoteAs"]), []).append(_detail(instance, peer, session))
    return found


def _detail(instance: str, peer: str, session: Model) -> Model:
    families = list(session.get("addressFamilyInfo", {}).values())
    messages = session.get("messageStats", {})
    accepted = sum(f.get("acceptedPrefixCounter", 0) for f in families)
    return {
        "up": session.get("bgpState") == "Established",
        "local_as": int(session["localAs"]),
        "remote_as": int(session["remoteAs"]),
        "router_id": session.get("localRouterId", ""),
        "local_address": session.get("hostLocal", ""),
        "routing_table": instance,
        "local_address_configured": "updateSource" in session,
        "local_port": session.get("portLocal", 0),
        "remote_address": peer,
        "remote_port": session.get("portForeign", 0),
        "multihop": session.get("externalBgpNbrMaxHopsAway", 1) > 1,
        "multipath": False,
        "remove_private_as": any("privateAsNumsRemoved" in key for f in families for key in f),
        "import_policy": _first(families, "routeMapForIncomingAdvertisements"),
        "export_policy": _first(families, "routeMapForOutgoingAdvertisements"),
        "input_messages": messages.get("totalRecv", 0),
        "output_messages": messages.get("totalSent", 0),
        "input_updates": messages.get("updatesRecv", 0),
        "output_updates": messages.get("updatesSent", 0),
        "messages_queued_out": messages.get("depthOutq", 0),
        "connection_state": session.get("bgpState", ""),
        "previous_connection_state": "",
        "last_event": session.get("lastResetDueTo", ""),
        "suppress_4byte_as": False,
        "local_as_prepend": not session.get("localAsNoPrepend", True),
        "holdtime": session.get("bgpTimerHoldTimeMsecs", 0) // 1000,
        "configured_holdtime": session.get("bgpTimerConfiguredHoldTimeMsecs", 0) // 1000,
        "keepalive": session.get("bgpTimerKeepAliveIntervalMsecs", 0) // 1000,
        "configured_keepalive": session.get("bgpTimerConfiguredKeepAliveIntervalMsecs", 0) // 1000,
        "active_prefix_count": -1,
        "received_prefix_count": -1,
        "accepted_prefix_count": accepted,
        "suppressed_prefix_count": -1,
        "advertised_prefix_count": sum(f.get("sentPrefixCounter", 0) for f in families),
        "flap_count": session.get("connectionsDropped", 0),
    }


def _first(families: list[Model], key: str) -> str:
    return next((family[key] for family in families if key in family), "")


def _lldp_entries(shown: Model) -> Iterator[tuple[str, Model]]:
    """Yield link and entry; lldpd writes one neighbour as an object, several as a list."""
    listed = shown.get("lldp", {}).get("interface", [])
    for item in [listed] if isinstance(listed, dict) else listed:
        yield from item.items()


def lldp(shown: Model) -> Model:
    """Translate `lldpcli -f json show neighbors details` to names and ports."""
    return {
        link: [{"hostname": d["remote_system_name"], "port": d["remote_port"]} for d in details]
        for link, details in lldp_detail(shown).items()
    }


def lldp_detail(shown: Model) -> Model:
    """Translate `lldpcli -f json show neighbors details`."""
    found: dict[str, list[Model]] = {}
    for link, entry in _lldp_entries(shown):
        chassis, port = entry["chassis"], entry["port"]
        name = "" if "id" in chassis else next(iter(chassis), "")
        about = chassis.get(name, chassis)
        listed = about.get("capability", [])
        capabilities = [listed] if isinstance(listed, dict) else listed
        detail = {
            "parent_interface": "",
            "remote_port": port["id"]["value"],
            "remote_port_description": port.get("descr", ""),
            "remote_chassis_id": about["id"]["value"],
            "remote_system_name": name,
            "remote_system_description": about.get("descr", ""),
            "remote_system_capab": [c["type"].lower() for c in capabilities],
            "remote_system_enable_capab": [c["type"].lower() for c in capabilities if c["enabled"]],
        }
        found.setdefault(link, []).append(detail)
    return found


def instances(shown: Model) -> Model:
    """Translate `show interface json`: which link belongs to which routing instance."""
    found: Model = {}
    for link, about in _links(shown):
        name = about.get("vrfName", "default")
        kind = "DEFAULT_INSTANCE" if name == "default" else "L3VRF"
        instance = found.setdefault(
            name,
            {
                "name": name,
                "type": kind,
                "state": {"route_distinguisher": ""},
                "interfaces": {"interface": {}},
            },
        )
        instance["interfaces"]["interface"][link] = {}
    return found


def environment(printed: str) -> Model:
    """Translate /proc/stat twice and /proc/meminfo."""
    cpus: dict[str, list[list[int]]] = {}
    for number, values in re.findall(r"^cpu(\d+) (.+)$", printed, re.MULTILINE):
        cpus.setdefault(number, []).append([int(value) for value in values.split()])
    memory = dict(re.findall(r"^(Mem\w+): +(\d+) kB$", printed, re.MULTILINE))
    total, available = int(memory["MemTotal"]), int(memory["MemAvailable"])
    return {
        "fans": {},
        "temperature": {},
        "power": {},
        "cpu": {int(n): {"%usage": _usage(*samples)} for n, samples in cpus.items()},
        "memory": {"available_ram": total, "used_ram": total - available},
    }


def _usage(first: list[int], second: list[int]) -> float:
    spent = [after - before for before, after in zip(first, second, strict=True)]
    idle = spent[3] + spent[4]  # idle and waiting for disks
    return round(100.0 * (1 - idle / sum(spent)), 1) if sum(spent) else 0.0


def ping(out: str, err: str) -> Model:
    """Translate the output of Linux's ping."""
    sent = re.search(r"(\d+) packets transmitted, (\d+) received", out)
    if not sent:
        return {"error": (err or out).strip() or "unknown host"}
    times = re.search(r"= ([\d.]+)/([\d.]+)/([\d.]+)/([\d.]+) ms", out)
    low, average, high, deviation = map(float, times.groups()) if times else (0.0, 0.0, 0.0, 0.0)
    replies = re.findall(r"bytes from ([\w.:]+): .*?time=([\d.]+) ms", out)
    return {
        "success": {
            "probes_sent": int(sent[1]),
            "packet_loss": int(sent[1]) - int(sent[2]),
            "rtt_min": low,
            "rtt_max": high,
            "rtt_avg": average,
            "rtt_stddev": deviation,
            "results": [{"ip_address": a.rstrip(":"), "rtt": float(t)} for a, t in replies],
        }
    }
