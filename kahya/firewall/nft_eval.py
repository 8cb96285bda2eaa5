"""What becomes of a packet in an nftables ruleset: rules read back, apart from who wrote them.

The ruleset is loaded in a network namespace of its own and taken from ``nft -j list ruleset``
(libnftables-json(5)), so what is judged is what a kernel understood and no text of ours. Every
expression is understood when it is read or refused: nothing unknown ever lets a packet through.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Literal

from kahya.errors import PlanError
from kahya.firewall.nft import listed
from kahya.i18n import _

Address = IPv4Address | IPv6Address
TTL = 64
FAMILIES: Mapping[str, tuple[int, ...]] = {"ip": (4,), "ip6": (6,), "inet": (4, 6)}
ALIASES = {"ipv6-icmp": "icmpv6"}
SOURCE_PORT = 40000
IGNORED = ("counter", "log", "comment")
VERDICTS = ("accept", "drop", "reject", "return", "jump", "goto")
TRANSLATIONS = ("dnat", "snat", "masquerade")


@dataclass(frozen=True)
class Knock:
    """One port or type that is tried.

    ``protocol`` is tcp, udp, icmp or icmpv6; ``port`` that of the destination, ``icmp`` a type in
    nft's word. ``tried`` is the port before a gateway forwarded it, 0 while none did.
    """

    protocol: str
    port: int = 0
    icmp: str = ""
    tried: int = 0


@dataclass(frozen=True)
class Packet:
    """First packets of connections between two addresses, one for each of ``knocks``.

    ``enters`` and ``leaves`` name the gateway's interfaces. With another ``state`` they are packets
    that follow, with ``answer`` the ports and types are those of the source. ``dnat`` and ``snat``
    tell which address was translated.
    """

    source: Address
    to: Address
    knocks: frozenset[Knock]
    enters: str = ""
    leaves: str = ""
    state: str = "new"
    answer: bool = False
    dnat: bool = False
    snat: bool = False


Knocks = frozenset[Knock]
Place = tuple[str, str, str]
"""Family, table and chain."""

Verdict = tuple[str, Any]
"""A word of VERDICTS with the chain it leads to, or a translation with its address and port."""

Test = Callable[[Packet, Knocks], Knocks]
"""Returns those of the knocks for which a rule goes on."""

End = Callable[[Packet, Knocks], list[tuple[Verdict, Knocks]]]
"""Returns what becomes of those for which the whole rule holds."""

Getter = Callable[[Packet, Knock], "int | str | frozenset[str] | tuple[Any, ...] | None"]
Is = Callable[[Any], bool]
Kind = Literal["address", "number", "interface", "word", "flags"]


class UnknownRuleError(PlanError):
    """A ruleset holds what this evaluator does not understand."""


def _unknown(what: object) -> UnknownRuleError:
    text = json.dumps(what, sort_keys=True)
    return UnknownRuleError(
        _("the check of the firewall does not know the nftables expression {what}").format(
            what=text
        ),
        _("Write the rule without it, or teach kahya/firewall/nft_eval.py what it means."),
    )


class Ruleset:
    """A ruleset that packets can be sent through. ``document``: what ``nft -j`` lists."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._sets: dict[Place, list[Any]] = {}
        self._chains: dict[Place, list[tuple[list[Test], End | None]]] = {}
        self._hooks: dict[str, list[dict[str, Any]]] = {}
        objects = [next(iter(item.items())) for item in document["nftables"]]
        for kind, about in objects:
            if kind in ("set", "map"):
                key = about["family"], about["table"], about["name"]
                self._sets[key] = about.get("elem", [])
            elif kind == "chain":
                self._add_chain(about)
            elif kind not in ("metainfo", "table", "rule"):
                raise _unknown({kind: about})
        for kind, about in objects:
            if kind == "rule":
                place = about["family"], about["table"]
                self._chains[*place, about["chain"]].append(self._rule(about["expr"], place))

    @classmethod
    def of(cls, text: str) -> Ruleset:
        """Load ``text`` in a namespace that ends at once, and read it back.

        Raises:
            PlanError: nft is missing, can't be run here, or refuses the text.
            UnknownRuleError: it holds what can't be judged.
        """
        return cls(listed(text))

    def run(self, hook: str, packet: Packet) -> list[Packet]:
        """Return what leaves ``hook`` (prerouting, forward, …): nothing, or ``packet`` in parts."""
        packets = [packet]
        for about in sorted(self._hooks.get(hook, ()), key=lambda chain: chain["prio"]):
            packets = [part for one in packets for part in self._pass(about, one)]
        return packets

    def _pass(self, about: Mapping[str, Any], packet: Packet) -> list[Packet]:
        """Send ``packet`` through one base chain."""
        skipped = about["type"] == "nat" and packet.state != "new"  # these see first packets alone
        if skipped or packet.to.version not in FAMILIES[about["family"]]:
            return [packet]
        passed = []
        for verdict, knocks in self._walk((about["family"], about["table"], about["name"]), packet):
            word = about["policy"] if verdict[0] == "end" else verdict[0]
            if word not in ("drop", "reject"):
                passed.append(_translated(verdict, replace(packet, knocks=knocks)))
        return passed

    def _walk(self, chain: Place, packet: Packet) -> list[tuple[Verdict, Knocks]]:
        """Return the verdicts of a chain; ``end`` for what it has none about."""
        left, found = packet.knocks, []
        for tests, end in self._chains[chain]:
            hit = left
            for test in tests:
                hit = test(packet, hit) if hit else hit
            for verdict, knocks in end(packet, hit) if end and hit else ():
                left -= knocks
                if verdict[0] in ("jump", "goto"):
                    inner = self._walk(
                        (*chain[:2], verdict[1]["target"]), replace(packet, knocks=knocks)
                    )
                    back = [k for v, k in inner if v[0] == "end" and verdict[0] == "jump"]
                    left = left.union(*back)
                    found += [(v, k) for v, k in inner if k not in back]
                else:
                    found.append((("end", None) if verdict[0] == "return" else verdict, knocks))
        return [*found, (("end", None), left)] if left else found

    def _add_chain(self, about: dict[str, Any]) -> None:
        family, hook = about["family"], about.get("hook", "")
        self._chains[family, about["table"], about["name"]] = []
        if not hook:
            return
        hooks = ("prerouting", "input", "forward", "output", "postrouting")
        if family not in FAMILIES or hook not in hooks or about["type"] == "route":
            raise _unknown({"chain": about})
        self._hooks.setdefault(hook, []).append(about)

    def _rule(
        self, expressions: Iterable[Mapping[str, Any]], place: tuple[str, str]
    ) -> tuple[list[Test], End | None]:
        tests: list[Test] = []
        end: End | None = None
        for expression in expressions:
            ((name, about),) = expression.items()
            if end is not None:
                raise _unknown(expression)  # nothing may follow a verdict
            if name == "match":
                tests.append(self._match(about, place))
            elif name == "vmap":
                end = self._verdict_map(about, place)
            elif name in VERDICTS or name in TRANSLATIONS:
                end = _always(name, about)
            elif name == "limit" and "rate" in about:
                if about.get("inv"):  # a single packet is never too many
                    tests.append(lambda _packet, _knocks: frozenset())
            elif name not in IGNORED and not (name == "mangle" and "tcp option" in about["key"]):
                raise _unknown(expression)
        return tests, end

    def _match(self, about: Mapping[str, Any], place: tuple[str, str]) -> Test:
        getter, kind, alike = _getter(about["left"])
        is_right, op = self._is(about["right"], kind, place), about["op"]
        if op not in ("==", "!=", "in"):
            raise _unknown(about)

        def holds(packet: Packet, knock: Knock) -> bool:
            value = getter(packet, knock)  # None: there is no such field, so nothing matches it
            return value is not None and is_right(value) == (op != "!=")

        def matching(packet: Packet, knocks: Knocks) -> Knocks:
            if alike:  # asked once: all of them share their addresses and interfaces
                return knocks if holds(packet, next(iter(knocks))) else frozenset()
            return frozenset(knock for knock in knocks if holds(packet, knock))

        return matching

    def _verdict_map(self, about: Mapping[str, Any], place: tuple[str, str]) -> End:
        pairs = []
        for key, verdict in self._elements(about["data"], place):
            ((word, target),) = verdict.items()
            test = self._match({"left": about["key"], "right": key, "op": "=="}, place)
            pairs.append((test, _always(word, target)))

        def look_up(packet: Packet, knocks: Knocks) -> list[tuple[Verdict, Knocks]]:
            found = []
            for test, end in pairs:
                hit = test(packet, knocks) if knocks else knocks
                found += end(packet, hit) if hit else []
                knocks -= hit
            return found

        return look_up

    def _elements(self, right: Any, place: tuple[str, str]) -> list[Any]:
        """Return what a set holds, written in the rule or named ``@name``."""
        if isinstance(right, str):
            return self._sets[*place, right.removeprefix("@")]
        return right["set"] if isinstance(right["set"], list) else [right["set"]]

    def _is(self, right: Any, kind: Any, place: tuple[str, str]) -> Is:
        """Return a test for being ``right``, or in it."""
        named = isinstance(right, str) and right.startswith("@")
        if named or (isinstance(right, dict) and "set" in right):
            tests = [_single(element, kind) for element in self._elements(right, place)]
            return lambda value: any(test(value) for test in tests)
        return _single(right, kind)


def _always(word: str, about: Any) -> End:
    """Return an end with one verdict for all."""
    unusual = set(about or {}) - {"addr", "port", "family", "flags"} if word in TRANSLATIONS else ()
    if unusual or word not in (*VERDICTS, *TRANSLATIONS):
        raise _unknown({word: about})
    if word in TRANSLATIONS and not isinstance((about or {}).get("port", 0), int):
        raise _unknown({word: about})
    family = about.get("family", "inet") if word in TRANSLATIONS and about else "inet"

    def end(packet: Packet, knocks: Knocks) -> list[tuple[Verdict, Knocks]]:
        return [((word, about), knocks)] if packet.to.version in FAMILIES[family] else []

    return end


def _translated(verdict: Verdict, packet: Packet) -> Packet:
    """Return ``packet`` with the addresses that it has after ``verdict``."""
    word, about = verdict[0], verdict[1] or {}
    if word not in TRANSLATIONS:
        return packet
    address = ip_address(about["addr"]) if "addr" in about else None
    if word != "dnat":  # masquerade's new source is the way out's own address
        return replace(packet, snat=True, source=address or packet.source)
    if not (port := about.get("port")):
        return replace(packet, dnat=True, to=address or packet.to)
    knocks = frozenset(replace(k, port=port, tried=k.tried or k.port) for k in packet.knocks)
    return replace(packet, dnat=True, to=address or packet.to, knocks=knocks)


def _single(right: Any, kind: Any) -> Is:
    if isinstance(kind, tuple):  # concatenated
        tests = [_single(part, k) for part, k in zip(right["concat"], kind, strict=True)]
        return lambda value: all(test(part) for test, part in zip(tests, value, strict=True))
    if kind in ("flags", "exactly"):
        wanted = frozenset(right if isinstance(right, list) else [right])
        return (lambda v: bool(v == wanted)) if kind == "exactly" else lambda v: bool(v & wanted)
    if kind == "interface":
        stem = right.removesuffix("*")
        return lambda value: bool(value.startswith(stem) if stem != right else value == right)
    if kind == "word":
        if not isinstance(right, str | int):
            raise _unknown(right)
        word = ALIASES.get(str(right), right)
        return lambda value: bool(value == word)
    low, high = _bounds(right, kind)
    return lambda value: bool(low <= value <= high)


def _bounds(right: Any, kind: Any) -> tuple[int, int]:
    """Return first and last of a number, range or prefix."""
    if isinstance(right, dict) and "prefix" in right:
        network = ip_network(f"{right['prefix']['addr']}/{right['prefix']['len']}")
        return int(network.network_address), int(network.broadcast_address)
    if isinstance(right, dict) and "range" in right:
        low, high = right["range"]
        return _bounds(low, kind)[0], _bounds(high, kind)[1]
    if not isinstance(right, str | int):
        raise _unknown(right)
    try:
        number = int(ip_address(right)) if kind == "address" else int(right)
    except ValueError as error:
        raise _unknown(right) from error
    return number, number


def _getter(left: Mapping[str, Any]) -> tuple[Getter, Any, bool]:
    """Return what reads a field, the kind of its values, and whether all knocks share it."""
    ((name, about),) = left.items()
    if name == "concat":
        parts = [_getter(part) for part in about]

        def together(packet: Packet, knock: Knock) -> tuple[Any, ...] | None:
            values = tuple(getter(packet, knock) for getter, _kind, _alike in parts)
            return None if None in values else values

        return together, tuple(kind for _g, kind, _a in parts), all(alike for *_x, alike in parts)
    if name == "&" and about[0] == {"payload": {"protocol": "tcp", "field": "flags"}}:
        mask = frozenset(about[1] if isinstance(about[1], list) else [about[1]])
        opening = frozenset({"syn"})
        return (lambda _p, k: opening & mask if k.protocol == "tcp" else None), "exactly", False
    try:
        key = (about["protocol"], about["field"]) if name == "payload" else (name, about["key"])
        return FIELDS[key]
    except (KeyError, TypeError) as error:
        raise _unknown(left) from error


def _header(version: int, read: Callable[[Packet], int]) -> tuple[Getter, Kind, bool]:
    return (lambda p, _k: read(p) if p.to.version == version else None), "address", True


def _next(version: int) -> tuple[Getter, Kind, bool]:
    return (lambda p, k: k.protocol if p.to.version == version else None), "word", False


def _ttl(version: int) -> tuple[Getter, Kind, bool]:
    return (lambda p, _k: TTL if p.to.version == version else None), "number", True


def _kind(protocol: str) -> tuple[Getter, Kind, bool]:
    return (lambda _p, k: k.icmp if k.protocol == protocol else None), "word", False


def _port(protocols: tuple[str, ...], *, source: bool) -> tuple[Getter, Kind, bool]:
    def read(packet: Packet, knock: Knock) -> int | None:
        if knock.protocol not in protocols:
            return None
        return knock.port if packet.answer == source else SOURCE_PORT

    return read, "number", False


FIELDS: Mapping[tuple[str, str], tuple[Getter, Kind, bool]] = {
    ("meta", "iifname"): (lambda p, _k: p.enters, "interface", True),
    ("meta", "oifname"): (lambda p, _k: p.leaves, "interface", True),
    ("meta", "l4proto"): (lambda _p, k: k.protocol, "word", False),
    ("meta", "nfproto"): (lambda p, _k: f"ipv{p.to.version}", "word", True),
    ("meta", "skuid"): (lambda _p, _k: None, "number", True),  # it comes from no process here
    ("ct", "direction"): (lambda p, _k: "reply" if p.answer else "original", "word", True),
    ("ct", "state"): (lambda p, _k: frozenset({p.state}), "flags", True),
    ("ct", "status"): (
        lambda p, _k: frozenset(("dnat",) * p.dnat + ("snat",) * p.snat), "flags", True,
    ),
    ("ip", "saddr"): _header(4, lambda p: int(p.source)),
    ("ip", "daddr"): _header(4, lambda p: int(p.to)),
    ("ip", "protocol"): _next(4),
    ("ip", "ttl"): _ttl(4),
    ("ip6", "saddr"): _header(6, lambda p: int(p.source)),
    ("ip6", "daddr"): _header(6, lambda p: int(p.to)),
    ("ip6", "nexthdr"): _next(6),
    ("ip6", "hoplimit"): _ttl(6),
    ("icmp", "type"): _kind("icmp"),
    ("icmpv6", "type"): _kind("icmpv6"),
    **{
        (header, field): _port(protocols, source=field == "sport")
        for header, protocols in (("tcp", ("tcp",)), ("udp", ("udp",)), ("th", ("tcp", "udp")))
        for field in ("sport", "dport")
    },
}  # fmt: skip
