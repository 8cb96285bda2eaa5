"""Lines fail and keys change while people work."""

import os
import re
import signal
import subprocess
import time
from contextlib import contextmanager
from itertools import pairwise

import pytest
from admin import ROOT, SIGNERS, approve, await_capture, kahya, on, run

from kahya.inventory import load
from kahya.topology import LINES

EVERY = 0.02  # seconds from ping to ping
LONGEST_SECONDS = 2  # that nothing comes through
AWAY_SECONDS, BACK_SECONDS = 6, 12  # how long the line is gone, and how long its return may take
ANSWER = re.compile(r"^\[([\d.]+)\] .*icmp_seq=", re.MULTILINE)
CLEAR = re.compile(r"\b10\.2|\bfd20:|\bOSPF")
HEADQUARTERS = "gw-merkez"
INVENTORY, DIFFERENT = "inventories/lab", 2
pytestmark = pytest.mark.usefixtures("bring_up")


@contextmanager
def captured(folder):
    """Record what carriers see; yield a list that then has all packets."""
    seen, files = [], [folder / f"{line}.pcap" for line in LINES]
    words = [["capture", "600", file, "--line", file.stem] for file in files]
    records = [subprocess.Popen(["scripts/lab", *each], cwd=ROOT) for each in words]
    for file in files:
        await_capture(file)
    yield seen
    for file, record in zip(files, records, strict=True):
        record.send_signal(signal.SIGINT)
        assert record.wait(30) == 0
        seen += run("tcpdump", "-nn", "-r", file).stdout.splitlines()


@contextmanager
def talking(pairs):
    """Let hosts ping addresses; yield a dict that then has the longest silence of each, in s."""
    silences, command = {}, ["ping", "-D", "-n", "-i", EVERY]
    words = [list(map(str, ["scripts/lab", "exec", a, *command, b])) for a, b in pairs]
    pings = [subprocess.Popen(w, cwd=ROOT, stdout=subprocess.PIPE, text=True) for w in words]
    yield silences
    for host in {host for host, _address in pairs}:
        run("scripts/lab", "exec", host, "pkill", "-INT", "-x", "ping")
    for pair, ping in zip(pairs, pings, strict=True):
        moments = [float(moment) for moment in ANSWER.findall(ping.communicate(timeout=30)[0])]
        assert len(moments) > 1, pair
        silences[pair] = max(b - a for a, b in pairwise(moments))


def test_a_line_fails_and_nobody_is_cut_off(tmp_path):
    town = load(ROOT / INVENTORY)
    port = town.hosts[HEADQUARTERS].vars["lines"][0]["interface"]
    pcs = [h for h in town.hosts.values() if "pcs" in h.groups]
    home = next(pc for pc in pcs if pc.building == town.hosts[HEADQUARTERS].building)
    there = (home.address, home.vars["address6"])
    pairs = [(pc.name, address) for pc in pcs if pc is not home for address in there]
    with captured(tmp_path) as seen, talking(pairs) as silences:
        time.sleep(2)
        try:
            assert run("scripts/lab", "pull", HEADQUARTERS, port).returncode == 0
            time.sleep(AWAY_SECONDS)
        finally:
            assert run("scripts/lab", "plug", HEADQUARTERS, port).returncode == 0
        time.sleep(BACK_SECONDS)
    print(silences)
    assert max(silences.values()) <= LONGEST_SECONDS, silences
    tunnels = [p for p in seen if re.search(r"\.5(18|19|20)\d\d > .*: UDP", p)]
    assert len(tunnels) > len(pairs) * AWAY_SECONDS / EVERY
    assert not [p for p in seen if CLEAR.search(p)]


@pytest.mark.skipif("KAHYA_LONG" not in os.environ, reason="takes five minutes: KAHYA_LONG=1")
def test_keys_change_while_people_work(tmp_path):
    """First the backup line's tunnels take the next key of a gateway, then the main line's."""
    town = tmp_path / "town"
    assert run("git", "clone", "-q", ROOT, town).returncode == 0
    (town / ".kahya").symlink_to(ROOT / ".kahya")
    (town / INVENTORY / "host_vars/gw-fen/vault.yml").unlink()  # the key that it has is its own
    hosts = load(ROOT / INVENTORY).hosts
    pairs = [("pc-fen", hosts["pc-merkez"].address), ("pc-itfaiye", hosts["pc-fen"].address)]
    former = running_keys("gw-fen")
    with captured(tmp_path) as seen:
        for turn in ("--next", "--switch"):
            done = kahya("keys", turn, "--limit", "gw-fen", "-i", INVENTORY, cwd=town)
            assert done.returncode == 0, done.stderr
            with talking(pairs) as silences:
                applied(tmp_path / f"{turn}.json", town)
            print(silences)
            assert max(silences.values()) <= LONGEST_SECONDS, silences
    assert not [p for p in seen if CLEAR.search(p)]
    assert len(former) == len(running_keys("gw-fen")) == 1
    assert former != running_keys("gw-fen")
    applied(tmp_path / "back.json", ROOT)


def applied(plan, town):
    """Plan what the VPN of ``town`` needs, sign it and apply it."""
    place = ("-i", town / INVENTORY)
    planned = kahya("plan", *place, "--system", "vpn", "--out", plan, cwd=town)
    assert planned.returncode == DIFFERENT, planned.stdout + planned.stderr
    approve(plan, *SIGNERS, town=town / INVENTORY)
    done = kahya("apply", *place, plan, cwd=town)
    assert done.returncode == 0, done.stdout + done.stderr


def running_keys(gateway):
    """Return the public halves of the keys that a gateway's tunnels use."""
    shown = on(gateway, "wg show all public-key")
    return {line.split()[1] for line in shown.splitlines()}
