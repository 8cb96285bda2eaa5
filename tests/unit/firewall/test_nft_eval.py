"""Every expression is judged as a kernel would; what is not known is refused."""

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
import yaml

from kahya.errors import PlanError
from kahya.firewall.nft_eval import Knock, Packet, Ruleset, UnknownRuleError

CASES = yaml.safe_load(Path(__file__).with_name("nft_cases.yml").read_text(encoding="utf-8"))
CHAIN = """table {family} t {{
  {extra}
  chain sub {{
    {sub}
  }}
  chain c {{
    type filter hook forward priority 0; policy drop;
    {rules}
  }}
}}"""


def packet(**about):
    """Return a TCP packet from a LAN to another, or what ``about`` says of it."""
    knock = {k: about.pop(k) for k in ("protocol", "port", "icmp") if k in about}
    plain = {"source": "10.0.1.5", "to": "10.0.2.7", "enters": "lan0", "leaves": "wg-a", **about}
    plain |= {key: ip_address(plain[key]) for key in ("source", "to")}
    return Packet(knocks=frozenset({Knock(**{"protocol": "tcp", "port": 443, **knock})}), **plain)


@pytest.mark.parametrize("case", CASES["verdicts"], ids=lambda case: case["rules"])
def test_verdicts(case):
    rules = Ruleset.of(CHAIN.format(**{"family": "inet", "extra": "", "sub": "", **case}))
    for word, packets in ((True, case.get("passes", [])), (False, case.get("drops", []))):
        for one in packets:
            assert bool(rules.run("forward", packet(**one))) == word, one


@pytest.mark.parametrize("rule", CASES["unknown"])
def test_what_is_not_known_is_refused(rule):
    with pytest.raises(UnknownRuleError):
        Ruleset.of(CHAIN.format(family="inet", extra="", sub="", rules=rule))


def test_what_nft_refuses_is_told():
    with pytest.raises(PlanError, match="syntax error"):
        Ruleset.of("table inet t { chain c { type no } }")


def test_translations_and_the_order_of_chains():
    rules = Ruleset.of("""
        table inet t {
          chain late {
            type filter hook prerouting priority 10; policy accept; tcp dport 8443 drop
          }
          chain pre { type nat hook prerouting priority dstnat; policy accept;
            iifname "wan0" ip daddr 198.51.100.1 tcp dport 8443 dnat ip to 10.0.2.7:443
            iifname "wan0" tcp dport 25 dnat ip6 to fd00::7
          }
          chain post { type nat hook postrouting priority srcnat; policy accept;
            oifname "wan0" ip saddr 10.0.0.0/8 masquerade
          }
        }""")
    knocks = frozenset({Knock("tcp", 8443), Knock("tcp", 25), Knock("tcp", 80)})
    start = replace(packet(source="192.0.2.1", to="198.51.100.1", enters="wan0"), knocks=knocks)
    passed = rules.run("prerouting", start)
    seen = {(str(p.to), k.port, k.tried, p.dnat) for p in passed for k in p.knocks}
    assert seen == {
        ("10.0.2.7", 443, 8443, True),
        ("198.51.100.1", 25, 0, False),
        ("198.51.100.1", 80, 0, False),
    }
    assert [p.snat for p in rules.run("postrouting", packet(leaves="wan0"))] == [True]
    assert [p.snat for p in rules.run("postrouting", packet(leaves="wg-a"))] == [False]
    following = replace(start, state="established")
    assert rules.run("prerouting", following)[0].to == ip_address("198.51.100.1")
