"""Rules match what they say, add up, and never weaken each other."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from small_town import change, plan, town

from kahya import console
from kahya.approvers import Approver
from kahya.model import BlindSpot, HostPlan
from kahya.plan import policy

CASES = yaml.safe_load(Path(__file__).with_name("policy_cases.yml").read_text())
THE = replace(
    change("gw-merkez", "vpn", diff=" kept\n-old\n+new 1", risk=["restart"]),
    resource="file /etc/wireguard/a",
)
SPOT = BlindSpot("gw-merkez", "vpn", "command x", "no check mode")
OTHERS = [change("pc-fen"), change("db-merkez"), change("db-merkez", diff="+c")]
PLAN = replace(
    plan({}), host_plans=(HostPlan("x", "y", "ok", (THE, *OTHERS)), HostPlan("x", "z", "ok"))
)


def refused(when, made=PLAN):
    return policy.refusals(made, town([{"name": "rule", "when": when, "refuse": "why"}]))


@pytest.mark.parametrize(("when", "expected"), CASES, ids=[str(when) for when, _ in CASES])
def test_matchers(when, expected):
    found = [text for text in refused(when) if text.startswith("gw-merkez vpn: file")]
    assert bool(found) == expected


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({"blind": True}, True),
        ({"system": "vpn", "engine": "pyinfra", "group": "gateways"}, True),
        ({"blind": False}, False),
        ({"risk": ["restart", "cuts-path", "data"]}, False),
        ({"reversible": True}, False),
        ({"reversible": False}, False),
        ({"action": "*"}, False),
        ({"adds": ""}, False),
    ],
    ids=str,
)
def test_of_a_blind_spot_only_its_place_is_known(when, expected):
    made = replace(PLAN, host_plans=(HostPlan("gw-merkez", "vpn", "ok", (), (SPOT,)),))
    assert bool(refused(when, made)) == expected


@pytest.mark.parametrize("cut", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\r"])
def test_a_rule_sees_all_of_an_added_line(cut):
    made = replace(
        PLAN, host_plans=(HostPlan("x", "y", "ok", (change("pc-fen", diff=f"+a{cut}bad"),)),)
    )
    assert refused({"adds": "bad"}, made)


@pytest.mark.parametrize("hide", ["\x1b[1A", "\r", "\x9b2K", "\u202e", "\u200b", "\x08"])
def test_nothing_in_a_diff_can_hide_a_part_of_it(hide, capsys):
    hiding = change("pc-fen", diff=f"+bad{hide}+good")
    console.plan(replace(PLAN, host_plans=(HostPlan("pc-fen", "base", "ok", (hiding,)),)), town([]))
    shown = capsys.readouterr().out
    assert hide not in shown
    assert f"+bad\\u{ord(hide[0]):04x}" in shown


ASKS = st.fixed_dictionaries(
    {},
    optional={
        "approvals": st.integers(1, 3),
        "roles": st.lists(st.sampled_from("abc"), min_size=1, max_size=2),
        "four_eyes": st.booleans(),
    },
)
PEOPLE = st.lists(st.sets(st.sampled_from("abc")), max_size=4).map(
    lambda roles: [
        policy.Signer(Approver((f"p{n}@x.tr",), tuple(has), (), n, ""))
        for n, has in enumerate(roles)
    ]
)


@given(st.lists(ASKS, min_size=1, max_size=3), ASKS, PEOPLE)
def test_another_rule_never_weakens_those_that_are_there(asks, more, people):
    def enough(some):
        rules = [{"name": "r", "when": {}, "ask": ask} for ask in some]
        return not policy.missing(replace(PLAN, authors=("p0@x.tr",)), town(rules), people)

    if enough([*asks, more]):
        assert enough(asks)
        assert enough([more])
