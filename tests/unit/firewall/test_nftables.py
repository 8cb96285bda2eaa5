"""Any policy becomes a ruleset that nft loads and that lets nobody through by mistake."""

import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from firewall.policies import policies
from hypothesis import given, settings
from hypothesis import strategies as st

from kahya.firewall.nft_eval import Knock, Packet, Ruleset
from kahya.firewall.nftables import ruleset

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT))
from deploys.firewall.ruleset import NORMAL_FORM, parts  # noqa: E402 - deploys are no package

TODAY = "2026-11-27"
GATEWAYS = ("gw-merkez", "gw-fen", "gw-itfaiye")
ANYWHERE = st.sampled_from(GATEWAYS)
FEW = settings(max_examples=12, deadline=None)


def nft(text):
    """Load a ruleset in a network of its own and return how nft lists it: its normal form."""
    command = ["unshare", "-rn", "sh", "-c", NORMAL_FORM]
    loaded = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert loaded.returncode == 0, loaded.stderr
    return loaded.stdout


def rendered(town, policy, gateway="gw-merkez", today=TODAY):
    return ruleset({**town.hosts[gateway].vars, "firewall": policy, "today": today})


def rules_of(text):
    """Yield the lines of the chains that rules became."""
    for name, lines in parts(text.splitlines()).items():
        if re.search(r"chain (input|forward)-", name):
            yield from (line for line in lines.splitlines() if not line.startswith("comment"))


@FEW
@given(policies(), ANYWHERE)
def test_any_policy_loads_and_its_normal_form_stays(town, policy, gateway):
    listed = nft(rendered(town, policy, gateway))
    assert nft(listed) == listed


@FEW
@given(policies(), ANYWHERE)
def test_no_rule_lacks_an_end(town, policy, gateway):
    """Where the families of both ends differ, aerleon alone would write a rule for everybody."""
    for line in rules_of(rendered(town, policy, gateway)):
        assert re.search(r"saddr|iifname", line), line
        assert re.search(r"daddr|oifname", line), line
        assert re.search(r"saddr|daddr", line), line


@FEW
@given(policies(zones_only=True), ANYWHERE)
def test_ipv6_is_as_strict_as_ipv4(town, policy, gateway):
    """All zones have both families: each rule about the one has its like about the other."""
    rules = [x for x in rules_of(rendered(town, policy, gateway)) if "icmp" not in x]
    ends = re.compile(r"(ip6?) ([sd]addr) (\{[^}]*\}|\S+)")
    four, six = (
        Counter(ends.sub(r"\2", x) for x in rules if f"{family} " in x) for family in ("ip", "ip6")
    )
    assert four == six


@FEW
@given(policies())
def test_what_ended_is_not_there(town, policy):
    ended = {rule["name"] for rule in policy["rules"] if rule["until"] == "2026-01-31"}
    text = rendered(town, policy)
    assert not [name for name in ended if re.search(rf"chain (input|forward)-{name} ", text)]
    assert "until 2026-01-31" not in text


RULE = {
    "name": "fair",
    "from": ["ofis"],
    "to": ["dmz"],
    "services": ["web"],
    "owner": "Ayşe",
    "reason": "the spring fair",
    "until": "2026-12-31",
}
FAIR = {"services": {"web": {"tcp": [443]}}, "rules": [RULE]}


def test_a_last_day_that_has_passed_is_seen_with_its_reason(town):
    before, after = (
        parts(nft(rendered(town, FAIR, today=day)).splitlines())
        for day in ("2026-12-31", "2027-01-01")
    )
    gone = before.pop("nftables chain forward-fair")
    assert "Ayşe: the spring fair (until 2026-12-31)" in gone
    jump = 'meta time < "2027-01-01 00:00:00" jump forward-fair\n'
    assert jump in before["nftables chain forward"], "it ends by itself"
    jump = before["nftables chain forward"].replace(jump, "")
    assert before | {"nftables chain forward": jump} == after


def test_a_rule_is_where_it_matters_only(town):
    policy = {**FAIR, "rules": [{**RULE, "from": ["kamera"], "to": ["dmz"]}]}
    there = {g for g in GATEWAYS if "forward-fair" in rendered(town, policy, g)}
    assert there == {"gw-merkez", "gw-itfaiye"}


def test_the_gateway_is_reached_by_name_only(town):
    policy = {
        **FAIR,
        "rules": [{**RULE, "to": ["ofis"]}, {**RULE, "name": "own", "to": ["gateway"]}],
    }
    text = rendered(town, policy)
    assert "input-fair" not in text
    assert "chain input-own" in text


def test_a_published_program_is_reached_behind_the_gateways_address(town):
    program = {"name": "site", "service": "web", "to": "web-merkez", "port": 8443}
    policy = {**FAIR, "published": [program | {"owner": "x", "reason": "y"}]}
    text = rendered(town, policy)
    assert "ip daddr 198.51.100.11 tcp dport 8443 counter dnat ip to 10.20.11.10:443" in text
    assert "dnat ip6 to [fd20:0:0:11::10]:443" in text
    chain = parts(text.splitlines())["nftables chain forward-site"]
    assert 'iifname "wan0" ip daddr 10.20.11.10/32 tcp dport 443 ct state new' in chain
    assert "dnat" not in rendered(town, policy, "gw-fen")


def test_a_network_of_the_internet_comes_by_the_wan_only(town):
    policy = {**FAIR, "rules": [{**RULE, "from": ["192.0.2.0/24"], "to": ["dmz"]}]}
    chain = parts(rendered(town, policy).splitlines())["nftables chain forward-fair"]
    assert 'iifname "wan0" ip saddr 192.0.2.0/24 ip daddr 10.20.11.0/24 tcp dport 443' in chain
    policy = {**FAIR, "rules": [{**RULE, "to": ["192.0.2.0/24"]}]}
    text = rendered(town, policy)
    assert re.search(r'oifname "wan0" ip saddr \{.*\} ip daddr 192.0.2.0/24 tcp dport 443', text)
    assert "masquerade" in text


def test_nobody_leaves_unless_a_rule_lets_them(town):
    assert "masquerade" not in rendered(town, FAIR)
    policy = {**FAIR, "rules": [{**RULE, "to": ["internet"]}]}
    text = rendered(town, policy)
    assert 'oifname "wan0" ip saddr' in text
    assert "masquerade" in text


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_the_towns_own_policy_lets_the_workstation_in(town, gateway):
    text = nft(ruleset(town.hosts[gateway].vars))
    chain = parts(text.splitlines())["nftables chain input-admin-everywhere"]
    assert re.search(r"^ip saddr 10\.20\.1\.100 .*dport \{ 22, .*accept$", chain, re.MULTILINE)


@pytest.mark.parametrize(
    ("rule", "program", "refused"),
    [
        ({}, {}, False),
        ({"from": ["internet"], "to": ["sunucu"]}, {}, True),
        ({"from": ["2001:db8:9::/48"], "to": ["ofis"]}, {}, True),
        ({"from": ["internet"], "to": ["dmz", "ofis"]}, {}, True),
        ({"from": ["internet"], "to": ["dmz"]}, {}, False),
        ({"services": ["db"], "from": ["internet"], "to": ["dmz"]}, {}, True),
        ({}, {"to": "db-merkez"}, True),
        ({}, {"to": "pc-merkez", "port": 8443}, True),
        ({}, {"to": "web-merkez"}, False),
    ],
)
def test_no_plan_opens_a_database_to_the_wan(town, rule, program, refused):
    """The lab's town.yml refuses what would; and nothing that it has today."""
    known = town.hosts["gw-merkez"].vars["firewall"]
    policy = {**known, "services": {**known["services"], "db": {"tcp": [5432]}}}
    policy["rules"] = [*known["rules"], *([{**RULE, **rule}] if rule else [])]
    if program:
        made = {"name": "x", "service": "web", "port": 9443, "owner": "x", "reason": "y"}
        policy["published"] = [*known["published"], {**made, **program, "port": 9443}]
    when = next(r["when"] for r in town.settings["approval"]["rules"] if "refuse" in r)
    lines = nft(rendered(town, policy)).splitlines()
    assert any(re.search(when["adds"], line) for line in lines) is refused


ENDS = [("10.20.1.10", "10.20.2.60"), ("fd20:0:0:1::10", "fd20:0:0:2::60")]


@pytest.mark.parametrize("gateway", GATEWAYS)
@pytest.mark.parametrize(("source", "to"), ENDS)
def test_nothing_for_the_town_leaves_in_the_open(town, gateway, source, to):
    """Not even what was established while the tunnel worked, nor what the gateway itself says."""
    rules = Ruleset.of(ruleset(town.hosts[gateway].vars))
    knocks = frozenset({Knock("tcp", 5432)})
    packet = Packet(ip_address(source), ip_address(to), knocks, "lan0", "wan0", "established")
    assert rules.run("forward", packet) == []
    assert rules.run("output", packet) == []
    assert rules.run("forward", replace(packet, leaves="wg-x")) != []


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_only_strangers_pings_are_limited(town, gateway):
    text = ruleset(town.hosts[gateway].vars)
    limited = re.findall(r"(\S.*) type echo-request limit rate over", text)
    wan = ", ".join(f'"{line["interface"]}"' for line in town.hosts[gateway].vars["lines"])
    assert limited == [f"iifname {{ {wan} }} icmp", f"iifname {{ {wan} }} icmpv6"]


@pytest.mark.parametrize(
    ("source", "passes"), [("0.0.0.0", True), ("10.20.2.50", True), ("10.20.102.7", False)]
)
def test_who_has_no_address_yet_may_ask_for_one(town, source, passes):
    rules = Ruleset.of(ruleset(town.hosts["gw-fen"].vars))
    ask = Packet(
        ip_address(source), ip_address("255.255.255.255"), frozenset({Knock("udp", 67)}), "lan0"
    )
    assert bool(rules.run("prerouting", ask)) is passes
