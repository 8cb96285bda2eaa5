"""Lines fail and keys change while people work."""

import os
import re
import signal
import subprocess
import time
from contextlib import contextmanager
from itertools import count, pairwise

import pytest
from admin import ROOT, SIGNERS, approve, await_capture, found, kahya, on, run

from kahya.inventory import load
from kahya.topology import BACKUP, LINES

EVERY = 0.02  # seconds from ping to ping
LONGEST_SECONDS = 2  # that nothing comes through
AWAY_SECONDS, BACK_SECONDS = 6, 12  # how long the line is gone, and how long its return may take
ANSWER = re.compile(r"^\[([\d.]+)\] .*icmp_seq=", re.MULTILINE)
CLEAR = re.compile(r" (10\.|fd20:|OSPF)")
HEADQUARTERS = "gw-merkez"
INVENTORY, DIFFERENT = "inventories/lab", 2
KEY = "/etc/wireguard/private.key"
pytestmark = pytest.mark.usefixtures("bring_up")


@contextmanager
def captured(folder):
    """Record what carriers see; yield a dict that then has all packets by line."""
    seen, files = {}, [folder / f"{line}.pcap" for line in LINES]
    words = [["capture", "600", file, "--line", file.stem] for file in files]
    records = [subprocess.Popen(["scripts/lab", *each], cwd=ROOT) for each in words]
    try:
        for file in files:
            await_capture(file)
        yield seen
    finally:
        for record in records:
            record.send_signal(signal.SIGINT)
            assert record.wait(30) == 0
    for file in files:
        seen[file.stem] = run("tcpdump", "-nn", "-r", file).stdout.splitlines()


@contextmanager
def talking(pairs):
    """Let hosts ping addresses; yield a dict that then has the longest silence of each, in s."""
    silences, command = {}, ["ping", "-D", "-n", "-i", EVERY]
    words = [list(map(str, ["scripts/lab", "exec", a, *command, b])) for a, b in pairs]
    pings = [subprocess.Popen(w, cwd=ROOT, stdout=subprocess.PIPE, text=True) for w in words]
    try:
        yield silences
    finally:
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
        # The way to who asks leads by the main line, but for the answer.
        backup = town.hosts[HEADQUARTERS].vars["lines"][1]["address"]
        asker = town.outside["internet"].address
        on("internet", f"ping -c 2 -W 1 -I {asker} {backup}")
    print(silences)
    assert max(silences.values()) <= LONGEST_SECONDS, silences
    packets = [packet for line in seen.values() for packet in line]
    tunnels = [p for p in packets if re.search(r"\.5(18|19|20)\d\d > .*: UDP", p)]
    assert len(tunnels) > len(pairs) * AWAY_SECONDS / EVERY
    assert not [p for p in packets if CLEAR.search(p)]
    answer = f"IP {backup} > {asker}: ICMP echo reply"
    assert [line for line in seen if any(answer in p for p in seen[line])] == [BACKUP]


@pytest.mark.skipif("KAHYA_LONG" not in os.environ, reason="takes five minutes: KAHYA_LONG=1")
def test_keys_change_while_people_work(tmp_path):
    """First the backup line's tunnels take the next key of a gateway, then the main line's."""
    town = tmp_path / "town"
    assert run("git", "clone", "-q", ROOT, town).returncode == 0
    (town / ".kahya").symlink_to(ROOT / ".kahya")
    (town / INVENTORY / "host_vars/gw-fen/vault.yml").unlink()  # the key that it has is its own
    hosts = load(ROOT / INVENTORY).hosts
    pairs = [("pc-fen", hosts["pc-merkez"].address), ("pc-itfaiye", hosts["pc-fen"].address)]
    former, step = running_keys("gw-fen"), count()
    on("gw-fen", f"cp -p {KEY} {KEY}.former")
    with captured(tmp_path) as seen:
        for keys in ("new", "former"):
            if keys == "former":
                on("gw-fen", f"mv {KEY}.former {KEY}.next")
            for turn in ("--next", "--switch"):
                done = kahya("keys", turn, "--limit", "gw-fen", "-i", INVENTORY, cwd=town)
                assert done.returncode == 0, done.stderr
                with talking(pairs) as silences:
                    applied(tmp_path / f"{next(step)}.json", town)
                print(silences)
                assert max(silences.values()) <= LONGEST_SECONDS, silences
            assert (running_keys("gw-fen") == former) == (keys == "former")
    assert len(former) == 1
    assert not [p for line in seen.values() for p in line if CLEAR.search(p)]
    assert found("--system", "vpn", command="plan")[0] == 0


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
