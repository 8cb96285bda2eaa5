"""Drift against the last applied commit, with a real repository and engines in memory."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from kahya import workflow
from kahya.checkout import commit
from kahya.feeds.build import build
from kahya.feeds.store import Store
from kahya.finding import NEVER, RESTORED, UNCOMPARED
from kahya.inventory import load
from kahya.inventory_feeds import write_pointer
from kahya.journal import Journal
from kahya.model import Change, HostPlan
from kahya.scope import scope
from kahya.workflow import Workflow

ROOT = Path(__file__).parents[2]
COPIED = ("inventories", "systems.yml", "ansible.cfg", "roles", "deploys", "templates", "probes")
ME = ("-c", "user.name=Ayse", "-c", "user.email=ayse@ornek.bel.tr")
HOSTS = load(ROOT / "inventories/lab").hosts
ZONE = "inventories/lab/group_vars/linux/base.yml"


def git(root, *words):
    command = ["git", "-C", str(root), *ME, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def change(town, host, resource, wanted):
    return Change(
        host, town.hosts[host].building, "base", "pyinfra", resource, "update", "", wanted
    )


class Engine:
    """Compares what hosts really have with what the inventory wants."""

    def __init__(self, reality, asked):
        self.reality, self.asked = reality, asked

    def plan(self, town, tasks, _progress):
        for task in tasks:
            assert Path(task.system.source).is_dir()
            for host in task.hosts:
                self.asked.append((host.name, task.system.name))
                wanted = {
                    "zone": host.vars.get("base_timezone", "Europe/Istanbul"),
                    "motd": "welcome",
                }
                found = [
                    change(town, host.name, resource, [self.reality[host.name][resource], value])
                    for resource, value in wanted.items()
                    if task.system.name == "base" and self.reality[host.name][resource] != value
                ]
                yield HostPlan(host.name, task.system.name, "ok", tuple(found))

    observe = plan


class Estate:
    """A town in a repository of its own, and what its hosts really have."""

    def __init__(self, root, monkeypatch):
        self.root, self.patch, self.asked = root, monkeypatch, []
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, root / name)
        (root / ".gitignore").write_text(".kahya/\n__pycache__/\n", encoding="utf-8")
        git(root, "init", "-q")
        self.save()
        real = {"zone": "Europe/Istanbul", "motd": "welcome"}
        self.reality = {name: dict(real) for name in HOSTS}

    @property
    def town(self):
        return load(self.root / "inventories/lab")

    def save(self):
        git(self.root, "add", "--all")
        git(self.root, "commit", "-qm", "x", "--allow-empty")
        return git(self.root, "rev-parse", "HEAD")

    def write(self, zone):
        file = self.root / ZONE
        text = file.read_text(encoding="utf-8")
        assert "base_timezone: Europe/Istanbul" in text
        file.write_text(text.replace("Europe/Istanbul", zone), encoding="utf-8")

    def applied(
        self, commit, host, status="applied", resources=(), approver="ayse@ornek.bel.tr", **document
    ):
        """Write down what an apply does."""
        about = {"approvals": [{"approver": approver}], "break_glass": "", "by": "can"}
        about["document"] = json.dumps(document)
        run = self.journal.record("started", "plan-1", about).number
        done = [{"id": r, "resource": r, "action": "update"} for r in resources]
        data = {"run": run, "host": host, "system": "base", "status": status, "commit": commit}
        self.journal.record("outcome", "plan-1", {**data, "reason": "", "applied": done})

    @property
    def journal(self):
        return Journal(f"sqlite:///{self.root}/.kahya/ornek/journal.sqlite")

    def look(self, limit=""):
        """Return what a look finds: resource by host and its kind, and the look itself."""
        town = self.town
        work = Workflow(town, self.journal, lambda *_: None)

        names = ("ansible", "napalm", "pyinfra")
        engines = dict.fromkeys(names, Engine(self.reality, self.asked))
        self.patch.setattr(workflow, "engines", lambda *_: engines)
        self.asked.clear()
        found = work.check_drift(scope(town, limit))
        kinds = {(f.change.host, f.change.resource): (f.kind, f.note) for f in found.findings}
        return kinds, found


@pytest.fixture
def estate(tmp_path, monkeypatch):
    (tmp_path / "checkout/.kahya/ornek").mkdir(parents=True)
    return Estate(tmp_path / "checkout", monkeypatch)


def test_nothing_differs_and_nothing_is_planned_twice(estate):
    estate.applied("0" * 40, "pc-fen")
    kinds, look = estate.look()
    assert (kinds, look.doubts) == ({}, ())
    assert len(estate.asked) == len(set(estate.asked))


def test_what_left_the_applied_commit_is_drift_without_a_second_plan(estate):
    estate.applied(git(estate.root, "rev-parse", "HEAD"), "pc-fen", resources=["motd"])
    estate.reality["pc-fen"]["motd"] = "hacked"
    kinds, look = estate.look()
    assert kinds == {("pc-fen", "motd"): ("drift", "")}
    assert estate.asked.count(("pc-fen", "base")) == 1
    (finding,) = look.findings
    assert finding.since == look.plan.created
    assert finding.approved_by.approvers == ("ayse@ornek.bel.tr",)
    assert finding.document["approved_by"]["plan"] == "plan-1"


def test_what_was_restored_is_drift_and_says_so(estate):
    head = git(estate.root, "rev-parse", "HEAD")
    estate.applied(head, "pc-fen", resources=["motd"], restores={"pc-fen": "0f" * 20})
    estate.applied(head, "pc-merkez", resources=["motd"], restores={"pc-fen": "0f" * 20})
    for host in ("pc-fen", "pc-merkez"):
        estate.reality[host]["motd"] = "older"
    kinds, _look = estate.look()
    assert kinds == {
        ("pc-fen", "motd"): ("drift", RESTORED),
        ("pc-merkez", "motd"): ("drift", ""),
    }


def test_drift_and_pending_on_one_host(estate):
    first = git(estate.root, "rev-parse", "HEAD")
    for host in ("pc-fen", "pc-merkez"):
        estate.applied(first, host, resources=["zone"])
    estate.write("Asia/Tokyo")
    estate.save()
    estate.reality["pc-fen"]["motd"] = "hacked"
    kinds, look = estate.look("pcs")
    assert kinds == {
        ("pc-fen", "zone"): ("pending", ""),
        ("pc-fen", "motd"): ("drift", ""),
        ("pc-merkez", "zone"): ("pending", ""),
        ("pc-itfaiye", "zone"): ("pending", NEVER),
    }
    # The second plan is about what differs and was applied at another commit, and no more.
    assert sorted(estate.asked) == sorted(
        [(h, "base") for h in ("pc-fen", "pc-merkez", "pc-itfaiye", "pc-fen", "pc-merkez")]
    )
    by = {(f.change.host, f.change.resource): f.approved_by for f in look.findings}
    assert by["pc-fen", "zone"].approvers == ("ayse@ornek.bel.tr",)
    assert by["pc-fen", "motd"] is None  # nobody ever approved this
    assert not look.doubts


def test_the_first_look_that_shows_it_is_remembered(estate):
    estate.applied(git(estate.root, "rev-parse", "HEAD"), "pc-fen")
    estate.reality["pc-fen"]["motd"] = "hacked"
    first = estate.look()[1].findings[0].since
    entry = estate.journal.latest(1, "observed")[0]
    assert [f["kind"] for f in entry.data["findings"]] == ["drift"]
    for _ in range(10):  # more than are read at first
        assert estate.look("pc-fen")[1].findings[0].since == first == entry.data["created"]
    estate.reality["pc-fen"]["motd"] = "welcome"
    estate.look()
    estate.reality["pc-fen"]["motd"] = "hacked"
    look = estate.look()[1]
    assert look.findings[0].since == look.plan.created


def test_a_dirty_checkout_that_was_applied_can_not_be_compared_later(estate):
    estate.write("Asia/Tokyo")
    estate.applied(commit(estate.root), "pc-fen")
    kinds, look = estate.look("pc-fen")
    assert kinds == {("pc-fen", "zone"): ("drift", "")}  # it is the same dirty checkout
    estate.save()
    kinds, look = estate.look("pc-fen")
    assert kinds == {("pc-fen", "zone"): ("drift", UNCOMPARED)}
    assert "can't be had any more" in look.doubts[0]


def test_an_inventory_of_then_that_is_not_valid_now_is_a_doubt(estate):
    good = (estate.root / ZONE).read_text(encoding="utf-8")
    (estate.root / ZONE).write_text("no_such_variable: 1\n", encoding="utf-8")
    estate.applied(estate.save(), "pc-fen")
    (estate.root / ZONE).write_text(good, encoding="utf-8")
    estate.save()
    estate.reality["pc-fen"]["motd"] = "hacked"
    kinds, look = estate.look("pc-fen")
    assert kinds == {("pc-fen", "motd"): ("drift", UNCOMPARED)}
    assert "no_such_variable" in look.doubts[0]


def test_what_was_applied_before_there_were_approvers_can_still_be_compared(estate):
    file = estate.root / "inventories/lab/approvers"
    people = file.read_text(encoding="utf-8")
    file.unlink()
    estate.applied(estate.save(), "pc-fen")
    file.write_text(people, encoding="utf-8")
    estate.save()
    estate.reality["pc-fen"]["motd"] = "hacked"
    assert estate.look("pc-fen")[0] == {("pc-fen", "motd"): ("drift", "")}


def test_block_lists_of_then_are_in_the_store_of_today(estate):
    directory = estate.root / "inventories/lab"
    file, settings = directory / "feeds.yml", {"own": ["ornek.bel.tr"], "feeds": {}}
    then, today = Store(estate.root / ".kahya/ornek/feeds"), estate.root.parent / "store"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    write_pointer(directory, build(settings, then).id)
    estate.applied(estate.save(), "pc-fen")
    then.folder.rename(today)
    file.write_text(yaml.safe_dump({**settings, "store": str(today)}), encoding="utf-8")
    estate.save()
    estate.reality["pc-fen"]["motd"] = "hacked"
    kinds, look = estate.look("pc-fen")
    assert look.doubts == ()
    assert kinds == {("pc-fen", "motd"): ("drift", "")}


def test_waivers_of_the_inventory_are_used(estate):
    row = "- {host: pc-*, system: base, resource: motd, owner: a, reason: b, until: %s}\n"
    file = estate.root / "inventories/lab/waivers.yml"
    file.write_text(row % "2999-12-31", encoding="utf-8")
    estate.applied(estate.save(), "pc-fen")
    estate.reality["pc-fen"]["motd"] = "hacked"
    look = estate.look("pc-fen")[1]
    assert [f.waived for f in look.findings] == [True]
    file.write_text(row % "2020-12-31", encoding="utf-8")
    look = estate.look("pc-fen")[1]
    assert [(f.waived, f.expired) for f in look.findings] == [(False, True)]
    assert look.expired == (replace(estate.town.waivers[0]),)
