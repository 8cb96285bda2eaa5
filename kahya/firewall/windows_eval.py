"""What becomes of a connection to a host with Windows, by the rules that it has.

As Microsoft's documentation of Windows Firewall has it: whatever order they are in, a rule that
blocks wins over those that allow, and what none allows is blocked by the profile. What is not
understood is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

from kahya.firewall.matrix import Flow, Matrix, Spot
from kahya.firewall.nft_eval import Address, Knock, Knocks, UnknownRuleError
from kahya.firewall.policy import GATEWAY, INTERNET
from kahya.firewall.proof import Deviation
from kahya.firewall.windows import (
    ALL_ADDRESSES,
    ALL_PORTS,
    ANY_PROTOCOL,
    ICMP_TYPES,
    PLAIN,
    PROFILE,
    PROFILES,
    Rule,
)
from kahya.i18n import _

BLOCK, ALLOW = 0, 1
PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58}
VARYING = ("Action", "Direction", "Enabled", "Grouping", "IcmpTypesAndCodes", "LocalPorts",
           "RemotePorts")  # fmt: skip
FIXED = {key: value for key, value in PLAIN.items() if key not in VARYING}
"""What would make a rule say something else, if somebody set it by hand."""


class Firewall:
    """The firewall of one host, that connections can be tried on.

    Args:
        rules: properties of INetFwRule; of those for inbound traffic that are enabled, all count.
        profiles: the settings of each profile, see ``windows.PROFILE``.
    """

    def __init__(self, rules: Iterable[Rule], profiles: Mapping[str, Mapping[str, str]]) -> None:
        inbound = PLAIN["Direction"]
        self._rules = [r for r in rules if r["Enabled"] and r["Direction"] == inbound]
        for rule in self._rules:
            _check(rule)
        for name in PROFILES:
            for key, value in PROFILE.items():
                if profiles[name][key] != value:
                    raise _unknown({name: {key: profiles[name][key]}})

    def passes(self, source: Address, knocks: Knocks) -> Knocks:
        """Return those of ``knocks`` that ``source`` gets through with."""
        hits: dict[int, set[Knock]] = {ALLOW: set(), BLOCK: set()}
        for rule in self._rules:
            if _covers(rule, source):
                hits[rule["Action"]] |= {k for k in knocks if _serves(rule, source.version, k)}
        return frozenset(hits[ALLOW] - hits[BLOCK])


def deviations(matrix: Matrix, host: str, firewall: Firewall) -> Iterator[Deviation]:
    """Yield every connection to ``host`` of which its firewall says something else than the policy.

    Its neighbours in the same network are tried as well: a host is on its guard against everybody.
    """
    for to in map(matrix.spot, matrix.addresses(host)):
        for source in matrix.spots(to.address.version):
            if source.zone == GATEWAY or source.address == to.address:
                continue  # what gateways themselves send is not filtered by the policy
            knocks = matrix.tried[to.address.version]
            seen = firewall.passes(source.address, frozenset(knocks))
            for knock in knocks:
                wanted = admits(matrix, source, to, knock)
                if wanted != (knock in seen):
                    ends = {True: (to.address, knock.port), False: None}
                    flow = Flow(source, to, knock, ends[wanted], matrix.knocks[knock])
                    yield Deviation(flow, ends[not wanted])


def admits(matrix: Matrix, source: Spot, to: Spot, knock: Knock) -> bool:
    """Return whether by the policy the host at ``to`` lets a connection in that gets so far."""
    if rule := matrix.first(source, to, knock):
        return rule.action == "allow"
    return source.zone == INTERNET and any(
        to.address in matrix.addresses(program.to) and matrix.has(program.service, knock)
        for program in matrix.policy.published
        if not program.until or program.until >= matrix.today
    )


def _check(rule: Rule) -> None:
    """Refuse what makes a rule mean less or more than is understood here."""
    for key, value in FIXED.items():
        if rule[key] != value:
            raise _unknown({rule["Name"]: {key: rule[key]}})
    if rule["RemotePorts"] not in ("", ALL_PORTS):
        raise _unknown({rule["Name"]: {"RemotePorts": rule["RemotePorts"]}})


def _unknown(what: object) -> UnknownRuleError:
    text = json.dumps(what, sort_keys=True, ensure_ascii=False)
    return UnknownRuleError(
        _("the check of the firewall does not know this of Windows: {what}").format(what=text),
        _("Take it away, or teach kahya/firewall/windows_eval.py what it means."),
    )


def _covers(rule: Rule, source: Address) -> bool:
    if rule["RemoteAddresses"] == ALL_ADDRESSES:
        return True
    ends = map(_ends, rule["RemoteAddresses"].split(","))
    return any(v == source.version and low <= int(source) <= high for v, low, high in ends)


@lru_cache(maxsize=4096)  # the same networks are asked about over and over
def _ends(text: str) -> tuple[int, int, int]:
    """Return version, first and last of a network or range; words such as LocalSubnet are none."""
    low, _dash, high = text.partition("-")
    try:
        if not high:
            network = ip_network(text)
            return network.version, int(network.network_address), int(network.broadcast_address)
        return ip_address(low).version, int(ip_address(low)), int(ip_address(high))
    except ValueError as error:
        raise _unknown({"RemoteAddresses": text}) from error


def _serves(rule: Rule, version: int, knock: Knock) -> bool:
    if rule["Protocol"] == ANY_PROTOCOL:
        return True
    if rule["Protocol"] != PROTOCOLS[knock.protocol]:
        return False
    if knock.icmp:
        types = rule["IcmpTypesAndCodes"].split(",")
        return bool({"*", f"{ICMP_TYPES[version][knock.icmp]}:*"} & set(types))
    return rule["LocalPorts"] == ALL_PORTS or any(
        low <= knock.port <= high for low, high in map(_run, rule["LocalPorts"].split(","))
    )


def _run(text: str) -> tuple[int, int]:
    """Return first and last port; words such as RPC are not understood."""
    low, _dash, high = text.partition("-")
    if not low.isdigit() or not (high or low).isdigit():
        raise _unknown({"LocalPorts": text})
    return int(low), int(high or low)


def loaded(rendered: Mapping[str, Any]) -> Firewall:
    """Return the firewall that a host's ``rendered`` makes."""
    return Firewall(rendered["rules"].values(), rendered["profiles"])
