"""Backups in a real repository, of devices in memory: whose work is each line, and back again."""

import re
import subprocess
from dataclasses import replace
from difflib import unified_diff
from pathlib import Path
from types import SimpleNamespace

import pytest
from napalm.base.exceptions import ConnectionException

from kahya import backup, cli, workflow
from kahya.backup import Cause
from kahya.cli import common
from kahya.cli.backup import around
from kahya.engines import napalm, napalm_device, napalm_read
from kahya.engines.base import Task
from kahya.engines.napalm_platforms import PLATFORMS
from kahya.errors import BackupError, LockError
from kahya.inventory import load
from kahya.journal import Holder, Journal
from kahya.model import Plan
from napalm_frr.sanitize import sanitize

ROOT = Path(__file__).parents[2]
LAB = load(ROOT / "inventories/lab")
NAMES = ("gw-merkez", "gw-fen", "gw-itfaiye")
FEN = "fen_isleri/gw-fen/running"
CANARY = "KQXZKQXZ"
TEXT = f"hostname {{0}}\nrouter ospf\nexit\n!\ninterface a\n ip ospf authentication-key {CANARY}\n"
AYSE, MEHMET = "ayse@ornek.bel.tr", "mehmet@ornek.bel.tr"


class Device:
    """A device whose configuration a test may write into."""

    def __init__(self, name):
        self.running = self.startup = TEXT.format(name)
        self.candidate = self.loaded = ""
        self.error = None
        self.pending = False
        self.deaf = False  # its driver says less when it is asked to leave secrets out

    def __enter__(self):
        if self.error:
            raise self.error
        return napalm_device.Device(self, PLATFORMS["frr"])

    def __exit__(self, *_):
        self.candidate = ""

    def get_config(self, retrieve="all", sanitized=False):
        found = {"running": self.running, "startup": self.startup, "candidate": self.candidate}
        return (
            {k: "" if self.deaf else sanitize(v) for k, v in found.items()} if sanitized else found
        )

    def has_pending_commit(self):
        return self.pending

    def get_facts(self):
        return {"serial_number": "a serial number"}

    def load_replace_candidate(self, config):
        self.candidate = self.loaded = config

    def compare_config(self):
        both = (self.running.splitlines(), self.candidate.splitlines())
        return "\n".join([*unified_diff(*both, lineterm="")][2:])


class Estate:
    """The town's devices, its journal, and the repository of their backups."""

    def __init__(self, folder):
        self.devices = {name: Device(name) for name in NAMES}
        self.folder = folder / "backups.git"
        systems = tuple(system for system in LAB.systems if system.name == "routing")
        settings = {"backup": {"repository": str(self.folder)}}
        self.town = replace(LAB, settings=settings, systems=systems)
        self.journal = Journal(f"sqlite:///{folder}/journal.sqlite")

    def take(self, *names):
        return backup.take(self.town, self.journal, names or NAMES, lambda *_: None)

    def edit(self, name, old, new):
        """Change a device; it keeps the change."""
        device = self.devices[name]
        assert old in device.running
        device.running = device.startup = device.running.replace(old, new)

    def applied(self, plan, *approvers, hosts=("gw-fen",), break_glass="", system="routing"):
        """Write down that a plan was applied, as an apply does."""
        approvals = [{"approver": who} for who in approvers]
        about = {"approvals": approvals, "break_glass": break_glass, "by": "deniz@ornek.bel.tr"}
        run = self.journal.record("started", plan, about | {"document": "{}"}).number
        for host in hosts:
            done = {"host": host, "system": system, "status": "applied", "commit": "c"}
            change = {"id": "1", "host": host, "system": system, "resource": "interface a"}
            self.journal.record("outcome", plan, {"run": run, **done, "applied": [change]})
        return run

    def git(self, *words):
        command = ["git", f"--git-dir={self.folder}", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def blame(self, path=FEN):
        """Return who answers for each line of a file."""
        told = self.git("blame", "--line-porcelain", "main", "--", path)
        return dict(
            zip(
                re.findall(r"^\t(.*)$", told, re.MULTILINE),
                re.findall(r"^author (.*)$", told, re.MULTILINE),
                strict=True,
            )
        )


@pytest.fixture
def estate(tmp_path, monkeypatch):
    """Return an estate whose devices are found by the engine."""
    made = Estate(tmp_path)
    monkeypatch.setattr(napalm.NapalmEngine, "_device", lambda _self, h, *_: made.devices[h.name])
    monkeypatch.setattr(napalm_read, "connect", lambda h, *_: made.devices[h.name])
    monkeypatch.setattr(backup, "state_folder", lambda _town: tmp_path)
    return made


def test_what_did_not_change_makes_no_commit(estate):
    first = estate.take()
    assert first.read == NAMES
    assert set(first.saved.values()) == {(name,) for name in NAMES}
    assert all(cause.first and not cause.people for cause in first.saved)
    assert estate.git("ls-tree", "-r", "--name-only", "main").split() == sorted(
        f"{LAB.hosts[name].building}/{name}/{kind}"
        for name in NAMES
        for kind in ("running", "startup")
    )
    head = estate.git("rev-parse", "main")
    assert estate.take().saved == {}
    assert estate.git("rev-parse", "main") == head
    private = {"backups.git": 0o700, "backup.key": 0o600}
    for name, mode in private.items():
        assert (estate.folder.parent / name).stat().st_mode & 0o777 == mode


def test_blame_tells_who_approved_each_line(estate):
    estate.take()
    estate.edit("gw-fen", "router ospf\n", "router ospf\n ospf router-id 10.0.0.1\n")
    [(cause, names)] = estate.take().saved.items()
    assert (cause, names) == (Cause(first=False, device="gw-fen"), ("gw-fen",))
    run = estate.applied("2026-03-09-5bca9f9e", AYSE, MEHMET)
    estate.edit("gw-fen", "interface a\n", "interface a\n description VPN\n")
    [(cause, _names)] = estate.take("gw-fen").saved.items()
    assert cause.people == (AYSE, MEHMET)
    estate.edit("gw-fen", " description VPN\n", " description VPN\n bandwidth 5\n")
    estate.take()
    who = estate.blame()
    assert who[" ospf router-id 10.0.0.1"] == "unknown"
    assert who[" description VPN"] == AYSE
    assert who[" bandwidth 5"] == "unknown", "the apply was told of already"
    told = estate.git("log", "-1", "--skip=1", "--format=%an <%ae>|%cn|%B")
    assert told.startswith(f"{AYSE} <{AYSE}>|Kâhya|gw-fen: plan 2026-03-09-5bca9f9e\n")
    assert f"journal entry {run}, approved by {AYSE}, {MEHMET}." in told
    assert f"\nCo-authored-by: {MEHMET} <{MEHMET}>\nJournal: " in told


def test_one_commit_for_each_cause(estate):
    estate.take()
    count = int(estate.git("rev-list", "--count", "main"))
    for name in NAMES:
        estate.edit(name, "interface a\n", "interface a\n description VPN\n")
    estate.applied("one", AYSE, hosts=NAMES[:2])
    saved = estate.take().saved
    assert sorted(saved.values()) == [("gw-itfaiye",), ("gw-merkez", "gw-fen")]
    assert int(estate.git("rev-list", "--count", "main")) == count + 2


@pytest.mark.parametrize("about", [{"system": "firewall"}, {"hosts": ["gw-merkez"]}])
def test_what_was_applied_elsewhere_is_no_cause(estate, about):
    estate.take()
    estate.applied("one", AYSE, **about)
    estate.edit("gw-fen", "interface a\n", "interface b\n")
    [cause] = estate.take().saved
    assert cause.people == ()


def test_what_was_told_of_the_running_configuration_is_not_told_again_of_the_startup(estate):
    estate.take()
    estate.applied("one", AYSE)
    device = estate.devices["gw-fen"]
    device.running = device.running.replace("interface a", "interface b")
    estate.take()
    device.startup = device.running
    [cause] = estate.take().saved
    assert cause == Cause(first=False, device="gw-fen")


def test_several_applies_since_are_all_named(estate):
    estate.take()
    estate.applied("one", AYSE)
    estate.applied("two", MEHMET, AYSE)
    estate.edit("gw-fen", "interface a\n", "interface b\n")
    [cause] = estate.take().saved
    assert cause.people == (AYSE, MEHMET)
    assert [word.plan for _run, word in cause.words] == ["one", "two"]


def test_what_an_apply_that_failed_there_may_have_left_is_told(estate):
    estate.take()
    run = estate.applied("one", AYSE, hosts=["gw-merkez"])
    lost = {"run": run, "host": "gw-fen", "system": "routing", "status": "failed", "reason": ""}
    estate.journal.record("outcome", "one", lost | {"commit": "c", "applied": []})
    estate.edit("gw-fen", "interface a\n", "interface b\n")
    [cause] = estate.take().saved
    assert cause == Cause(first=False, device="gw-fen", failed=run)
    assert f"failed there (journal entry {run})" in estate.git("log", "-1", "--format=%s", "main")


def test_who_approved_what_was_taken_back_did_not_write_it(estate):
    estate.take()
    run = estate.applied("one", AYSE)
    back = {"run": run, "host": "gw-fen", "system": "routing", "status": "reverted"}
    estate.journal.record("reverted", "one", back | {"commit": "c", "applied": []})
    estate.edit("gw-fen", "interface a\n", "interface b\n")
    [cause] = estate.take().saved
    assert cause == Cause(first=False, device="gw-fen")
    estate.edit("gw-fen", "interface b\n", "interface c\n")
    run = estate.applied("two", AYSE)
    kept = back | {"run": run, "status": "failed"}  # it could not be taken back
    estate.journal.record("reverted", "two", kept | {"commit": "c", "applied": []})
    [cause] = estate.take().saved
    assert cause.people == (AYSE,)


def test_the_first_backup_is_of_who_applied_last(estate):
    estate.applied("one", AYSE)
    estate.applied("two", MEHMET)
    causes = {names: cause for cause, names in estate.take().saved.items()}
    assert causes["gw-fen",].people == (MEHMET,)
    assert causes["gw-merkez",].people == ()


def test_who_broke_the_glass_is_the_author(estate):
    estate.take()
    estate.applied("one", break_glass="no link")
    estate.edit("gw-fen", "interface a\n", "interface b\n")
    estate.take()
    assert estate.blame()["interface b"] == "deniz@ornek.bel.tr"
    assert "glass broken by deniz@ornek.bel.tr" in estate.git("log", "-1", "--format=%B")


def test_a_device_that_can_not_be_read_keeps_its_last_backup(estate):
    estate.take()
    estate.devices["gw-fen"].error = ConnectionException("no route")
    estate.devices["gw-merkez"].deaf = True
    estate.edit("gw-merkez", "interface a\n", "interface b\n")
    estate.edit("gw-itfaiye", "interface a\n", "interface b\n")
    estate.devices["gw-itfaiye"].pending = True
    done = estate.take()
    assert [(p.host, p.status) for p in done.unread] == [
        ("gw-merkez", "error"),
        ("gw-fen", "unreachable"),
        ("gw-itfaiye", "unknown"),
    ]
    assert not done.saved
    estate.devices["gw-itfaiye"].pending = False
    done = estate.take()
    assert (done.read, *done.saved.values()) == (("gw-itfaiye",), ("gw-itfaiye",))
    assert "interface a" in estate.git("show", f"main:{FEN}")
    assert "interface a" in estate.git("show", "main:merkez/gw-merkez/running")


def test_no_object_of_the_repository_holds_a_secret(estate):
    estate.take()
    before = estate.git("show", f"main:{FEN}")
    estate.edit("gw-fen", CANARY, CANARY[::-1])
    [cause] = estate.take().saved
    assert not cause.people
    assert estate.git("show", f"main:{FEN}") != before, "that it is another is seen"
    command = ["git", f"--git-dir={estate.folder}", "cat-file", "--batch-all-objects", "--batch"]
    objects = subprocess.run(command, check=True, capture_output=True).stdout
    assert b"<secret:" in objects
    assert not re.search(f"{CANARY}|{CANARY[::-1]}".encode(), objects)


def test_a_commit_that_fails_leaves_the_repository_as_it_was(estate):
    estate.take()
    head = estate.git("rev-parse", "main")
    estate.edit("gw-fen", "interface a\n", "interface b\n")
    lock = estate.folder / "refs/heads/main.lock"
    lock.touch()
    with pytest.raises(BackupError, match=r"main\.lock"):
        estate.take()
    assert estate.git("rev-parse", "main") == head
    lock.unlink()
    assert len(estate.take().saved) == 1


def test_a_lost_key_is_not_replaced_in_silence(estate):
    estate.take()
    key = estate.folder.parent / "backup.key"
    copy = key.read_text(encoding="utf-8")
    key.unlink()
    with pytest.raises(BackupError, match=r"backup\.key is missing"):
        estate.take()
    key.write_text(copy, encoding="utf-8")
    assert estate.take().saved == {}


@pytest.mark.parametrize("text", ["", "0f" * 31, "no key" * 11])
def test_a_damaged_key_is_not_used(estate, text):
    (estate.folder.parent / "backup.key").write_text(text, encoding="utf-8")
    with pytest.raises(BackupError, match=r"backup\.key is damaged"):
        estate.take()


def test_another_folder_is_not_taken_for_the_repository(estate):
    estate.folder.mkdir()
    (estate.folder / "notes").touch()
    with pytest.raises(BackupError, match="not a bare git repository"):
        estate.take()


def test_nothing_is_backed_up_while_an_apply_is_under_way(estate):
    estate.journal.lock(LAB.name, Holder.here(AYSE, "one"), 60)
    with pytest.raises(LockError):
        estate.take()


def asked(estate, restores):
    """Return what the engine would change on gw-fen."""
    routing = next(s for s in LAB.systems if s.name == "routing")
    engine = napalm.NapalmEngine(Path(), Path(), backup.fills(estate.town, restores))
    [found] = engine.plan(estate.town, [Task(routing, (LAB.hosts["gw-fen"],))], lambda *_: None)
    return found


def test_a_restore_asks_for_exactly_what_was_backed_up(estate):
    estate.take()
    old = estate.devices["gw-fen"].running
    commit = backup.revision(estate.town, "gw-fen", "main")
    assert re.fullmatch("[0-9a-f]{40}", commit)
    estate.edit("gw-fen", "router ospf\n", "router bgp 65000\n")
    found = asked(estate, {"gw-fen": commit})
    assert estate.devices["gw-fen"].loaded == old
    assert sorted((c.resource, c.action) for c in found.changes) == [
        ("router bgp 65000", "delete"),
        ("router ospf", "create"),
    ]
    estate.edit("gw-fen", CANARY, "another")
    found = asked(estate, {"gw-fen": commit})
    assert (found.status, found.changes) == ("error", ())
    assert "line 6: ip ospf authentication-key <" in found.reason
    assert "another" not in found.reason
    estate.town = replace(estate.town, secrets=(CANARY,))
    assert asked(estate, {"gw-fen": commit}).status == "ok", "the vault still has it"


def test_what_the_repository_does_not_have_is_not_restored(estate):
    estate.take("gw-fen")
    for device, name in (("gw-fen", "nonsense"), ("gw-merkez", "main"), ("gw-fen", "--all")):
        with pytest.raises(BackupError, match=f"no backup of {device} at {name}"):
            backup.revision(estate.town, device, name)
    commit = backup.revision(estate.town, "gw-fen", "main")
    assert backup.gone(estate.town, {"gw-fen": commit}) == []
    estate.git("update-ref", "-d", "refs/heads/main")
    estate.git("reflog", "expire", "--expire=now", "--all")
    estate.git("gc", "--quiet", "--prune=now")
    [why] = backup.gone(estate.town, {"gw-fen": commit})
    assert commit in why
    found = asked(estate, {"gw-fen": commit})
    assert (found.status, found.changes) == ("error", ())
    assert commit in found.reason


def test_a_damaged_backup_is_not_taken_for_an_empty_one(estate):
    estate.take("gw-fen")
    commit = backup.revision(estate.town, "gw-fen", "main")
    blob = estate.git("rev-parse", f"main:{FEN}").strip()
    (estate.folder / "objects" / blob[:2] / blob[2:]).unlink()
    assert len(backup.gone(estate.town, {"gw-fen": commit})) == 1
    assert asked(estate, {"gw-fen": commit}).status == "error"


def run(*words):
    with pytest.raises(SystemExit) as caught:
        cli.main([*words, "-i", str(ROOT / "inventories/lab"), "--lang", "en", "--quiet"])
    return caught.value.code


@pytest.fixture
def command(estate, monkeypatch):
    """Have the command line find this estate."""
    monkeypatch.setattr(common, "load", lambda _directory: estate.town)
    monkeypatch.setattr(common, "open_journal", lambda _town: estate.journal)
    monkeypatch.setattr(workflow, "state_folder", lambda _town: estate.folder.parent)
    return estate


def test_exit_codes_of_a_backup(command, capsys):
    assert run("backup") == 0
    assert run("backup", "--limit", "pc-fen") == 1
    command.edit("gw-merkez", "interface a", "interface b")
    command.devices["gw-fen"].error = ConnectionException("no route")
    capsys.readouterr()
    assert run("backup") == 3
    said = capsys.readouterr().out
    assert "gw-merkez differs, and nobody applied it; author unknown" in said
    assert "gw-fen: unreachable: no route; its last backup stays as it is" in said
    assert "2 devices read, 1 differed" in said
    assert run("backup", "--json", "--limit", "gw-fen") == 3
    assert '"unreachable"' in capsys.readouterr().out


def test_a_restore_makes_a_plan_that_says_what_it_restores(command, monkeypatch, capsys):
    run("backup")
    asked = {}

    def make_plan(_flow, part, restores):
        asked[part.hosts] = restores
        times = ("2026-01-01T00:00:00Z", "2099-01-01T00:00:00Z")
        return Plan(LAB.name, "c", {}, *times, (), restores=restores)

    monkeypatch.setattr(workflow.Workflow, "make_plan", make_plan)
    assert run("restore", "gw-fen", "main") == 0
    commit = backup.revision(command.town, "gw-fen", "main")
    assert asked == {("gw-fen",): {"gw-fen": commit}}
    assert f"gw-fen gets its backup of commit {commit} back." in capsys.readouterr().out
    assert run("restore", "gw-fen", "nonsense") == 1
    assert run("restore", "pc-fen", "main") == 1
    assert "There are: gw-merkez, gw-fen, gw-itfaiye." in capsys.readouterr().err


def test_around_an_apply_nothing_is_stopped_by_a_backup(estate, capsys):
    flow = SimpleNamespace(town=estate.town, journal=estate.journal, progress=lambda *_: None)
    around(flow, ["gw-gone"])
    assert not estate.folder.exists()
    around(flow, ["gw-fen", "gw-gone"])
    assert "Backed up for the first time: gw-fen" in capsys.readouterr().out
    (estate.folder.parent / "backup.key").unlink()
    around(flow, ["gw-fen"])
    assert "not backed up, which changes nothing else" in capsys.readouterr().err
