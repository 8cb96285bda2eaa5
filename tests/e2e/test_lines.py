"""The main line of the headquarters fails and comes back while people work."""

import re
import signal
import subprocess
import time
from contextlib import contextmanager
from itertools import pairwise

import pytest
from admin import ROOT, await_capture, run

from kahya.inventory import load
from kahya.topology import LINES

EVERY = 0.02  # seconds from ping to ping
LONGEST_SECONDS = 2  # that nothing comes through
AWAY_SECONDS, BACK_SECONDS = 6, 12  # how long the line is gone, and how long its return may take
ANSWER = re.compile(r"^\[([\d.]+)\] .*icmp_seq=", re.MULTILINE)
HEADQUARTERS = "gw-merkez"
pytestmark = pytest.mark.usefixtures("bring_up")


@contextmanager
def captured(folder):
    """Record what carriers see; yield a list that then has all packets."""
    seen, files = [], [folder / f"{line}.pcap" for line in LINES]
    words = [["capture", "120", file, "--line", file.stem] for file in files]
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
    town = load(ROOT / "inventories/lab")
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
    assert not [p for p in seen if re.search(r"\b10\.2|\bfd20:|\bOSPF", p)]
