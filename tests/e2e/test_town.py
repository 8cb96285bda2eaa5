"""The main job on real daemons: brought up, in order, changed by hand, found out, repaired."""

import json
import re
import signal
import subprocess
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest
import yaml
from admin import ROOT, SAID, SIGNERS, approve, await_capture, found, kahya, on, run

from kahya.inventory import load
from kahya.journal import Journal

CASES = yaml.safe_load((Path(__file__).parent / "drift_cases.yml").read_text(encoding="utf-8"))
RETURN_SECONDS = 60
pytestmark = pytest.mark.usefixtures("bring_up")


@cache
def told(*words):
    """What kahya says of the whole town in order; it takes long, so it is asked once."""
    return kahya(*words)


@pytest.fixture(scope="module")
def repair(tmp_path_factory):
    """The file for the plan that repairs what was changed by hand."""
    return tmp_path_factory.mktemp("repair") / "repair.json"


def test_every_planned_change_was_applied(bring_up):
    counts = re.findall(
        r"Planned (\d+), applied as planned (\d+) \((\d+) %\), extra (\d+)", bring_up
    )
    assert all(p == a and (share, extra) == ("100", "0") for p, a, share, extra in counts)


def test_nothing_is_left_to_do():
    done = told("plan", "--json")
    plan = json.loads(done.stdout)
    assert (done.returncode, plan["changes"], plan["blind_spots"]) == (0, [], [])
    assert {h["status"] for h in plan["hosts"].values()} == {"ok"}
    assert len(plan["hosts"]) == len(load(ROOT / "inventories/lab").hosts)


def test_all_probes_pass():
    done = told("probe")
    assert done.returncode == 0, done.stdout


def test_network_devices_keep_the_rules_and_are_cabled_as_declared():
    town = load(ROOT / "inventories/lab")
    names = {h.name for h in town.hosts.values() if {"gateways", "switches"} & set(h.groups)}
    done = kahya("compliance")
    assert done.returncode == 0, done.stdout
    code, seen = found(command="facts")
    assert (code, seen["differences"], seen["unknown"]) == (0, [], [])
    assert {device["host"] for device in seen["devices"] if device["serial"]} == names
    assert {cable["state"] for cable in seen["cables"]} == {"seen"}


def test_pcs_reach_each_other_and_the_carrier_sees_tunnels_only(tmp_path):
    town = load(ROOT / "inventories/lab")
    pcs = [h for h in town.hosts.values() if "pcs" in h.groups]
    capture = subprocess.Popen(["scripts/lab", "capture", "180", tmp_path / "wan.pcap"], cwd=ROOT)
    await_capture(tmp_path / "wan.pcap")
    for one in pcs:
        for address in (a for pc in pcs for a in (pc.address, pc.vars["address6"])):
            on(one.name, f"ping -c 2 -i 0.2 -W 2 {address}")
    capture.send_signal(signal.SIGINT)
    assert capture.wait(30) == 0
    packets = run("tcpdump", "-nn", "-r", tmp_path / "wan.pcap").stdout.splitlines()
    ends = r"IP (198\.51\.100|203\.0\.113)\.1\d\.5(18|19|20)\d\d > .*: UDP"
    tunnel = [p for p in packets if re.search(ends, p)]
    rest = [p for p in packets if p not in tunnel and " ARP, " not in p]
    # Two pings and their answers between three pairs, both ways, by IPv4 and by IPv6.
    assert len(tunnel) >= 2 * 2 * 6 * 2
    assert rest == []


def test_drift_finds_exactly_what_was_changed_by_hand(repair):
    for case in CASES:
        on(case["host"], case["command"])
    code, drift = found("--out", repair)
    shown = {(c["host"], c["system"], c["resource"]): c["diff"] for c in drift["changes"]}
    assert code == 2
    assert sorted(shown) == sorted((c["host"], c["system"], c["resource"]) for c in CASES)
    assert len(drift["changes"]) == len(CASES)
    for case in CASES:
        diff = shown[case["host"], case["system"], case["resource"]]
        assert all(words in diff for words in case["shows"]), diff


def test_the_repair_leaves_nothing(repair):
    approve(repair, *SIGNERS)
    done = kahya("apply", repair)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Planned {len(CASES)}, applied as planned {len(CASES)} (100 %)" in done.stdout
    assert found()[0] == 0


def test_a_plan_that_no_longer_fits_is_refused(tmp_path):
    on("pc-fen", "chmod 0666 /etc/ssh/sshd_config")
    assert kahya("plan", "--limit", "pc-fen", "--out", tmp_path / "plan.json").returncode == 2
    approve(tmp_path / "plan.json", *SIGNERS)
    on("pc-fen", "chmod 0640 /etc/ssh/sshd_config")
    done = kahya("apply", tmp_path / "plan.json")
    assert done.returncode == 1
    assert "no longer as it was" in done.stdout
    assert on("pc-fen", "stat -c %a /etc/ssh/sshd_config").strip() == "640"
    on("pc-fen", "chmod 0600 /etc/ssh/sshd_config")
    assert found("--limit", "pc-fen")[0] == 0


def test_a_host_that_is_off_is_unknown(tmp_path):
    assert run("scripts/lab", "stop", "pc-itfaiye").returncode == 0
    try:
        code, drift = found("--limit", "itfaiye")
        assert code == 3
        assert drift["unreachable"] == ["pc-itfaiye"]
        assert drift["hosts"]["pc-itfaiye"]["status"] == "unreachable"
        done = kahya("plan", "--limit", "itfaiye", "--out", tmp_path / "plan.json")
        assert done.returncode == 1
        done = kahya("apply", tmp_path / "plan.json", "--break-glass", "it is urgent")
        assert done.returncode == 1
        assert "could not read pc-itfaiye" in done.stderr
    finally:
        assert run("scripts/lab", "start", "pc-itfaiye").returncode == 0
    assert found("--limit", "itfaiye")[0] == 0


def test_a_router_that_cuts_its_own_uplink_returns_by_itself(tmp_path):
    town = tmp_path / "town"
    assert run("git", "clone", "-q", ROOT, town).returncode == 0
    (town / ".kahya").symlink_to(ROOT / ".kahya")
    intent = town / "inventories/lab/host_vars/gw-itfaiye/main.yml"
    text = intent.read_text(encoding="utf-8")
    assert "198.51.100.13/24" in text
    intent.write_text(text.replace("198.51.100.13/24", "198.51.200.13/24"), encoding="utf-8")
    part = ("-i", "inventories/lab", "--limit", "gw-itfaiye", "--system", "routing")
    assert kahya("plan", *part, "--out", tmp_path / "cut.json", cwd=town).returncode == 2
    approve(tmp_path / "cut.json", *SIGNERS, town=town / "inventories/lab")
    done = kahya("apply", "-i", "inventories/lab", tmp_path / "cut.json", cwd=town)
    *_, begun, outcome = Journal.in_folder(ROOT / ".kahya/ornek").entries("wave", "outcome")[:-1]
    assert (begun.data["state"], outcome.kind) == ("begun", "outcome")
    moments = [datetime.fromisoformat(entry.at) for entry in (begun, outcome)]
    assert (moments[1] - moments[0]).total_seconds() < RETURN_SECONDS
    assert done.returncode == 1
    assert "returned by itself" in done.stdout
    on("pc-itfaiye", "ping -c 3 -W 5 10.20.1.50")
    assert found("--limit", "itfaiye", "--system", "routing")[0] == 0


def test_no_secret_is_written_or_shown():
    secrets = load(ROOT / "inventories/lab").secrets
    assert secrets
    assert all(told(*words).stdout for words in (("plan", "--json"), ("probe",)))
    said = "".join(SAID)  # that, and whatever the tests before made kahya say
    journal = (ROOT / ".kahya/ornek/journal.sqlite").read_bytes()
    for secret in secrets:
        assert secret not in said
        assert secret.encode() not in journal
