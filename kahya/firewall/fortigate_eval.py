"""What becomes of a packet in the configuration of a FortiGate, as its REST API tells it.

As FortiOS' administration guide has it: a forwarded port is translated first; of the policies, the
first that fits decides, and none means no. A policy with plain addresses does not fit what was
translated, unless it denies and says ``match-vip``. What is not understood is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

from kahya.firewall.fortigate import (
    ADDRESS,
    ADDRESS6,
    ALL,
    ALL_ADDRESSES,
    ALWAYS,
    LOCAL,
    LOCAL6,
    PLAIN,
    PLAIN_POLICY,
    POLICY,
    SCHEDULE,
    SERVICE,
    TABLES,
    VIP,
    VIP6,
)
from kahya.firewall.nft_eval import Knock, Knocks, Packet, UnknownRuleError
from kahya.firewall.policy import ANY
from kahya.i18n import _

ICMP = {"ICMP": "icmp", "ICMP6": "icmpv6"}
PORTED = ("TCP/UDP/SCTP", "TCP/UDP/UDP-Lite/SCTP")

Entry = Mapping[str, Any]


class Configuration:
    """A configuration that packets can be sent through.

    Args:
        tables: lists of entries, in the device's order, or the entries by their keys.
        today: ISO 8601; what ended before no longer counts.
    """

    def __init__(self, tables: Mapping[str, Any], today: str) -> None:
        self.today = today
        rows = {t: tables.get(t, ()) for t in TABLES}
        entries = {t: r.values() if isinstance(r, Mapping) else r for t, r in rows.items()}
        self._names = {t: {e["name"]: e for e in entries[t] if "name" in e} for t in TABLES}
        self._policies = list(filter(self._in_force, entries[POLICY]))
        self._local = {
            version: list(filter(self._in_force, entries[table]))
            for version, table in ((4, LOCAL), (6, LOCAL6))
        }
        self._vips = {4: list(entries[VIP]), 6: list(entries[VIP6])}

    @classmethod
    def of(cls, text: str, today: str) -> Configuration:
        """Return what ``text``, tables as JSON, says."""
        return cls(json.loads(text), today)

    def run(self, hook: str, packet: Packet) -> list[Packet]:
        """Return what leaves ``hook``, as of nftables: nothing, or ``packet`` in parts."""
        if packet.state != "new" or hook in ("output", "postrouting"):
            return [packet]
        if hook == "prerouting":
            return list(self._translated(packet))
        if hook == "input":
            return list(
                self._decided(packet, self._local[packet.to.version], "intf", open_end=True)
            )
        return list(self._decided(packet, self._policies, "srcintf"))

    def _decided(
        self, packet: Packet, policies: Iterable[Entry], inlet: str, *, open_end: bool = False
    ) -> Iterator[Packet]:
        """Yield what the first fitting policies let through.

        ``open_end``: what no policy is about is let through, as services of the device itself are.
        """
        left = packet.knocks
        for policy in policies:
            hit = self._fits(policy, packet, left, inlet)
            left -= hit
            if hit and policy["action"] == "accept":
                yield replace(packet, knocks=hit, snat=policy.get("nat") == "enable")
            elif hit and policy["action"] != "deny":
                raise _unknown({"action": policy["action"]})
        if left and open_end:
            yield replace(packet, knocks=left)

    def _fits(self, policy: Entry, packet: Packet, knocks: Knocks, inlet: str) -> Knocks:
        """Return those of ``knocks`` that ``policy`` is about."""
        six = "6" if packet.to.version != 4 and inlet != "intf" else ""  # noqa: PLR2004 - IPv4
        ways = [(inlet, packet.enters)] + [("dstintf", packet.leaves)] * (inlet != "intf")
        if not all({ANY, way} & set(_names(policy[side])) for side, way in ways):
            return frozenset()
        if not self._covers(_names(policy.get(f"srcaddr{six}", ())), packet.source):
            return frozenset()
        found = frozenset(k for k in knocks if self._serves(_names(policy["service"]), k))
        goals = _names(policy.get(f"dstaddr{six}", ()))
        vips = self._names[VIP6 if packet.to.version != 4 else VIP]  # noqa: PLR2004 - IPv4
        if packet.dnat:
            doors = [vips[name] for name in goals if name in vips]
            through = frozenset(k for k in found if any(_leads(d, packet, k) for d in doors))
            if policy.get("match-vip") != "enable" or policy["action"] != "deny":
                return through
            found, goals = found - through, [name for name in goals if name not in vips]
            return through | (found if self._covers(goals, packet.to) else frozenset())
        goals = [name for name in goals if name not in vips]
        return found if self._covers(goals, packet.to) else frozenset()

    def _covers(self, names: Iterable[str], address: Any) -> bool:
        table = self._names[ADDRESS if address.version == 4 else ADDRESS6]  # noqa: PLR2004 - IPv4
        return any(name == ALL_ADDRESSES or _in(_known(table, name), address) for name in names)

    def _serves(self, names: Iterable[str], knock: Knock) -> bool:
        return any(n == ALL or _serves(_known(self._names[SERVICE], n), knock) for n in names)

    def _in_force(self, policy: Entry) -> bool:
        """Return whether a policy counts today; refuse one that says more than is understood."""
        usual = PLAIN_POLICY if "srcintf" in policy else PLAIN
        for key, value in usual.items():
            if policy.get(key, value) != value:
                raise _unknown({key: policy[key]})
        if policy["status"] != "enable":
            return False
        if policy["schedule"] == ALWAYS:
            return True
        about = _known(self._names[SCHEDULE], policy["schedule"])
        first, last = (about[k].split()[1].replace("/", "-") for k in ("start", "end"))
        return bool(first <= self.today <= last)

    def _translated(self, packet: Packet) -> Iterator[Packet]:
        left = packet.knocks
        for vip in self._vips[packet.to.version]:
            if vip.get("portforward") != "enable" or vip.get("status", "enable") != "enable":
                raise _unknown({"vip": vip["name"]})
            here = vip.get("extintf", ANY) in (ANY, packet.enters)
            if not here or ip_address(vip["extip"]) != packet.to:
                continue
            hit = frozenset(k for k in left if _shift(vip, k) is not None)
            left -= hit
            if hit:
                moved = (replace(k, port=k.port + (_shift(vip, k) or 0), tried=k.port) for k in hit)
                yield replace(packet, to=_mapped(vip), knocks=frozenset(moved), dnat=True)
        if left:
            yield replace(packet, knocks=left)


def _unknown(what: object) -> UnknownRuleError:
    text = json.dumps(what, sort_keys=True)
    return UnknownRuleError(
        _("the check of the firewall does not know this of a FortiGate: {what}").format(what=text),
        _("Take it away, or teach kahya/firewall/fortigate_eval.py what it means."),
    )


def _names(items: Iterable[Any]) -> list[str]:
    return [item["name"] for item in items]


def _known(table: Mapping[str, Entry], name: str) -> Entry:
    if name not in table:
        raise _unknown({"name": name})
    return table[name]


def _in(entry: Entry, address: Any) -> bool:
    if entry["type"] == "ipmask":
        return address in ip_network("/".join(entry["subnet"].split()))
    if entry["type"] == "ipprefix":
        return address in ip_network(entry["ip6"])
    if entry["type"] == "iprange":
        return bool(ip_address(entry["start-ip"]) <= address <= ip_address(entry["end-ip"]))
    raise _unknown(entry)


def _serves(entry: Entry, knock: Knock) -> bool:
    from aerleon.lib.aclgenerator import Term

    protocol = entry.get("protocol", PORTED[0])
    if protocol in ICMP:
        version = 4 if protocol == "ICMP" else 6
        number = Term.ICMP_TYPE[version].get(knock.icmp)
        return knock.protocol == ICMP[protocol] and number == int(entry["icmptype"])
    if protocol not in PORTED:
        raise _unknown(entry)
    runs = entry.get(f"{knock.protocol}-portrange", "").split()
    return any(low <= knock.port <= high for low, high in map(_run, runs))


def _run(text: str) -> tuple[int, int]:
    """Return first and last port; a source's port behind a colon is not understood."""
    if ":" in text:
        raise _unknown({"portrange": text})
    low, _dash, high = text.partition("-")
    return int(low), int(high or low)


def _shift(vip: Entry, knock: Knock) -> int | None:
    """Return what a forwarded port adds to the port of ``knock``, None where it is another's."""
    low, high = _run(vip["extport"])
    if knock.protocol != vip["protocol"] or not low <= knock.port <= high:
        return None
    return _run(vip["mappedport"])[0] - low


def _mapped(vip: Entry) -> Any:
    inner = vip["mappedip"]
    return ip_address(inner if isinstance(inner, str) else inner[0]["range"].split("-")[0])


def _leads(vip: Entry, packet: Packet, knock: Knock) -> bool:
    """Return whether ``knock`` has come through this forwarded port."""
    low, high = _run(vip["mappedport"])
    same = knock.protocol == vip["protocol"] and _mapped(vip) == packet.to
    return bool(same and low <= knock.port <= high)
