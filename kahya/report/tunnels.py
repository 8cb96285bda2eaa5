"""The tunnels between the gateways, and what is known about each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kahya.model import Town
from kahya.report.readings import Reading, State, worst

SYSTEMS = ("vpn", "routing")  # what a tunnel lives by


@dataclass(frozen=True)
class Tunnel:
    """A tunnel between the gateways ``host`` and ``peer``."""

    host: str
    peer: str
    address: str
    peer_address: str
    endpoint: str
    peer_endpoint: str
    state: State


def tunnels(town: Town, readings: Sequence[Reading]) -> tuple[Tunnel, ...]:
    """Return every tunnel once, in inventory order."""
    ends = {t["peer_address"]: (h.name, t) for h in town.hosts.values() for t in _of(h.vars)}
    order = list(town.hosts)
    found = []
    for host, end in ends.values():
        peer, back = ends[end["address"].split("/")[0]]
        if order.index(host) < order.index(peer):
            addresses = (back["peer_address"], end["peer_address"])
            endpoints = (back["endpoint"], end["endpoint"])
            state = _state({host: end, peer: back}, town, readings)
            found.append(Tunnel(host, peer, *addresses, *endpoints, state))
    return tuple(found)


def _of(variables: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    found: list[dict[str, Any]] = variables.get("tunnels", [])
    return found


def _state(ends: Mapping[str, Any], town: Town, readings: Sequence[Reading]) -> State:
    about = [f for f in readings if f.host.name in ends and f.system.name in SYSTEMS]
    seen = [(f, _names(town, f.host.name), ends[f.host.name]["name"]) for f in about]
    failed = (
        _concerns(p.detail, name, names)
        for f, names, name in seen
        if not f.unknown  # the checks of a host that is off say nothing about the tunnel
        for p in f.probes
        if p.status != "passed"
    )
    differs = {
        found.kind
        for f, names, name in seen
        for found in f.findings
        if not found.waived
        and _concerns(f"{found.change.resource}\n{found.change.diff}", name, names)
    }
    if any(failed):
        return "failed"
    if any(f.unknown for f in about):
        return "unknown"
    return worst([*differs, "ok"])


def _names(town: Town, host: str) -> list[str]:
    return [t["name"] for t in _of(town.hosts[host].vars)]


def _concerns(text: str, name: str, names: Iterable[str]) -> bool:
    """Return whether ``text`` names this tunnel, or none of its gateway's: then it means all."""
    named = {n for n in names if re.search(rf"(?<![\w-]){re.escape(n)}(?![\w-])", text)}
    return name in named or not named
