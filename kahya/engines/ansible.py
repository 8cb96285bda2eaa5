"""Servers through Ansible: a role in check mode is the plan, the same role for real the apply.

Ansible runs in its own process and speaks JSON lines (ansible_callback/kahya_events.py) on a pipe;
its human output is never read. A role helps with two tags: ``deferred`` on a debug task that says
what can't be predicted before an earlier task is carried out (the role ends there), and
``risk_data``, ``risk_restart`` or ``risk_cuts-path`` on a task whose change puts that at risk.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from kahya.engines.ansible_meaning import Event, to_changes, to_plan, trouble_of
from kahya.engines.base import Approved, Progress, Task, refusal
from kahya.engines.child import running
from kahya.errors import EngineError
from kahya.i18n import _
from kahya.model import Host, HostPlan, Outcome, OutcomeStatus, System, Town
from kahya.redact import redact

CALLBACKS = Path(__file__).parent / "ansible_callback"
PARALLEL = 10  # hosts at once; each takes a process of some 60 MB here
KEEP_SSH_SECONDS = 30  # from the plan to the apply that follows it
IDENTIFY = {
    "name": "Ask who the host is",
    "ansible.builtin.raw": "cat /etc/machine-id",  # without Python on the host: 0.1 s and less
    "changed_when": False,
    "check_mode": False,
    "when": [
        "ansible_connection | default('ssh') != 'ansible.netcommon.httpapi'",
        "ansible_shell_type | default('sh') == 'sh'",  # Windows has no such file
    ],
    "tags": ["identity"],
}
LAST_LINES = 5  # of Ansible's own complaint, when it can't run at all


class AnsibleEngine:
    """Runs the role that a system's ``source`` names, on the hosts of the system's group."""

    def __init__(self, ssh_config: Path, workdir: Path) -> None:
        self.ssh_config = ssh_config
        self.workdir = workdir

    def plan(self, town: Town, tasks: Sequence[Task], progress: Progress) -> Iterator[HostPlan]:
        """Run each role in check mode. See ``Engine.plan``.

        Raises:
            EngineError: Ansible could not run; the message holds its last words.
        """
        for task in tasks:
            events = self._run(town, task.system, task.hosts, progress, "--check")
            for host in task.hosts:
                yield to_plan(host, task.system, events)

    observe = plan

    def apply(
        self, town: Town, tasks: Sequence[Task], approved: Approved, progress: Progress
    ) -> Iterator[Outcome]:
        """Plan again, then run each role on the hosts whose changes are the approved ones.

        Raises:
            EngineError: Ansible could not run; the message holds its last words.
        """
        for task in tasks:
            allowed = []
            for host, now in zip(task.hosts, self.plan(town, [task], progress), strict=True):
                if reason := refusal(approved, now):
                    lost: OutcomeStatus = (
                        "unreachable" if now.status == "unreachable" else "refused"
                    )
                    yield Outcome(host.name, task.system.name, lost, reason=reason)
                else:
                    allowed.append(host)
            events = self._run(town, task.system, allowed, progress) if allowed else []
            yield from (_outcome(host, task.system, events) for host in allowed)

    def revert(
        self,
        town: Town,  # noqa: ARG002 - the contract's
        tasks: Sequence[Task],
        progress: Progress,  # noqa: ARG002
        run: str = "",  # noqa: ARG002
    ) -> Iterator[Outcome]:
        """Say that there is no way back: Ansible's modules keep none that could be relied on."""
        reason = _("no way back: Ansible keeps no state before; correct the inventory, plan, apply")
        for task in tasks:
            for host in task.hosts:
                yield Outcome(host.name, task.system.name, "failed", reason=reason)

    def became(
        self, town: Town, tasks: Sequence[Task], progress: Progress, run: str
    ) -> Iterator[Outcome]:
        """Say that what was done is still there: no host takes it back by itself."""
        yield from self.revert(town, tasks, progress, run)

    def _run(
        self, town: Town, system: System, hosts: Sequence[Host], progress: Progress, *modes: str
    ) -> list[Event]:
        """Run one role and return all that the callback told, with the secrets masked."""
        inventory = Path(town.directory).resolve()
        root = next(p for p in inventory.parents if (p / system.source).is_dir())
        command = [sys.executable, "-m", "ansible", "playbook", "--diff", *modes]
        command += ["--inventory", str(inventory), "--limit", ",".join(h.name for h in hosts)]
        command += [str(self._playbook(system, hosts))]
        reader, writer = os.pipe()
        with tempfile.TemporaryFile(dir=self.workdir) as complaint, os.fdopen(reader) as pipe:
            with running(
                command,
                cwd=root,
                env=self._environment(root / system.source, writer),
                stdin=subprocess.DEVNULL,
                stdout=complaint,
                stderr=complaint,
                pass_fds=[writer],
            ) as process:
                os.close(writer)  # Ansible's own is the last one, so the pipe ends when it does
                events = list(_follow(pipe, town, system, progress))
                code = process.wait()
            if any(event["event"] == "end" for event in events):
                return events
            complaint.seek(0)
            words = redact(complaint.read().decode(errors="replace"), town.secrets)
            last = "\n".join(words.strip().splitlines()[-LAST_LINES:])
            raise EngineError(
                f"Ansible ended with {code} before {system.source} did:\n{last}",
                "Correct the role or the inventory as it says.",
            )

    def _playbook(self, system: System, hosts: Sequence[Host]) -> Path:
        """Write the play of one role, which logs in by Kâhya's ssh_config and not the inventory.

        ``kahya_rendered`` is what Kâhya itself made of the inventory for a host. It is read from
        a file, for Ansible would take braces in a play's variables for templates.
        """
        made = {host.name: host.vars.get("rendered", {}) for host in hosts}
        rendered = self.workdir / f"rendered-{system.name}.json"
        rendered.write_text(json.dumps(made), encoding="utf-8")
        read = f"lookup('ansible.builtin.file', '{rendered}') | from_json"
        play = {
            "hosts": "all",
            "gather_facts": False,
            "pre_tasks": [IDENTIFY],
            "vars": {
                "ansible_ssh_host": "{{ inventory_hostname }}",
                "ansible_ssh_common_args": "",
                "kahya_in_rounds": True,
                "kahya_rendered": f"{{{{ ({read})[inventory_hostname] }}}}",
            },
            "roles": [Path(system.source).name],
        }
        path = self.workdir / f"ansible-{system.name}.yml"
        path.write_text(json.dumps([play]), encoding="utf-8")
        return path

    def _environment(self, role: Path, events: int) -> dict[str, str]:
        keep = f"-o ControlMaster=auto -o ControlPersist={KEEP_SSH_SECONDS}s"
        return {
            **os.environ,
            "ANSIBLE_CONFIG": str(role.parents[1] / "ansible.cfg"),
            "ANSIBLE_ROLES_PATH": str(role.parent),
            "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
            "ANSIBLE_STDOUT_CALLBACK": "kahya_events",
            "ANSIBLE_FORKS": str(PARALLEL),
            "ANSIBLE_SSH_ARGS": f"-F {self.ssh_config} {keep}",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.workdir / "cp"),
            "ANSIBLE_PIPELINING": "true",
            # Of each run its own: the next would find that of the last while it is being closed.
            "ANSIBLE_PERSISTENT_CONTROL_PATH_DIR": tempfile.mkdtemp(prefix="pc", dir=self.workdir),
            "ANSIBLE_LOCAL_TEMP": str(self.workdir / "tmp"),
            "KAHYA_EVENTS_FD": str(events),
        }


def _follow(pipe: Iterable[str], town: Town, system: System, progress: Progress) -> Iterator[Event]:
    """Yield the callback's lines with the secrets masked; the start of a task is progress."""
    for line in pipe:
        event: Event = redact(json.loads(line), town.secrets)
        if event["event"] == "start":
            progress(event["host"], system.name, event["task"])
        else:
            yield event


def _outcome(host: Host, system: System, events: Sequence[Event]) -> Outcome:
    """Return what a run did on ``host``; also one that failed halfway changed something."""
    done = to_changes(host, system, events)
    if trouble := trouble_of(host, events):
        status: OutcomeStatus = "unreachable" if trouble[0] == "unreachable" else "failed"
        return Outcome(host.name, system.name, status, done, trouble[1])
    return Outcome(host.name, system.name, "applied", done)
