"""What is wrong with rules, or with what was made of them, refuses every plan of the firewall."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from small_town import change, plan

from kahya.cli import main
from kahya.firewall import review
from kahya.model import HostPlan
from kahya.plan import policy

ROOT = Path(__file__).parents[3]
CHANGE = replace(change("gw-merkez", "firewall"), resource="nftables chain forward")
PLAN = replace(plan({}), host_plans=(HostPlan("gw-merkez", "firewall", "ok", (CHANGE,)),))
OTHER = replace(plan({}), host_plans=(HostPlan("pc-fen", "base", "ok", (change("pc-fen"),)),))


def with_rules(town, *more):
    """Return the town with rules put at the end of its policy."""
    about = {"owner": "x", "reason": "y"}
    hosts = {}
    for name, host in town.hosts.items():
        known = host.vars.get("firewall")
        rules = {"rules": [*known["rules"], *(about | m for m in more)]} if known else {}
        new = {**host.vars, "firewall": {**known, **rules}} if known else host.vars
        hosts[name] = replace(host, vars=new)
    return replace(town, hosts=hosts)


def open_too_much(town):
    """Return the rulesets with one rule more at the headquarters."""
    texts = rulesets(town)
    rule = "ip saddr 10.20.43.0/24 ip daddr 10.20.1.10 tcp dport 5432 accept"
    for gateway in ("gw-itfaiye", "gw-merkez"):
        jump = "\t\tjump forward-admin-everywhere"
        texts[gateway] = texts[gateway].replace(jump, f"\t\t{rule}\n{jump}", 1)
    return texts


rulesets = review.rulesets


def test_a_shadowed_rule_refuses_plans_of_the_firewall_alone(town):
    again = {"name": "again", "from": ["pc-fen"], "to": ["sunucu"], "services": ["smb"]}
    wrong = with_rules(town, again)
    told = policy.refusals(PLAN, wrong)
    assert len(told) == 1
    assert "is shadowed by offices-to-servers: no packet gets as far as this rule" in told[0]
    assert "firewall.yml" in told[0]
    assert policy.refusals(OTHER, wrong) == []
    assert policy.refusals(PLAN, town) == []


def test_a_rule_past_its_end_does_not_refuse_the_plan_that_takes_it_away(town):
    ended = {"name": "fair", "from": ["ofis"], "to": ["kamera"], "services": ["rtsp"]}
    assert policy.refusals(PLAN, with_rules(town, ended | {"until": "2026-01-31"})) == []


def test_a_ruleset_with_a_rule_too_many_is_refused(town, monkeypatch):
    monkeypatch.setattr(review, "rulesets", open_too_much)
    told = policy.refusals(PLAN, town)
    assert told
    assert all("the rules deviate from the policy: kamera" in one for one in told)
    assert "expected dropped, seen let through" in told[0]


def test_one_proof_is_made_for_one_question(town, monkeypatch):
    asked = []

    def prove(matrix, loaded):
        asked.append(matrix)
        return []

    monkeypatch.setattr(review, "prove", prove)
    monkeypatch.setattr(review, "_proved", [])
    texts = rulesets(town)
    for _time in range(3):
        review.deviations(town, dict(texts))
    assert len(asked) == 1
    review.deviations(town, {**texts, "gw-fen": texts["gw-fen"] + "\n"})
    review.deviations(with_rules(town, {"name": "more", "from": ["dmz"], "to": ["kamera"],
                                        "services": ["rtsp"]}), texts)  # fmt: skip
    assert len(asked) == 3


@pytest.mark.parametrize(("made", "code"), [(rulesets, 0), (open_too_much, 1)])
def test_the_command_says_so(town, monkeypatch, capsys, made, code):
    monkeypatch.setattr(review, "rulesets", made)
    with pytest.raises(SystemExit) as end:
        main(["firewall", "-i", str(ROOT / "inventories/lab"), "--json"])
    assert end.value.code == code
    told = json.loads(capsys.readouterr().out)
    assert told["remarks"] == []
    assert bool(told["deviations"]) == bool(code)
    row = next(r for r in told["matrix"] if (r["source"], r["to"]) == ("internet", "gateway"))
    assert row["published"] == ["website"]
