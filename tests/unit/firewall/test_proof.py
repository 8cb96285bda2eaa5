"""What is rendered says what the policy says, whatever it is; any change of it is found."""

import re
from copy import deepcopy

import pytest
from firewall.policies import policies
from hypothesis import Phase, given, settings

from kahya.firewall.matrix import Matrix
from kahya.firewall.networks import Places
from kahya.firewall.nft_eval import Ruleset
from kahya.firewall.nftables import ruleset
from kahya.firewall.policy import parse
from kahya.firewall.proof import prove
from kahya.firewall.rows import rows as rows_of

TODAY = "2026-11-27"
GATEWAYS = ("gw-merkez", "gw-fen", "gw-itfaiye")
IPV4 = 4


def rendered(town, policy):
    about = {"firewall": policy, "today": TODAY}
    return {name: ruleset({**town.hosts[name].vars, **about}) for name in GATEWAYS}


def deviations(town, policy, texts, today=TODAY):
    hosts = {h.name: h.vars for h in (*town.hosts.values(), *town.outside.values())}
    loaded = {name: Ruleset.of(text) for name, text in texts.items()}
    return prove(Matrix(parse(policy), hosts, today), loaded)


@settings(max_examples=8, deadline=None, phases=[Phase.generate])
@given(policies())
def test_any_policy_is_rendered_as_it_says(town, policy):
    found = list(deviations(town, policy, rendered(town, policy)))
    assert list(map(str, found[:9])) == []


@pytest.fixture(scope="module")
def lab(town):
    policy = deepcopy(town.hosts["gw-merkez"].vars["firewall"])
    late = {"name": "late", "from": ["ofis"], "to": ["sunucu"], "services": ["rdp"]}
    half = {"name": "half", "from": ["192.0.2.0/25"], "to": ["gateway"], "services": ["https"]}
    policy["rules"].append(late | {"owner": "x", "reason": "stands after what denies it"})
    policy["rules"].append(half | {"owner": "x", "reason": "who keeps the lines"})
    return policy, rendered(town, policy)


def test_the_lab_is_as_its_policy_says(town, lab):
    assert list(deviations(town, *lab)) == []


def test_a_rule_ends_by_itself(town):
    """What was loaded long ago lets nobody through after the last day."""
    last, after = "2026-12-31", "2027-01-01"
    about = {"owner": "x", "reason": "the spring fair", "until": last}
    rule = {"name": "fair", "from": ["ofis"], "to": ["dmz", "gateway"], "services": ["web"]}
    program = {"name": "site", "service": "web", "to": "web-merkez", "port": 8443}
    policy = {"services": {"web": {"tcp": [443]}}, "rules": [rule | about]}
    policy |= {"published": [program | about]}
    texts = rendered(town, policy)
    assert [list(deviations(town, policy, texts, day)) for day in (last, after)] == [[], []]
    endless = {name: re.sub('meta time < "[^"]*" ', "", text) for name, text in texts.items()}
    told = {str(one).partition(" ")[0] for one in deviations(town, policy, endless, after)}
    assert told == {"ofis", "internet"}


def test_what_is_behind_the_gateway_of_others_is_a_zone(town):
    peer = {"name": "hastane", "address": "198.51.100.1", "zone": "hastane"}
    peer |= {"networks": ["10.90.0.0/24"]}
    hosts = {h.name: dict(h.vars) for h in (*town.hosts.values(), *town.outside.values())}
    hosts["gw-merkez"]["ipsec_peers"] = [peer]
    about = {"owner": "x", "reason": "results of the laboratory"}
    rule = {"name": "labs", "from": ["hastane"], "to": ["db-merkez"], "services": ["web"]}
    back = {"name": "ask", "from": ["ofis"], "to": ["hastane"], "services": ["web"]}
    policy = {"services": {"web": {"tcp": [443]}}, "rules": [rule | about, back | about]}
    more = {"firewall": policy, "places": Places.of(hosts).plain(), "today": TODAY}
    texts = {name: ruleset(hosts[name] | more) for name in GATEWAYS}
    matrix = Matrix(parse(policy), hosts, TODAY)
    rows = {(r.source, r.to): r.services + r.partly for r in rows_of(matrix) if r.family == IPV4}
    assert (rows["hastane", "ofis"], rows["ofis", "hastane"]) == (("web",), ("web",))
    assert (rows["hastane", "dmz"], rows["internet", "hastane"]) == ((), ())
    loaded = {name: Ruleset.of(text) for name, text in texts.items()}
    assert list(prove(matrix, loaded)) == []
    assert 'iifname "ipsec0" ip saddr != { 10.90.0.0/24, 0.0.0.0 }' in texts["gw-merkez"]
    ike = 'ip saddr 198.51.100.1 udp dport { 500, 4500 } accept comment "hastane"'
    assert [name for name, text in texts.items() if ike in text] == ["gw-merkez"]


MUTANTS = {  # what is changed in a ruleset: a pattern, what is written instead, who is told
    "a rule dropped": (r"\n\t\tjump forward-offices-to-servers", "", "ofis.*→ sunucu.*postgresql"),
    "a prefix widened": (r"(ip saddr 10\.20\.1\.100)/32", r"\1/31", r"ofis 10\.20\.1\.101"),
    "a foreign network widened": (r"(192\.0\.2\.0)/25", r"\1/24", r"internet 192\.0\.2\.128"),
    "a port more": (r"(dport \{ 515, 631, 9100)", r"\1, 9101", "tcp/9101"),
    "order swapped": (
        r"(\t\tjump forward-no-remote-desktops\n)((?:\t\t[^\n]*jump \S+\n)*)", r"\2\1", "rdp",
    ),
    "IPv6 dropped": (r"\n\t\tip6 saddr [^\n]* counter accept(?=\n)", "", "IPv6"),
    "IPv6 open": (r"(hook forward priority filter; policy drop;)",
                  r"\1 meta nfproto ipv6 accept", "IPv6.*expected dropped"),
    "open to all": (r'counter drop comment "no rule"', "accept", "expected dropped"),
    "the forwarded port closed": (r"\n.*dnat ip to.*", "", r"internet.*tcp/8443.*IPv4"),
    "not masqueraded": (r"\n.* ip saddr .*masquerade", "", r"→ internet.*IPv4"),
    "answers dropped": (r"\n\t\tct state established,related accept", "", "expected let through"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_ruleset_that_deviates_is_found(town, lab, name):
    pattern, other, told = MUTANTS[name]
    policy, texts = lab
    wrong = {gateway: re.sub(pattern, other, text) for gateway, text in texts.items()}
    assert wrong != texts
    assert any(re.search(told, str(one)) for one in deviations(town, policy, wrong))
