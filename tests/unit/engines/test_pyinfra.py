"""The pyinfra engine end to end, on files of this machine (see local_runner.py)."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from kahya.engines import pyinfra
from kahya.engines.base import Mandate, Task
from kahya.errors import EngineError
from kahya.model import Host, System, Town

SECRET = "hunter2-hunter2"
RUNNER = (sys.executable, str(Path(__file__).with_name("local_runner.py")))
HEAD = """
from io import StringIO
from pyinfra import host
from pyinfra.operations import files, server, python
HERE = host.data.folder
"""


class Place:
    """A town whose only deploy can be rewritten, and the engine to run it."""

    def __init__(self, folder, monkeypatch, hosts=("one",)):
        self.folder, self.log = folder / "host", folder / "log"
        self.folder.mkdir()
        self.source = folder / "deploys" / "thing"
        self.source.mkdir(parents=True)
        monkeypatch.setenv("KAHYA_TEST_LOG", str(self.log))
        monkeypatch.setenv("KAHYA_TEST_RETURN", str(folder / "return"))
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        monkeypatch.setattr(pyinfra, "RUNNER", RUNNER)
        system = System("thing", {}, "pyinfra", str(self.source), "all", "", (), "L2")
        data = {"folder": str(self.folder), "secret": SECRET}
        made = {n: Host(n, "192.0.2.1", "merkez", ("all",), data) for n in hosts}
        self.town = Town("t", "T", "", "en", 45, {}, made, {}, (system,), (SECRET,))
        self.tasks = [Task(system, tuple(made.values()))]
        (folder / "ssh_config").write_text("Host one\n")
        (folder / "work").mkdir()
        self.engine = pyinfra.PyinfraEngine(
            folder / "ssh_config", folder / "work", folder / "reads.json"
        )

    def deploy(self, text, above=""):
        (self.source / "deploy.py").write_text(above + HEAD + dedent(text), encoding="utf-8")

    def plan(self):
        return list(self.engine.plan(self.town, self.tasks, lambda *_: None))

    def apply(self, plans, **more):
        approved = {
            (p.host, p.system): Mandate(tuple(c.mark for c in p.changes), p.identity, **more)
            for p in plans
        }
        return list(self.engine.apply(self.town, self.tasks, approved, lambda *_: None))

    def revert(self):
        (outcome,) = self.engine.revert(self.town, self.tasks, lambda *_: None)
        return outcome

    def became(self, run):
        (outcome,) = self.engine.became(self.town, self.tasks, lambda *_: None, run)
        return outcome.status

    def calls(self):
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []


@pytest.fixture
def place(tmp_path, monkeypatch):
    return Place(tmp_path, monkeypatch)


WRITE = 'files.put(src=StringIO("new\\nline\\n"), dest=f"{HERE}/a", mode="640")'


def test_plan_shows_content_and_mode_as_one_change(place):
    place.deploy(WRITE)
    (place.folder / "a").write_text("old\nline\n")
    (place.folder / "a").chmod(0o600)
    (plan,) = place.plan()
    (change,) = plan.changes
    assert plan.status == "ok"
    assert (change.resource, change.action) == (f"file {place.folder}/a", "update")
    assert "-mode 0600\n-old\n+mode 0640\n+new\n line" in change.diff
    assert (place.folder / "a").read_text() == "old\nline\n"


def test_identity_does_not_hang_on_line_numbers(place):
    place.deploy(WRITE)
    (before,) = place.plan()
    place.deploy(WRITE, above="# one\n# two\n")
    (after,) = place.plan()
    assert [c.id for c in before.changes] == [c.id for c in after.changes]


def test_apply_does_what_was_planned_and_then_nothing_is_left(place):
    place.deploy(WRITE)
    plans = place.plan()
    (outcome,) = place.apply(plans)
    assert outcome.status == "applied"
    assert [c.id for c in outcome.applied] == [c.id for c in plans[0].changes]
    assert (place.folder / "a").read_text() == "new\nline\n"
    assert (place.folder / "a").stat().st_mode & 0o777 == 0o640
    assert place.plan()[0].changes == ()


def test_a_host_that_changed_since_is_refused_and_left_alone(place):
    place.deploy(WRITE)
    plans = place.plan()
    (place.folder / "a").write_text("an emergency fix\n")
    (outcome,) = place.apply(plans)
    assert outcome.status == "refused"
    assert "not approved" in outcome.reason
    assert (place.folder / "a").read_text() == "an emergency fix\n"


def test_the_first_failure_ends_the_system_and_names_the_hosts_words(place):
    place.deploy(
        WRITE
        + """
files.directory(path=f"{HERE}/file-in-the-way/x", mode="755")
files.put(src=StringIO("c"), dest=f"{HERE}/c", mode="640")
"""
    )
    plans = place.plan()
    (place.folder / "file-in-the-way").write_text("")
    (outcome,) = place.apply(plans)
    assert outcome.status == "failed"
    assert "Not a directory" in outcome.reason or "File exists" in outcome.reason
    assert [c.resource for c in outcome.applied] == [f"file {place.folder}/a"]
    assert not (place.folder / "c").exists()


FOLLOW = (
    WRITE.replace("files.put", "put = files.put", 1)
    + """
server.shell(name="tell it", commands=[f"echo told >> {HERE}/told"], _if=put.did_change)
"""
)


def test_what_follows_is_named_by_its_cause_and_runs_only_after_it(place):
    place.deploy(FOLLOW)
    plans = place.plan()
    (change,) = plans[0].changes
    assert change.then == ("tell it",)
    assert plans[0].blind_spots == ()
    place.apply(plans)
    place.apply(place.plan())
    assert (place.folder / "told").read_text() == "told\n"


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        ('server.shell(commands=["true"])', "every time"),
        ("python.call(function=print)", "FunctionCommand"),
        ('files.get(src=f"{HERE}/a", dest="/dev/null")', "FileDownloadCommand"),
        ('server.shell(commands=["true"], _if=lambda: True)', "condition"),
    ],
)
def test_what_cannot_be_predicted_is_a_blind_spot(place, operation, reason):
    place.deploy(operation)
    (plan,) = place.plan()
    assert reason in plan.blind_spots[0].reason
    assert place.apply([plan])[0].status == "refused"


def test_a_key_that_the_inventory_has_no_longer_is_not_shown(place):
    write = 'src=StringIO("none"), dest=f"{HERE}/key", mode="600"'
    place.deploy(f'files.put(name="secret: keys", {write})')
    (place.folder / "key").write_text("the former secret")
    (place.folder / "key").chmod(0o600)
    (plan,) = place.plan()
    assert "-(other secret content)\n+(secret content)" in plan.changes[0].diff
    shown = repr(plan) + (place.folder.parent / "reads.json").read_text()
    assert "former" not in shown


def test_a_secret_is_shown_neither_new_nor_old(place):
    place.deploy('files.put(src=StringIO(host.data.secret), dest=f"{HERE}/key", mode="600")')
    (place.folder / "key").write_text("the former secret")
    (place.folder / "key").chmod(0o600)
    (plan,) = place.plan()
    shown = repr(plan) + (place.folder.parent / "reads.json").read_text()
    assert "-(other secret content)\n+(secret content)" in plan.changes[0].diff
    assert SECRET not in shown
    assert "former" not in shown
    place.apply([plan])
    assert (place.folder / "key").read_text() == SECRET
    assert not any(SECRET in call for call in place.calls())


def test_a_host_that_is_off_is_unreachable_and_others_are_not_kept_from_work(tmp_path, monkeypatch):
    place = Place(tmp_path, monkeypatch, hosts=("off", "one"))
    place.deploy(WRITE)
    plans = {p.host: p for p in place.plan()}
    assert (plans["off"].status, plans["off"].changes) == ("unreachable", ())
    assert "timed out" in plans["off"].reason
    assert len(plans["one"].changes) == 1
    outcomes = {o.host: o.status for o in place.apply(plans.values())}
    assert outcomes == {"off": "unreachable", "one": "applied"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise ValueError('no such thing')", "no such thing"),
        (
            """
            from pyinfra.api import FactBase
            class Broken(FactBase):
                def command(self): return "echo it broke >&2; exit 3"
            host.get_fact(Broken)
            """,
            "it broke",
        ),
    ],
)
def test_an_error_is_an_error_and_never_no_change(place, text, reason):
    (place.folder / "a").write_text("x")
    place.deploy(text)
    (plan,) = place.plan()
    assert plan.status == "error"
    assert reason in plan.reason


def test_a_runner_that_dies_is_an_engine_error(place, monkeypatch):
    monkeypatch.setattr(pyinfra, "RUNNER", (sys.executable, "-c", "raise SystemExit('gone')"))
    with pytest.raises(EngineError, match=r"thing on one.*gone"):
        place.plan()


def test_a_later_plan_reads_in_one_round_trip_and_finds_the_same(place):
    place.deploy(WRITE)
    (first,) = place.plan()
    cold = len(place.calls())
    (second,) = place.plan()
    assert second == first
    assert len(place.calls()) == cold + 1


def test_base_digest_names_the_state_and_not_when_it_was_looked_at(place):
    place.deploy(WRITE)
    path = place.folder / "a"
    path.write_text("x")
    (one,) = place.plan()
    os.utime(path, (1, 1))
    (two,) = place.plan()
    path.write_text("y")
    (three,) = place.plan()
    assert one.base == two.base != three.base


def test_a_blind_spot_is_applied_only_when_it_was_signed_for(place):
    place.deploy('server.shell(commands=[f"echo told >> {HERE}/told"])')
    (plan,) = place.plan()
    assert place.apply([plan], blind_spots=("another",))[0].status == "refused"
    (outcome,) = place.apply([plan], blind_spots=(plan.blind_spots[0].id,))
    assert outcome.status == "applied"
    assert [c.id for c in outcome.applied] == [c.id for c in plan.changes]
    assert not plan.changes[0].reversible
    assert (place.folder / "told").read_text() == "told\n"


TWO = WRITE + '\nfiles.put(src=StringIO("b"), dest=f"{HERE}/new/b", mode="600")'


def test_a_resumed_apply_does_the_rest_and_goes_back_all_the_way(place):
    place.deploy(WRITE)
    (place.folder / "a").write_text("old\n")
    first = place.plan()
    place.deploy(WRITE + '\nfiles.directory(path=f"{HERE}/new/b", mode="700")')
    plans = place.plan()
    # The apply of both, stopped after the first: what is saved is under the name of both.
    blocked = place.folder / "new"
    blocked.write_text("in the way")
    (broken,) = place.apply(plans)
    assert broken.status == "failed"
    assert [c.id for c in broken.applied] == [c.id for c in first[0].changes]
    blocked.unlink()
    assert place.apply(plans)[0].status == "refused"
    (outcome,) = place.apply(plans, resumed=True)
    assert (outcome.status, [c.id for c in outcome.applied]) == (
        "applied",
        [plans[0].changes[1].id],
    )
    assert place.revert().status == "reverted"
    assert (place.folder / "a").read_text() == "old\n"
    assert [c.id for c in place.plan()[0].changes] == [c.id for c in plans[0].changes]


def test_another_machine_at_the_same_address_is_refused(place):
    place.deploy(WRITE)
    (plan,) = place.plan()
    assert plan.identity == Path("/etc/machine-id").read_text().strip()
    (outcome,) = place.apply([replace(plan, identity="0" * 32)])
    assert outcome.status == "refused"
    assert "another machine" in outcome.reason


def test_what_was_done_of_an_operation_that_broke_off_is_named(place):
    place.deploy('server.shell(commands=["true one", f"echo {host.data.secret}", "ls /none", "4"])')
    (plan,) = place.plan()
    (outcome,) = place.apply([plan], blind_spots=(plan.blind_spots[0].id,))
    assert outcome.status == "failed"
    assert "failed: $ ls /none" in outcome.reason
    assert "carried out before: $ true one; $ echo ********" in outcome.reason
    assert "$ 4" not in outcome.reason
    assert SECRET not in outcome.reason


def test_the_way_back_is_exact(place):
    place.deploy(
        TWO
        + """
files.file(path=f"{HERE}/unwanted", present=False)
files.directory(path=f"{HERE}/folder", mode="700")
"""
    )
    (place.folder / "a").write_text("old\n")
    (place.folder / "a").chmod(0o604)
    (place.folder / "unwanted").write_text("but mine\n")
    (place.folder / "folder").mkdir(mode=0o750)
    (place.folder / "folder/inside").write_text("stays")
    os.utime(place.folder / "a", (1, 1))
    before = state(place.folder)
    plans = place.plan()
    assert all(c.reversible for c in plans[0].changes)
    assert place.apply(plans)[0].status == "applied"
    assert (place.folder / "new/b").exists()
    assert place.revert().status == "reverted"
    assert state(place.folder) == before
    assert [c.id for c in place.plan()[0].changes] == [c.id for c in plans[0].changes]
    again = place.revert()
    assert (again.status, "reverted already" in again.reason) == ("failed", True)


def state(folder):
    return {
        str(p.relative_to(folder)): (p.stat().st_mode, p.is_file() and p.read_text(), *times(p))
        for p in folder.rglob("*")
    }


def times(path):
    return (path.stat().st_mtime,) if path.is_file() else ()


def test_going_back_has_what_depends_on_it_read_again(place):
    place.deploy(FOLLOW)
    (place.folder / "a").write_text("old")
    place.apply(place.plan())
    place.revert()
    assert (place.folder / "told").read_text() == "told\ntold\n"


SYSTEMCTL = """#!/bin/sh
case "$*" in
    *show*) printf 'Id=x.service\\nSubState=%s\\n\\n' "$(cat $HERE/../state)" ;;
    *) echo "$*" >>$HERE/../asked ;;
esac
"""
UNIT = """
unit = files.put(src=StringIO("new"), dest=f"{HERE}/unit", mode="640")
systemd.daemon_reload(_if=unit.did_change)
systemd.service(service="x", restarted=True, _if=unit.did_change)
"""


@pytest.mark.parametrize(
    ("state", "there", "back"),
    [
        ("running", ["restart x.service"], ["restart x.service"]),
        ("dead", ["start x.service"], []),
    ],
)
def test_what_did_not_run_before_is_not_started_on_the_way_back(
    place, monkeypatch, state, there, back
):
    asked = place.folder.parent / "asked"
    (place.folder.parent / "state").write_text(state)
    systemctl = place.folder.parent / "bin/systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text(SYSTEMCTL)
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{systemctl.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("HERE", str(place.folder))
    place.deploy("from pyinfra.operations import systemd" + UNIT)
    assert place.apply(place.plan())[0].status == "applied"
    assert asked.read_text().splitlines() == ["daemon-reload", *there]
    asked.unlink()
    assert place.revert().status == "reverted"
    assert asked.read_text().splitlines() == ["daemon-reload", *back]


def test_there_is_no_way_back_where_nothing_was_done(place):
    place.deploy(WRITE)
    outcome = place.revert()
    assert (outcome.status, "nothing was changed" in outcome.reason) == ("failed", True)


def test_nothing_is_changed_where_the_state_before_cannot_be_saved(place, monkeypatch):
    place.deploy(WRITE)
    (place.folder / "a").write_text("old")
    plans = place.plan()
    monkeypatch.setenv("KAHYA_TEST_RETURN", "/dev/full/return")
    (outcome,) = place.apply(plans)
    assert (outcome.status, outcome.applied) == ("refused", ())
    assert "could not be saved" in outcome.reason
    assert (place.folder / "a").read_text() == "old"


def test_the_state_before_is_on_the_disk_before_anything_is_changed(place, monkeypatch):
    programs = place.folder.parent / "programs"
    programs.mkdir()
    sync, seen = programs / "sync", place.folder.parent / "seen"
    sync.write_text(f'#!/bin/sh\ncp -a "$2" {seen}; cp {place.folder}/a {seen}/a\n')
    sync.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    place.deploy(WRITE)
    (place.folder / "a").write_text("old")
    assert place.apply(place.plan())[0].status == "applied"
    assert {"way_back", "saved.tar", "absent", "steps"} <= {p.name for p in seen.iterdir()}
    assert (seen / "a").read_text() == "old"


def test_what_waits_for_its_confirmation_is_not_changed_again(place):
    place.deploy(WRITE)
    armed = place.folder.parent / "return/other/armed"
    armed.parent.mkdir(parents=True)
    armed.touch()
    (outcome,) = place.apply(place.plan())
    assert (outcome.status, outcome.applied) == ("refused", ())
    assert "other was changed and waits for its confirmation" in outcome.reason
    (place.folder / "a").write_text("new\nline\n")
    (place.folder / "a").chmod(0o640)
    (outcome,) = place.apply(place.plan(), resumed=True)  # done, but not confirmed
    assert (outcome.status, outcome.applied) == ("refused", ())


def test_what_became_of_a_lost_change_is_asked_and_nothing_is_done(place):
    place.deploy(WRITE)
    place.apply(place.plan(), run="this")
    kept = place.folder.parent / "return/thing"
    assert place.became("this") == "failed"
    assert place.became("another") == "reverted"
    (kept / "armed").touch()
    assert place.became("this") == "unreachable"
    (kept / "armed").unlink()
    (kept / "returned").write_text("timer\n")
    assert [place.became("this"), place.became("this")] == ["reverted", "reverted"]
    assert (place.folder / "a").read_text() == "new\nline\n"
