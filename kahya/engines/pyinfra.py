"""pyinfra: the Linux fleet and the edge. All hosts and systems of a plan share one process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kahya.engines.base import Approved, Progress, Task
from kahya.engines.child import running
from kahya.errors import EngineError
from kahya.model import BlindSpot, Change, HostPlan, Outcome, Town
from kahya.redact import redact

RUNNER = (sys.executable, "-m", "kahya.engines.pyinfra_runner")


class PyinfraEngine:
    """Runs pyinfra deploys.

    Args:
        ssh_config: OpenSSH configuration that names every host.
        workdir: private scratch folder; the runner's error output is kept there.
        cache: file that remembers what had to be read from each host, so that the next plan can
            read it in one round trip; None for no memory.
    """

    def __init__(self, ssh_config: Path, workdir: Path, cache: Path | None = None) -> None:
        self._ssh_config, self._workdir, self._cache = ssh_config, workdir, cache

    def plan(self, town: Town, tasks: Sequence[Task], progress: Progress) -> Iterator[HostPlan]:
        """Say what would change, exactly, without changing anything."""
        reads = self._known_reads()
        for message in self._run(town, tasks, progress, mode="plan", reads=reads):
            plan = _host_plan(message["answer"])
            if plan.status == "ok":
                reads.setdefault(plan.host, {})[plan.system] = message["reads"]
            yield plan
        self._remember(reads)

    observe = plan

    def apply(
        self, town: Town, tasks: Sequence[Task], approved: Approved, progress: Progress
    ) -> Iterator[Outcome]:
        """Carry out what was approved, where the host still needs exactly that."""
        allowed = [[h, s, asdict(mandate)] for (h, s), mandate in approved.items()]
        for message in self._run(
            town, tasks, progress, mode="apply", approved=allowed, reads=self._known_reads()
        ):
            answer = message["answer"]
            yield Outcome(**answer | {"applied": tuple(map(_change, answer["applied"]))})

    def revert(
        self, town: Town, tasks: Sequence[Task], progress: Progress, run: str = ""
    ) -> Iterator[Outcome]:
        """Have each host go back to what it saved before its last apply, last system first."""
        for message in self._run(town, tasks[::-1], progress, mode="revert", run=run):
            answer = message["answer"]
            yield Outcome(**answer | {"applied": ()})

    def became(
        self, town: Town, tasks: Sequence[Task], progress: Progress, run: str
    ) -> Iterator[Outcome]:
        """Ask each host whether it has gone back to what it saved before ``run``."""
        for message in self._run(town, tasks, progress, mode="became", run=run):
            yield Outcome(**message["answer"] | {"applied": ()})

    def _run(
        self, town: Town, tasks: Sequence[Task], progress: Progress, **job: Any
    ) -> Iterator[dict[str, Any]]:
        """Start the runner and yield its answers; every (host, system) is among them once."""
        due = {(host.name, task.system.name) for task in tasks for host in task.hosts}
        if not due:
            return
        job |= self._job(town, tasks)
        errors = self._workdir / "pyinfra.err"
        with errors.open("w+", encoding="utf-8") as stderr:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": stderr}
            with running(RUNNER, **pipes, text=True) as process:
                yield from _answers(process, json.dumps(job), due, progress)
        if due:
            lost = ", ".join(sorted(f"{system} on {host}" for host, system in due))
            last = errors.read_text(encoding="utf-8").strip().splitlines()[-1:]
            words = redact(" ".join(last), town.secrets)
            raise EngineError(
                f"pyinfra ended without an answer for {lost}: {words}",
                f"Read {errors}; it is an error of Kâhya or of pyinfra, not of the hosts.",
            )

    def _job(self, town: Town, tasks: Sequence[Task]) -> dict[str, Any]:
        hosts = {h.name: h for task in tasks for h in task.hosts}
        sources = [Path(t.system.source).resolve() for t in tasks]
        return {
            "root": str(sources[0].parent.parent),
            "ssh_config": str(self._plain_ssh_config()),
            "secrets": town.secrets,
            "hosts": {
                n: {
                    "building": h.building,
                    "vars": {**h.vars, "kahya_confirm_seconds": town.confirm_seconds},
                }
                for n, h in hosts.items()
            },
            "tasks": [
                {
                    "system": task.system.name,
                    "source": str(source),
                    "hosts": [h.name for h in task.hosts],
                }
                for task, source in zip(tasks, sources, strict=True)
            ],
        }

    def _plain_ssh_config(self) -> Path:
        """Write the configuration without chains of jump hosts, which pyinfra does not follow."""
        jump = rf"ProxyCommand ssh -o LogLevel=ERROR -F {self._ssh_config} -W %h:%p \1"
        text = re.sub(r"ProxyJump (\S+)", jump, self._ssh_config.read_text(encoding="utf-8"))
        path = self._workdir / "ssh_config.pyinfra"
        path.write_text(text, encoding="utf-8")
        return path

    def _known_reads(self) -> dict[str, dict[str, list[str]]]:
        if not self._cache or not self._cache.exists():
            return {}
        try:
            known: dict[str, dict[str, list[str]]] = json.loads(self._cache.read_text("utf-8"))
        except ValueError:  # only a memory: without it the plan takes longer
            return {}
        return known

    def _remember(self, reads: dict[str, dict[str, list[str]]]) -> None:
        if self._cache:
            descriptor, fresh = tempfile.mkstemp(dir=self._cache.parent)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(reads, file)
            Path(fresh).replace(self._cache)


def _answers(
    process: subprocess.Popen[str], job: str, due: set[tuple[str, str]], progress: Progress
) -> Iterator[dict[str, Any]]:
    """Yield the runner's answers and take each off ``due``; pass progress on."""
    if process.stdin is None or process.stdout is None:
        raise EngineError("pyinfra was started without pipes")
    try:
        process.stdin.write(job)
        process.stdin.close()
    except BrokenPipeError:
        return  # it died at its start: what is still due says so
    for line in process.stdout:
        message = json.loads(line)
        if message["kind"] == "progress":
            progress(message["host"], message["system"], message["text"])
        else:
            due.remove((message["answer"]["host"], message["answer"]["system"]))
            yield message


def _host_plan(data: dict[str, Any]) -> HostPlan:
    changes = tuple(map(_change, data["changes"]))
    spots = tuple(BlindSpot(**spot) for spot in data["blind_spots"])
    return HostPlan(**data | {"changes": changes, "blind_spots": spots})


def _change(data: dict[str, Any]) -> Change:
    return Change(**data | {key: tuple(data[key]) for key in ("risk", "then")})
