"""Whatever goes wrong: nothing unapproved is done, nothing is half recorded, the words help.

L1: the controller is real (processes, signals, journal, signatures), the hosts are simulated;
tests/e2e/test_faults.py does the worst of it to real hosts.
"""

import re
import shutil
import sqlite3
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from faults.harness import Controller, fill

from kahya import story, workflow
from kahya.journal import Holder

CASES = yaml.safe_load(Path(__file__).with_name("cases.yml").read_text(encoding="utf-8"))
SHOWN = ("code", "says", "wrong", "runs")  # what a step is checked for
WRONG = {"pc-merkez base": ["a"], "pc-fen base": ["a"]}


@pytest.fixture
def folder(case, tmp_path):
    """The controller's folder; a file system of its own where the disk is to be filled."""
    if case.get("disk") != "small":
        yield tmp_path
        return
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "kahya-small", tmp_path]
    subprocess.run(mount, check=True, capture_output=True)
    yield tmp_path
    subprocess.run(["umount", "--lazy", tmp_path], check=True)


@pytest.mark.parametrize("case", CASES, ids=[c["name"] for c in CASES])
def test_fault(case, folder, monkeypatch):
    monkeypatch.chdir(folder)
    town = Town(folder, case)
    for step in case["do"]:
        [action] = step.keys() & {*ACTIONS, "kahya"}
        if action == "kahya":
            town.kahya(step)
        else:
            ACTIONS[action](town, step[action])
    town.check()


class Town:
    """A case under way."""

    def __init__(self, folder, case):
        self.case, self.folder, self.controller = case, folder, Controller(folder)
        if "author" in case:
            self.controller.authors = (f"{case['author']}@ornek.bel.tr",)
        if "settings" in case:
            settings = {**self.controller.town.settings}
            settings["apply"] = settings["apply"] | case["settings"]
            self.controller.town = replace(self.controller.town, settings=settings)
        for pair, wrong in case.get("wrong", WRONG).items():
            self.controller.world.put(*pair.split(" ", 1), wrong=wrong)
        self.world(case.get("world", {}))
        self.before = self.controller.world.wrong()
        made = self.controller.run("plan", "--out", "plan.json")
        assert made.code == case.get("plan_code", 2), made.words
        blind = ["--allow-blind", "all"] if case.get("blind") else []
        for name in case.get("signed", ["ayse", "mehmet"]):
            self.sign(name, blind)
        self.sound = True

    def sign(self, name, more):
        """Sign as ``name``; whom Kâhya doesn't let sign does it without Kâhya."""
        key = str(self.controller.key(name))
        done = self.controller.run("approve", "plan.json", "--key", key, "--yes", *more)
        assert (done.code == 0) != (name in self.case.get("forged", ())), done.words
        if done.code:
            self.controller.forge(name, "plan.json")

    def kahya(self, step):
        words = step["kahya"]
        words = words.split() if isinstance(words, str) else words
        how = {k: v for k, v in step.items() if k not in ("kahya", *SHOWN)}
        done = self.controller.run(*words, **how)
        assert done.code == step.get("code", done.code), done.words
        for word in step.get("says", ()):
            assert word in done.words, done.words
        if "wrong" in step:
            wanted = self.before if step["wrong"] == "same" else step["wrong"]
            assert self.controller.world.wrong() == sorted(wanted), done.words
        for pair, count in step.get("runs", {}).items():
            runs = self.controller.world.pair(*pair.split(" ")).get("runs", 0)
            assert runs == count, done.words
        assert "Traceback" not in done.words, done.words

    def check(self):
        """The journal is sound, and what it says of the last apply is what became of the hosts."""
        if not self.sound:
            return
        journal = self.controller.journal
        assert journal.verify() == []
        last = story.latest(journal)
        if last and last.end:
            wrong = {tuple(line.split(" ")[:2]) for line in self.controller.world.wrong()}
            for pair, outcome in last.outcomes.items():
                stays = self.controller.world.pair(*pair).get("fault") == "sticky"
                if outcome.status == "applied" and not stays and not self.touched_later:
                    assert pair not in wrong, (pair, outcome)
                if outcome.status in ("reverted", "refused"):
                    planned = {c.resource for c in last.plan.changes if (c.host, c.system) == pair}
                    assert outcome.applied == (), (pair, planned)

    touched_later = False

    def world(self, hosts):
        for pair, state in hosts.items():
            self.touched_later |= hasattr(self, "before")
            self.controller.world.put(*pair.split(" ", 1), **state)

    def tamper(self, how):
        path = self.folder / how["file"]
        text, count = re.subn(how["find"], how["put"], path.read_text(encoding="utf-8"), count=1)
        assert count == 1
        path.chmod(0o600)
        path.write_text(text, encoding="utf-8")

    def move(self, files):
        shutil.move(*files)

    def commit(self, name):
        self.controller.commit = name

    def leaves(self, host):
        """The host is no longer in the inventory, which is another commit then."""
        town = self.controller.town
        hosts = {name: h for name, h in town.hosts.items() if name != host}
        self.controller.town = replace(town, hosts=hosts)
        self.controller.commit = "deadbeef"

    def clock(self, hours):
        now = datetime.now(UTC) + timedelta(hours=hours)
        self.controller.patches.append(lambda: setattr(workflow, "_now", lambda: now))

    def lock(self, whose):
        """Another apply holds the town: this very process, or one on a machine that is gone."""
        here = Holder.here("mehmet", "2026-01-01-another")
        gone = replace(here, host="old-controller", pid=4711)
        self.controller.journal.lock("ornek", gone if whose == "elsewhere" else here, 900)

    def hold_journal(self, _):
        self.other = sqlite3.connect(self.folder / "state/journal.sqlite", isolation_level=None)
        self.other.execute("BEGIN EXCLUSIVE")
        self.sound = False  # it can't be read now; what is on the hosts was checked

    def spoil_journal(self, _):
        with sqlite3.connect(self.folder / "state/journal.sqlite") as database:
            database.execute("UPDATE entries SET plan = 'x' WHERE number = 1")
        self.sound = False

    def keep_journal(self, _):
        shutil.copy(self.folder / "state/journal.sqlite", self.folder / "backup")

    def put_journal_back(self, _):
        shutil.copy(self.folder / "backup", self.folder / "state/journal.sqlite")
        self.sound = False

    def fill_disk(self, _):
        fill(self.folder)

    def empty_disk(self, _):
        (self.folder / "ballast").unlink()


ACTIONS = {
    name: getattr(Town, name)
    for name in (
        "world", "tamper", "move", "commit", "clock", "lock", "hold_journal", "spoil_journal",
        "fill_disk", "empty_disk", "leaves", "keep_journal", "put_journal_back",
    )
}  # fmt: skip
