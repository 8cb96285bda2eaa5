"""Read the BGP part of the running configuration into NAPALM's model. Pure functions."""

import re
from collections.abc import Iterable
from typing import Any

from .device import text

Model = dict[str, Any]
UNGROUPED = "_"  # NAPALM's name for the peers without a group


def bgp_config(running: str, group: str = "", neighbor: str = "") -> Model:
    """Return the peer groups with their peers; one group or one peer when asked for."""
    found: Model = {}
    for line, block in text.parse(running).items():
        if re.fullmatch(r"router bgp \d+", line):  # not those of VRFs
            local_as = int(line.split()[2])
            settings = _settings(path[-1] for path in text.paths(block.inside))
            found.update(_groups(local_as, settings))
    if neighbor:
        return {
            name: {**about, "neighbors": {neighbor: about["neighbors"][neighbor]}}
            for name, about in found.items()
            if neighbor in about["neighbors"]
        }
    return {name: about for name, about in found.items() if group in ("", name)}


def _settings(lines: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return, for every peer and group, what is set: {"10.0.0.2": {"remote-as": "65002"}}."""
    found: dict[str, dict[str, str]] = {}
    for line in lines:
        words = line.split(maxsplit=3)
        if words[0] == "neighbor":
            key, value = words[2], " ".join(words[3:])
            if key == "route-map":
                value, direction = value.rsplit(maxsplit=1)
                key = f"route-map {direction}"
            found.setdefault(words[1], {})[key] = value
    return found


def _groups(local_as: int, settings: dict[str, dict[str, str]]) -> Model:
    found: Model = {}
    for name, own in settings.items():
        if own.get("peer-group") == "":  # "neighbor NAME peer-group" makes the group
            found[name] = _group(local_as, own)
    for name, own in settings.items():
        if name not in found:
            belongs = own.get("peer-group", UNGROUPED)
            inherited = {**settings.get(belongs, {}), **own}
            group = found.setdefault(belongs, _group(local_as, {}))
            group["neighbors"][name] = _neighbour(local_as, inherited)
    return found


def _common(local_as: int, own: dict[str, str]) -> Model:
    remote = own.get("remote-as", "0")
    return {
        "description": own.get("description", ""),
        "import_policy": own.get("route-map in", ""),
        "export_policy": own.get("route-map out", ""),
        "local_address": own.get("update-source", ""),
        "local_as": int(own.get("local-as", str(local_as)).split()[0]),
        "remote_as": local_as if remote == "internal" else int(remote) if remote.isdigit() else 0,
        "prefix_limit": {},
    }


def _group(local_as: int, own: dict[str, str]) -> Model:
    common = _common(local_as, own)
    return {
        **common,
        "type": "internal" if common["remote_as"] == local_as else "external",
        "apply_groups": [],
        "multihop_ttl": int(own.get("ebgp-multihop") or 0),
        "multipath": False,
        "remove_private_as": "remove-private-AS" in own,
        "neighbors": {},
    }


def _neighbour(local_as: int, own: dict[str, str]) -> Model:
    return {
        **_common(local_as, own),
        "authentication_key": own.get("password", ""),
        "nhs": "next-hop-self" in own,
        "route_reflector_client": "route-reflector-client" in own,
    }
