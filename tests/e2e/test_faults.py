"""The worst that may befall an apply, done to real hosts (L2): see fault_cases.yml.

What is on the hosts is read from the hosts, never from Kâhya: everything in /etc, the packages,
the people, the rules, the router's configuration.
"""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest
import yaml
from admin import ROOT, approve, kahya, on, run

CASES = yaml.safe_load(Path(__file__).with_name("fault_cases.yml").read_text(encoding="utf-8"))
MOMENT = Path(__file__).with_name("at_a_moment.py")
PATIENCE_SECONDS = 90
READ = r"""
while pidof apt-get dpkg >/dev/null; do sleep 0.2; done  # the command under way comes to its end
find /etc /var/lib/kahya -path /var/lib/kahya/return -prune -o -name '*.sav' -o \
    \( -type f -o -type l \) -printf 'FILE %p\t%M %u %g %l\n'
find /etc -type f ! -name '*.sav' -exec sha256sum {} + | sed 's/^\([0-9a-f]*\)  \(.*\)/SHA \2\t\1/'
dpkg-query -W -f 'PACKAGE ${Package}\t${Version} ${db:Status-Status}\n'
printf 'ID\t'; cat /etc/machine-id
printf 'RULES\t'; nft -s list ruleset 2>/dev/null |
    unshare -n sh -c 'nft -f - && nft -s list ruleset' 2>/dev/null | sha256sum  # in one wording
printf 'ROUTER\t'; vtysh -c 'show running-config' 2>/dev/null | sha256sum
"""
pytestmark = pytest.mark.usefixtures("bring_up")


def look(host):
    """Return what is on a host, thing by thing."""
    lines = on(host, READ).splitlines()
    return dict(line.split("\t") for line in lines if "\t" in line)


def each(do, hosts):
    """Return by host what ``do`` returns, of all hosts at once."""
    with ThreadPoolExecutor() as pool:
        return dict(zip(hosts, pool.map(do, hosts), strict=True))


@pytest.fixture(scope="module")
def good():
    """Return what is on a host of the town in order, as each case finds it and leaves it."""
    return cache(look)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_fault(case, good, tmp_path):
    town = Town(case, tmp_path, each(good, case["wrong"]))
    try:
        town.begin()
        for step in case["do"]:
            [action] = step.keys() & ACTIONS.keys()
            ACTIONS[action](town, step)
    finally:
        town.mend()


class Town:
    """A case under way: its hosts as approved (``good``) and as they were before (``bad``)."""

    def __init__(self, case, folder, good):
        self.case, self.folder, self.good, self.bad = case, folder, good, {}
        self.plan = folder / "plan.json"

    def begin(self):
        """Spoil the hosts by hand, plan their repair and have it signed."""

        def spoil(host):
            on(host, self.case["wrong"][host])
            return look(host)

        self.bad = each(spoil, self.case["wrong"])
        assert all(self.bad[host] != self.good[host] for host in self.bad)
        part = ("--limit", ",".join(self.bad), "--system", self.case.get("system", "base"))
        made = kahya("plan", *part, "--out", self.plan)
        assert made.returncode == 2, made.stdout + made.stderr
        approve(self.plan, *self.case.get("signed", ["ayse"]))

    def kahya(self, step):
        """Run kahya, maybe with something that befalls it, and check what it leaves."""
        words = step["kahya"].format(plan=self.plan).split()
        began = time.monotonic()
        code, said = self._at(step, words) if "at" in step else self._plain(words)
        took = time.monotonic() - began
        assert code == step["code"], said
        for word in step.get("says", ()):
            assert word in said, said
        assert "Traceback" not in said, said
        assert took < step.get("within", 600), f"took {took:.0f} s\n{said}"
        self.check(step.get("hosts", {}), said)

    def _plain(self, words):
        done = kahya(*words)
        return done.returncode, done.stdout + done.stderr

    def _at(self, step, words):
        befalls = step.get("befalls", "true").format(plan=self.plan, folder=self.folder)
        command = [sys.executable, MOMENT, step["at"], befalls, *words, "--lang=en"]
        environment = os.environ | {"PYTHONPATH": str(ROOT / "tests")}
        environment |= {"PATIENCE": str(step["patience"])} if "patience" in step else {}
        # A file: what is left of a killed kahya would keep a pipe open.
        with (self.folder / "said").open("w+", encoding="utf-8") as said:
            options = {"cwd": ROOT, "env": environment, "stdout": said, "stderr": said}
            code = subprocess.run(command, check=False, **options).returncode
            said.seek(0)
            return code, said.read()

    def check(self, wanted, said=""):
        """Check each host: "bad", "good", or in between where nothing else is said."""
        seen = each(look, [host for host in self.bad if wanted.get(host) != "unknown"])
        for host, now in seen.items():
            good, bad = self.good[host], self.bad[host]
            if host in wanted:
                assert now == {"good": good, "bad": bad}[wanted[host]], f"{host}\n{said}"
            for thing in now.keys() | good.keys():
                either = good.get(thing), bad.get(thing)
                assert now.get(thing) in either, f"{host} {thing}\n{said}"

    def by_hand(self, step):
        """Do something on hosts by hand."""
        for host, command in step["by_hand"].items():
            on(host, command)

    def lab(self, step):
        """Switch a host off or on."""
        assert run("scripts/lab", *step["lab"].split()).returncode == 0

    def wait(self, step):
        """Wait until hosts are as a step says."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self.check(step["wait"])
            except AssertionError:
                if time.monotonic() > until:
                    raise
                time.sleep(1)

    def ended(self, _):
        """Nothing is under way or unknown, and the journal is sound."""
        for words in ("status", "history verify"):
            done = kahya(*words.split())
            assert done.returncode == 0, done.stdout + done.stderr

    def mend(self):
        """Leave the town in order, whatever happened."""
        for host, command in self.case["mend"].items():
            run("scripts/lab", "start", host)  # it may be off
            on(host, command)
        assert each(look, self.good) == self.good


ACTIONS = {name: getattr(Town, name) for name in ("kahya", "by_hand", "lab", "wait", "ended")}
