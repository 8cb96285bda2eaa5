"""What has to be done so that a Windows host lets in what it should, and nothing else.

community.windows.win_firewall_rule finds a rule by its name alone and looks at no other, so what
else lets somebody in would stay. So all rules are read and compared here, by what they mean: a host
writes 10.20.1.0/24 as 10.20.1.0/255.255.255.0. What differs is carried out by the module.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network, summarize_address_range
from typing import Any

from ansible.errors import AnsibleFilterError

Rule = Mapping[str, Any]
Run = tuple[int, int, int]

GROUP = "Kâhya"
IN, ALLOW = 1, 1
CORE = "@FirewallAPI.dll,-25000"
"""Core Networking, in every language of Windows. Of it stays what IP itself needs."""
CORE_TYPES = {  # ICMP's errors, neighbours and routers of IPv6, who listens to which multicast
    1: {3, 11},
    58: {1, 2, 3, 4, 130, 131, 132, 133, 134, 135, 136, 143},
}
IGMP, TCP, UDP, ANY_PROTOCOL = 2, 6, 17, 256
DHCP_PORTS = ("68", "546")
GP_OVERRIDE = 1  # NET_FW_MODIFY_STATE
SHOWN = ("Description", "Grouping", "Action", "Direction", "Profiles", "Protocol", "LocalPorts",
         "IcmpTypesAndCodes", "RemoteAddresses", "Enabled", "RemotePorts", "LocalAddresses",
         "ApplicationName", "ServiceName", "InterfaceTypes", "EdgeTraversalOptions",
         "SecureFlags")  # fmt: skip
LISTS = ("RemoteAddresses", "LocalPorts", "IcmpTypesAndCodes")


def steps(
    wanted: Mapping[str, Any], read: Mapping[str, Any], kept_groups: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return what to do, in an order in which the admin's own way in is there before others close.

    Args:
        wanted: rules by name, and the profiles.
        read: what the host answered, see files/read.ps1.
        kept_groups: rules of these groups are left as they are.

    Raises:
        AnsibleFilterError: nothing is wanted, it would have no effect, or it would hit others.
    """
    if not wanted:
        raise AnsibleFilterError("there is nothing to set: has this town a firewall policy?")
    if read["modify_state"] == GP_OVERRIDE:
        raise AnsibleFilterError(
            "group policy decides about this host's firewall, what is set here has no effect:"
            " take the firewall out of the host's group policies"
        )
    if not _logs_in(read["login"], wanted["rules"].values()):
        raise AnsibleFilterError(
            f"the policy would lock out this very login ({read['login']}):"
            " write an early rule from here, or log in from a workstation"
        )
    rules = {_key(name): rule for name, rule in wanted["rules"].items()}
    others = [rule for rule in read["rules"] if _key(rule["Name"]) not in rules]
    gone = [rule for rule in others if rule["Grouping"] == GROUP]
    foreign = [r for r in others if r not in gone and _lets_in(r) and not _kept(r, kept_groups)]
    stay = {_key(r["Name"]) for r in others if r["Enabled"] and r not in [*gone, *foreign]}
    for rule in (*gone, *foreign):
        if _key(rule["Name"]) in stay:  # the module knows rules by their names alone
            raise AnsibleFilterError(
                f"two rules are called {rule['Name']!r}, one of which has to stay: rename the other"
            )
    return [
        *_set(rules, read["rules"]),
        *_profiles(wanted["profiles"], read["profiles"]),
        *_once(_step("foreign rule", r, r, {**r, "Enabled": False}) for r in foreign),
        *_once(_step("rule", r, r, None) for r in gone),
    ]


def _set(wanted: Mapping[str, Rule], read: Sequence[Rule]) -> Iterator[dict[str, Any]]:
    for key, rule in wanted.items():
        there = [other for other in read if _key(other["Name"]) == key]
        wrong = [other for other in there if _text(other) != _text(rule)]
        if any(other["Protocol"] != rule["Protocol"] for other in wrong):
            yield _step("rule", rule, wrong[0], None)  # its ports would not fit another protocol
            there, wrong = [], []
        if wrong or not there:
            yield _step("rule", rule, wrong[0] if wrong else None, rule)


def _profiles(
    wanted: Mapping[str, Mapping[str, str]], read: Mapping[str, Mapping[str, str]]
) -> Iterator[dict[str, Any]]:
    for name, settings in wanted.items():
        before = {key: read[name][key] for key in settings}
        if before != settings:
            yield {
                "label": f"profile {name}",
                "state": "present",
                "profile": {"Name": name, **settings},
                "before": before,
                "after": dict(settings),
            }


def _step(kind: str, rule: Rule, before: Rule | None, after: Rule | None) -> dict[str, Any]:
    """Return one step; ``after`` is what is set, None to remove it."""
    return {
        "label": f"{kind} {rule['Name'].removeprefix('kahya:')}",
        "state": "present" if after else "absent",
        "rule": dict(after or rule),
        "foreign": kind != "rule",
        "before": _text(before) if before else "",
        "after": _text(after) if after else "",
    }


def _logs_in(login: str, rules: Iterable[Rule]) -> bool:
    """Return whether ``rules`` let in who is logged in; true where OpenSSH doesn't say who."""
    if not login:
        return True
    client, _port, _server, port = login.split()
    return any(_is_from(rule, client) and _is_to(rule, int(port)) for rule in rules)


def _is_from(rule: Rule, client: str) -> bool:
    here = ip_address(client)
    runs, words = _runs(_parts(rule["RemoteAddresses"]))
    return "*" in words or any(
        version == here.version and low <= int(here) <= high for version, low, high in runs
    )


def _is_to(rule: Rule, port: int) -> bool:
    ends = [text.split("-") for text in _parts(rule["LocalPorts"])]
    found = ["*"] in ends or any(int(run[0]) <= port <= int(run[-1]) for run in ends)
    return rule["Protocol"] == ANY_PROTOCOL or (rule["Protocol"] == TCP and found)


def _once(found: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield one step for all rules of a name: the module finds them all."""
    seen: set[str] = set()
    for step in found:
        if step["label"].casefold() not in seen:
            seen.add(step["label"].casefold())
            yield step


def _lets_in(rule: Rule) -> bool:
    """Return whether a rule has a say about who comes in: what blocks wins over ours."""
    return bool(rule["Enabled"]) and rule["Direction"] == IN


def _kept(rule: Rule, groups: Sequence[str]) -> bool:
    """Return whether a rule is needed for there to be IP at all, or its group is left alone."""
    if rule["Grouping"] in groups:
        return True
    if rule["Grouping"] != CORE or rule["Action"] != ALLOW:
        return False
    if rule["Protocol"] == UDP:
        return rule["LocalPorts"] in DHCP_PORTS
    types = _parts(rule["IcmpTypesAndCodes"])
    known = {str(number) for number in CORE_TYPES.get(rule["Protocol"], ())}
    return rule["Protocol"] == IGMP or (bool(types) and {t.split(":")[0] for t in types} <= known)


def _key(name: str) -> str:
    return name.casefold()  # as PowerShell compares


def _text(rule: Rule) -> str:
    """Return what a rule says, one line for each of its addresses, ports and types."""
    lines = []
    for key in SHOWN:
        value = rule[key]
        if key == "RemoteAddresses":
            lines += [f"{key}: {text}" for text in _addresses(_parts(value))]
        elif key in LISTS:
            lines += [f"{key}: {text}" for text in sorted(_parts(value))]
        elif value not in ("", None):
            lines.append(f"{key}: {value}")
    return "\n".join(lines)


def _parts(value: str | None) -> list[str]:
    return (value or "").split(",") if value else []


def _addresses(texts: Sequence[str]) -> list[str]:
    """Return networks and ranges joined and in one form, whatever a host writes; then words."""
    runs, words = _runs(texts)
    joined: list[Run] = []
    for version, low, high in sorted(runs):
        if joined and joined[-1][0] == version and low <= joined[-1][2] + 1:
            _version, first, last = joined.pop()
            joined.append((version, first, max(high, last)))
        else:
            joined.append((version, low, high))
    return [*(_written(*run) for run in joined), *sorted(words)]


def _runs(texts: Sequence[str]) -> tuple[list[Run], list[str]]:
    """Return version, first and last of each network and range, and the words among ``texts``."""
    runs: list[Run] = []
    words = []
    for text in texts:
        low, _dash, high = text.partition("-")
        try:
            first, last = (ip_address(low), ip_address(high)) if high else _ends(low)
            runs.append((first.version, int(first), int(last)))
        except ValueError:
            words.append(text)
    return runs, words


def _ends(text: str) -> tuple[Any, Any]:
    network = ip_network(text)
    return network[0], network[-1]


def _written(version: int, low: int, high: int) -> str:
    make = {4: IPv4Address, 6: IPv6Address}[version]
    networks = list(summarize_address_range(make(low), make(high)))
    return str(networks[0]) if len(networks) == 1 else f"{make(low)}-{make(high)}"


class FilterModule:
    """The filter of this role."""

    def filters(self) -> dict[str, Any]:
        """Return it by its name."""
        return {"windows_firewall_steps": steps}
