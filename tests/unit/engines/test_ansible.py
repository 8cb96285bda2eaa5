"""The Ansible engine against Ansible itself: small roles, run on this machine."""

import subprocess
from pathlib import Path

import pytest
import yaml

from kahya.engines.ansible import AnsibleEngine
from kahya.engines.base import Mandate, Task
from kahya.errors import EngineError
from kahya.model import Host, System, Town

SECRET = "not-for-anyones-eyes"
HOSTS = {
    "here": {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    },
    "gone": {"ansible_port": 1},
}


class Bench:
    """A town with one role, and the engine to run it."""

    def __init__(self, folder, tasks, names=("here",)):
        self.files = folder / "files"
        root = folder / "root"
        for path in (
            self.files,
            root / "roles/demo/tasks",
            root / "inventories/t",
            folder / "work",
        ):
            path.mkdir(parents=True)
        (root / "ansible.cfg").touch()
        (root / "roles/demo/tasks/main.yml").write_text(tasks, encoding="utf-8")
        variables = {"files": str(self.files), "password": SECRET}
        inventory = {"all": {"hosts": {n: HOSTS[n] for n in names}, "vars": variables}}
        (root / "inventories/t/hosts.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
        config = folder / "ssh_config"
        config.write_text("Host *\n HostName 127.0.0.1\n BatchMode yes\n", encoding="utf-8")
        hosts = {n: Host(n, "127.0.0.1", "b", ("demos",), {}) for n in names}
        system = System("demo", {}, "ansible", "roles/demo", "demos", "", (), "L1")
        self.town = Town(
            "t", "T", str(root / "inventories/t"), "en", 45, {}, hosts, {}, (system,), (SECRET,)
        )
        self.task = Task(system, tuple(hosts.values()))
        self.work = folder / "work"
        self.engine = AnsibleEngine(config, self.work)

    def plan(self):
        return {p.host: p for p in self.engine.plan(self.town, [self.task], lambda *_: None)}

    def apply(self, approved):
        pairs = {
            (p.host, "demo"): Mandate(tuple(c.mark for c in p.changes)) for p in approved.values()
        }
        return {
            o.host: o for o in self.engine.apply(self.town, [self.task], pairs, lambda *_: None)
        }


@pytest.fixture
def bench(tmp_path):
    return lambda tasks, *names: Bench(tmp_path, tasks, names or ("here",))


def test_what_is_applied_is_what_was_planned(bench):
    bench = bench("""
    - name: Write one
      ansible.builtin.copy: {content: "a\\nb\\n", dest: "{{ files }}/one", mode: "0600"}
    - name: Write several
      ansible.builtin.copy: {content: "{{ item }}", dest: "{{ files }}/{{ item }}", mode: "0600"}
      loop: [two, three]
    - name: Write a secret
      ansible.builtin.copy: {content: "{{ password }}", dest: "{{ files }}/key", mode: "0600"}
      no_log: true
    - name: Make a folder
      ansible.builtin.file: {path: "{{ files }}/sub", state: directory, mode: "0750"}
    - name: Skip this by its own condition
      ansible.builtin.command: "true"
      when: files == ""
    """)
    (bench.files / "one").write_text("a\nc\n", encoding="utf-8")
    (bench.files / "two").write_text("two", encoding="utf-8")
    (bench.files / "two").chmod(0o644)
    planned = bench.plan()
    assert planned["here"].status == "ok"
    assert not planned["here"].blind_spots
    assert [c.resource.removeprefix(f"file {bench.files}/") for c in planned["here"].changes] == [
        "one", "two", "three", "key", "sub",
    ]  # fmt: skip
    assert (bench.files / "one").read_text(encoding="utf-8") == "a\nc\n"
    assert "-c\n+b" in planned["here"].changes[0].diff

    done = bench.apply(planned)["here"]
    assert (done.status, done.reason) == ("applied", "")
    assert [c.id for c in done.applied] == [c.id for c in planned["here"].changes]
    assert bench.plan()["here"].changes == ()


def test_a_change_is_not_the_same_when_the_host_is_not(bench):
    bench = bench("""
    - name: Write one
      ansible.builtin.copy: {content: "wanted", dest: "{{ files }}/one", mode: "0600"}
    """)
    (bench.files / "one").write_text("found", encoding="utf-8")
    planned = bench.plan()
    (bench.files / "one").write_text("changed meanwhile", encoding="utf-8")
    refused = bench.apply(planned)["here"]
    assert refused.status == "refused"
    assert (bench.files / "one").read_text(encoding="utf-8") == "changed meanwhile"


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ("ansible.builtin.command: touch {{ files }}/one", "Command would have run"),
        ("ansible.builtin.raw: touch {{ files }}/one", ""),
        ("ansible.builtin.group: {name: nobodys}\n      when: not ansible_check_mode", ""),
    ],
)
def test_what_check_mode_skips_is_a_blind_spot(bench, task, reason):
    bench = bench(f"""
    - name: Do something unforeseen
      {task}
    """)
    planned = bench.plan()
    [spot] = planned["here"].blind_spots
    assert (spot.resource, spot.deferred) == ("Do something unforeseen", False)
    assert reason in spot.reason
    assert spot.reason
    assert bench.apply(planned)["here"].status == "refused"
    assert not list(bench.files.iterdir())


def test_an_apply_ends_where_its_plan_did(bench):
    bench = bench("""
    - name: Write one
      ansible.builtin.copy: {content: one, dest: "{{ files }}/one", mode: "0600"}
      register: one
    - name: What follows from one
      ansible.builtin.debug: {msg: it can be told once one is there}
      when: kahya_in_rounds and one is changed
      tags: [deferred]
    - name: End this round
      ansible.builtin.meta: end_role
      when: kahya_in_rounds and one is changed
    - name: Write two
      ansible.builtin.copy: {content: two, dest: "{{ files }}/two", mode: "0600"}
    """)
    first = bench.plan()
    [spot] = first["here"].blind_spots
    assert (spot.resource, spot.deferred) == ("What follows from one", True)
    assert [len(bench.apply(first)["here"].applied), len(list(bench.files.iterdir()))] == [1, 1]
    second = bench.plan()
    assert not second["here"].blind_spots
    assert [len(bench.apply(second)["here"].applied), len(list(bench.files.iterdir()))] == [1, 2]


def test_a_lost_host_and_a_failing_one_are_told_apart(bench):
    bench = bench(
        """
    - name: Reach it
      ansible.builtin.command: "true"
      check_mode: false
      changed_when: false
    - name: Fail
      ansible.builtin.fail: {msg: "no room for {{ password }}"}
    """,
        "here", "gone",
    )  # fmt: skip
    planned = bench.plan()
    assert planned["gone"].status == "unreachable"
    assert "refused" in planned["gone"].reason
    assert (planned["here"].status, planned["here"].reason) == (
        "error",
        "Fail: no room for ********",
    )
    outcomes = bench.apply(planned)
    assert {o.host: o.status for o in outcomes.values()} == {
        "gone": "unreachable", "here": "refused",
    }  # fmt: skip


def test_a_role_that_fails_halfway_tells_what_it_did(bench):
    bench = bench("""
    - name: Write one
      ansible.builtin.copy: {content: one, dest: "{{ files }}/one", mode: "0600"}
    - name: Fail for real
      ansible.builtin.fail: {msg: the disk is full}
      when: files is file or (files ~ "/one") is file and kahya_in_rounds and not a_check
      vars: {a_check: "{{ ansible_check_mode }}"}
    """)
    done = bench.apply(bench.plan())["here"]
    assert (done.status, done.reason) == ("failed", "Fail for real: the disk is full")
    assert [c.resource for c in done.applied] == [f"file {bench.files}/one"]


def test_a_task_that_changes_the_host_in_check_mode_is_an_error(bench):
    bench = bench("""
    - name: Act too early
      ansible.builtin.command: touch {{ files }}/one
      check_mode: false
    """)
    planned = bench.plan()["here"]
    assert planned.status == "error"
    assert "Act too early" in planned.reason


def test_a_role_that_cannot_be_read_stops_the_engine(bench):
    bench = bench(f"- name: Lost\n  no.such.module: {{word: {SECRET}}}\n")
    with pytest.raises(EngineError, match=r"no\.such\.module") as caught:
        bench.plan()
    assert SECRET not in str(caught.value)


def test_secrets_stay_where_they_are(bench, monkeypatch):
    bench = bench("""
    - name: Write a secret
      ansible.builtin.copy: {content: "{{ password }}", dest: "{{ files }}/key", mode: "0600"}
      no_log: true
    - name: Write it in the open
      ansible.builtin.copy: {content: "key={{ password }}", dest: "{{ files }}/conf", mode: "0600"}
      loop: ["{{ password }}"]
      loop_control: {label: the configuration}
    """)
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda *a, **k: started.append((a, k["env"])) or popen(*a, **k)
    )
    planned = bench.plan()
    assert len(planned["here"].changes) == 2
    assert "+key=********" in planned["here"].changes[1].diff
    assert started
    kept = "".join(p.read_text(encoding="utf-8") for p in bench.work.rglob("*") if p.is_file())
    for shown in (repr(planned), repr(started), kept):
        assert SECRET not in shown


def test_a_blind_spot_is_applied_only_when_it_was_signed_for(bench):
    bench = bench("""
    - name: Do what a check can't tell
      ansible.builtin.command: touch {{ files }}/one
    """)
    plan = bench.plan()["here"]
    assert plan.identity == Path("/etc/machine-id").read_text(encoding="utf-8").strip()
    [spot] = plan.blind_spots

    def apply(**mandate):
        approved = {("here", "demo"): Mandate((), plan.identity, **mandate)}
        return list(bench.engine.apply(bench.town, [bench.task], approved, lambda *_: None))

    assert [o.status for o in apply()] == ["refused"]
    assert not (bench.files / "one").exists()
    assert [o.status for o in apply(blind_spots=(spot.id,))] == ["applied"]
    assert (bench.files / "one").exists()


def test_a_resumed_apply_does_the_rest(bench):
    bench = bench("""
    - name: Write several
      ansible.builtin.copy: {content: "{{ item }}", dest: "{{ files }}/{{ item }}", mode: "0600"}
      loop: [one, two]
    """)
    plan = bench.plan()["here"]
    (bench.files / "one").write_text("one", encoding="utf-8")
    (bench.files / "one").chmod(0o600)
    ids = tuple(c.mark for c in plan.changes)
    approved = {("here", "demo"): Mandate(ids, plan.identity, resumed=True)}
    [outcome] = bench.engine.apply(bench.town, [bench.task], approved, lambda *_: None)
    assert (outcome.status, [c.id for c in outcome.applied]) == ("applied", [plan.changes[1].id])
