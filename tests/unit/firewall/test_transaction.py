"""From any rules to any others: nft ends with those intended, and what stays is not touched."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from firewall.policies import policies
from hypothesis import given, settings

from kahya.firewall.nftables import ruleset

sys.path.insert(0, str(Path(__file__).parents[3]))
from deploys.firewall.ruleset import Ruleset, changed, parts
from deploys.firewall.transaction import transaction

BY_HAND = {  # what was done to the rules, and what of them is touched to undo it
    "insert rule inet kahya input tcp dport 4444 accept": ["chain input"],
    "flush chain inet kahya forward-printing": ["chain forward-printing"],
    "flush chain inet kahya guard": ["chain guard"],
    "add table ip by_hand": ["table ip by_hand"],
    "add chain inet kahya odd": ["chain odd"],
    "add chain inet kahya odd; add rule inet kahya input jump odd": ["chain input", "chain odd"],
    "add set inet kahya s { type ipv4_addr; }; add rule inet kahya input ip saddr @s drop": [
        "chain input", "set s",
    ],
    "add chain inet kahya forward { policy accept; }": [],  # nothing else than all anew
    "add counter inet kahya c": [],
    "delete table inet kahya": [],
    "add table ip one; add chain ip one c; flush ruleset": [],
}  # fmt: skip


def shell(script):
    """Run a script in a network namespace of its own and return what it printed."""
    run = ["unshare", "-rn", "bash", "-es"]
    done = subprocess.run(run, input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rules(text, before):
    """Return how nft lists the rules after ``before``, and ``text`` as intended."""
    script = f"{before}\n{Ruleset().command(text).get_raw_value()}"
    return Ruleset().process(shell(script).splitlines())


def touched(change):
    """Return what a transaction flushes or deletes, without the table that all of it is in."""
    found = re.findall("^(?:flush|delete) (.*)", change, re.MULTILINE)
    return sorted({name.replace("inet kahya ", "") for name in found})


def loading(text):
    return f"nft -f - <<'END'\n{text}\nEND"


def arrives(before, text):
    """Load the transaction from ``before`` to ``text``, check it, and return it."""
    found = rules(text, before)
    change = transaction(found["loaded"], found["intended"])
    after = rules(text, f"{before}\n{loading(change)}")
    assert list(changed(parts(after["loaded"]), parts(after["intended"]))) == []
    assert after["intended"] == found["intended"]
    return change


@settings(max_examples=6, deadline=None)
@given(policies(), policies())
def test_any_policy_follows_any_other(town, one, other):
    about = town.hosts["gw-merkez"].vars | {"today": "2026-11-27"}
    arrives(loading(ruleset(about | {"firewall": one})), ruleset(about | {"firewall": other}))


@pytest.mark.parametrize("by_hand", BY_HAND)
def test_what_was_changed_by_hand_is_undone_and_nothing_else_is_touched(town, by_hand):
    text = ruleset(town.hosts["gw-fen"].vars)
    change = arrives(f"{loading(text)}\nnft '{by_hand}'", text)
    whole = "flush ruleset" in change
    assert (whole, [] if whole else touched(change)) == (not BY_HAND[by_hand], BY_HAND[by_hand])


def test_another_reason_for_a_rule_makes_its_chain_anew(town):
    about = town.hosts["gw-fen"].vars
    policy = about["firewall"]
    rules = [rule | {"reason": f"still {rule['reason']}"} for rule in policy["rules"]]
    change = arrives(
        loading(ruleset(about)), ruleset(about | {"firewall": policy | {"rules": rules}})
    )
    assert "flush ruleset" not in change
    assert "chain guard" not in change
