"""What differs on a gateway is told chain by chain (deploys/firewall/ruleset.py)."""

import subprocess
import sys
from pathlib import Path

import pytest

from kahya.firewall.incidents import SETS
from kahya.firewall.nftables import ruleset

sys.path.insert(0, str(Path(__file__).parents[3]))
from deploys.firewall import ruleset as deploy
from deploys.firewall.ruleset import MIDDLE, Ruleset, changed, parts


@pytest.mark.parametrize(
    ("by_hand", "resource", "action"),
    [
        ("insert rule inet kahya input tcp dport 4444 accept", "chain input", "update"),
        ("add table inet by_hand", "table inet by_hand", "delete"),
        ("add chain inet kahya odd", "chain odd", "delete"),
        ("flush chain inet kahya guard", "chain guard", "update"),
        ("flush ruleset", "chain forward", "create"),
        ("add set inet kahya s { type ipv4_addr; }", "set s", "delete"),
        ("delete element inet kahya blocked4 { 203.0.113.7 }", "blocked 203.0.113.7", "create"),
        ("add element inet kahya isolated6 { fd20::7 }", "isolated fd20::7", "delete"),
        ("flush set inet kahya blocked6", "blocked 2001:db8:66::/48", "create"),
    ],
)
def test_a_change_by_hand_is_in_its_place(town, by_hand, resource, action):
    blocked = ["203.0.113.7", "203.0.113.8", "198.18.0.0/16", "192.0.2.1", "2001:db8:66::/48"]
    text = ruleset({**town.hosts["gw-fen"].vars, "incidents": {"blocked": blocked}})
    command = str(Ruleset().command(text).get_raw_value())
    assert len(command) < len(text) / 4, "a shell takes no word of more than 128 KiB"
    script = f"nft -f - <<'END'\n{text}END\nnft '{by_hand}'\n{command}"
    run = ["unshare", "-rn", "bash", "-s"]
    done = subprocess.run(run, input=script, capture_output=True, text=True, check=True)
    assert MIDDLE in done.stdout
    rules = Ruleset().process(done.stdout.splitlines())
    found = {c["resource"]: c for c in changed(parts(rules["loaded"]), parts(rules["intended"]))}
    told = found[resource if resource.split()[0] in SETS else f"nftables {resource}"]
    assert (told["action"], told["risk"]) == (action, ("cuts-path",))
    assert by_hand == "flush ruleset" or len(found) == 1


def test_what_is_as_intended_is_no_change(town):
    listed = ruleset(town.hosts["gw-fen"].vars).splitlines()
    assert list(changed(parts(listed), parts(listed))) == []


@pytest.mark.parametrize(("lists", "loaded"), [(False, ["table inet kahya-lists"]), (True, [])])
def test_a_bare_gateway_lacks_all_and_the_table_of_lists_is_its_own_matter(town, lists, loaded):
    """Where there are no lists it is a stranger's."""
    others = "table inet kahya-lists { set listed4 { type ipv4_addr; }; }"
    command = Ruleset().command(ruleset(town.hosts["gw-fen"].vars), lists=lists).get_raw_value()
    run = ["unshare", "-rn", "bash", "-c", f"nft '{others}'\n{command}".replace("\\n", "\n")]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    rules = Ruleset().process(done.stdout.splitlines())
    assert [name.removeprefix("nftables ") for name in parts(rules["loaded"])] == loaded
    assert len(rules["intended"]) > 100


@pytest.mark.parametrize("step", ["_checked", "_load"])
def test_what_nft_can_not_read_changes_nothing(town, tmp_path, monkeypatch, step):
    """Neither when it is checked, nor when it would be loaded all the same."""
    monkeypatch.setattr(deploy, "PATH", f"{tmp_path}/nftables.conf")
    text = ruleset(town.hosts["gw-fen"].vars)
    half = "delete table inet kahya\nadd table inet other\nadd chain inet kahya {\n"
    put, command = getattr(deploy, step)(half)
    Path(put.dest).write_text(half)
    script = (
        f"nft -f - <<'END'\n{text}END\nnft list ruleset >before\n( {command} ) && exit 9\n"
        "nft list ruleset | cmp - before && ls"
    )
    run = ["unshare", "-rn", "bash", "-s"]
    done = subprocess.run(
        run, input=script, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "syntax error" in done.stderr
    assert done.stdout == "before\n", "the file is gone"
