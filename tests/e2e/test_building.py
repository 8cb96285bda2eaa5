"""A building joins the town, which is in use, and leaves it again: by the inventory alone.

It takes ten minutes, so only KAHYA_LONG=1 runs it.
"""

import os
import re

import pytest
from admin import PEOPLE, ROOT, SIGNERS, approve, found, kahya, run
from buildings import HOSTS, add_library

from kahya.inventory import load

LINE = re.compile(r"^  [+~-] (\S+) (\S+): (.+) \((\w+)\) [0-9a-f]{16}", re.MULTILINE)
PEER = {
    ("vpn", "tunnel wg-kutuphane"),
    ("routing", "interface wg-kutuphane"),
    ("firewall", "its chains"),
    ("accesslog", "file /etc/kahya-accesslog/config.json"),
}
pytestmark = [
    pytest.mark.usefixtures("bring_up"),
    pytest.mark.skipif("KAHYA_LONG" not in os.environ, reason="takes ten minutes: KAHYA_LONG=1"),
]


def told(host, system, resource):
    """Return a change as ``PEER`` has it: a new network is in the chain of many a rule."""
    return host, system, "its chains" if system == "firewall" else resource


def test_a_building_comes_and_goes(tmp_path):
    town, lab = tmp_path / "town", "inventories/lab"
    assert run("git", "clone", "-q", ROOT, town).returncode == 0
    (town / ".kahya").symlink_to(ROOT / ".kahya")
    add_library(town)
    others = {h.name for h in load(ROOT / lab).hosts.values() if "gateways" in h.groups}
    peers = {(host, *what) for host in others for what in PEER}
    second = {n for n in others if len(load(ROOT / lab).hosts[n].vars["lines"]) > 1}
    peers |= {(host, "vpn", "tunnel wg10-kutuphane") for host in second}
    peers |= {(host, "routing", "interface wg10-kutuphane") for host in second}
    made = run("scripts/lab", "-i", town / lab, "up", "--limit", ",".join(HOSTS))
    assert made.returncode == 0, made.stderr
    try:
        keys = [f"--key={PEOPLE / name}" for name in SIGNERS]
        done = kahya("apply", "--stage-by-stage", *keys, "-i", lab, cwd=town)
        assert done.returncode == 0, done.stdout + done.stderr
        changes = {told(*what[:3]) for what in LINE.findall(done.stdout)}
        assert {host for host, *_ in changes} == HOSTS | others
        assert {change for change in changes if change[0] in others} == peers
        shares = re.findall(r"applied as planned \d+ \((\d+) %\), extra (\d+)", done.stdout)
        assert set(shares) == {("100", "0")}
        assert found("-i", lab, command="plan", cwd=town)[0] == 0
        checked = kahya("probe", "--limit", ",".join(HOSTS), "-i", lab, cwd=town)
        assert checked.returncode == 0, checked.stdout
    finally:
        assert run("scripts/lab", "up").returncode == 0  # and what the town no longer has goes
    assert kahya("plan", "--out", tmp_path / "gone.json").returncode == 2
    _, plan = found(command="plan")
    assert {told(c["host"], c["system"], c["resource"]) for c in plan["changes"]} == peers
    approve(tmp_path / "gone.json", *SIGNERS)
    done = kahya("apply", tmp_path / "gone.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert found(command="plan")[0] == 0
