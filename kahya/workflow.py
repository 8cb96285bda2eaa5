"""Plan, apply, check: the only place where engines, plan and journal are put together.

1. read the inventory (inventory) and write one ssh_config for all engines (ssh)
2. ask all engines at once what they would do (make_plan)
3. apply exactly that, system by system, and look again (apply_plan)
4. on a bare estate, do 2 and 3 for one system after the other (bring_up)
5. check that reality still equals the intent (check_drift) and that it works (run_probes)
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

from kahya import probes, ssh
from kahya.checkout import commit
from kahya.engines.base import Approved, Engine, Mandate, Progress, Task
from kahya.errors import EngineError, InventoryError, PlanError
from kahya.explain import explain
from kahya.finding import Look
from kahya.i18n import N_, _
from kahya.inventory import project_root
from kahya.journal import Journal
from kahya.model import (
    EngineName,
    Host,
    HostPlan,
    Outcome,
    Plan,
    ProbeResult,
    Result,
    Status,
    System,
    Town,
)
from kahya.plan.document import to_document

PLAN_VALID = timedelta(hours=24)
ROUNDS = 4  # of one system at first bring-up: more means that it never settles
PARALLEL = 25  # connections at once
TOOLS = ("ansible-core", "pyinfra", "napalm", "kahya")
Say = Callable[[str, object], None]
"""Called by bring_up with a kind of news ("system", "plan", "result", …) and what it is about."""


@dataclass(frozen=True)
class Scope:
    """Which part of the town: ``hosts`` and ``systems`` are names, already checked to exist."""

    hosts: tuple[str, ...]
    systems: tuple[System, ...]


def scope(town: Town, limit: str = "", systems: Sequence[str] = ()) -> Scope:
    """Return the part of the town that ``--limit`` and ``--system`` name.

    Args:
        town: the town.
        limit: host, building or group names, or patterns such as ``gw-*``, joined by commas.
        systems: names of systems; none means all.

    Raises:
        InventoryError: a name or pattern matches nothing.
    """
    chosen: set[str] = set()
    for pattern in filter(None, limit.split(",")):
        found = {
            h.name
            for h in town.hosts.values()
            if fnmatch(h.name, pattern) or pattern == h.building or pattern in h.groups
        }
        if not found:
            known = ", ".join([*town.buildings, *town.hosts])
            raise InventoryError(
                _("no host matches {name}").format(name=repr(pattern)),
                _("There are: {names}.").format(names=known),
            )
        chosen |= found
    names = [s.name for s in town.systems]
    for unknown in set(systems) - set(names):
        raise InventoryError(
            _("no system is called {name}").format(name=repr(unknown)),
            _("There are: {names}.").format(names=", ".join(names)),
        )
    part = Scope(
        tuple(h for h in town.hosts if not limit or h in chosen),
        tuple(s for s in town.systems if not systems or s.name in systems),
    )
    if not any(system.group in town.hosts[h].groups for system in part.systems for h in part.hosts):
        raise InventoryError(
            _("none of these systems is on any of these hosts"),
            _("kahya systems tells what is kept in order where."),
        )
    return part


def state_folder(town: Town) -> Path:
    """Return the private folder of what Kâhya knows of ``town``; make it if need be."""
    folder = project_root(Path(town.directory)) / ".kahya" / town.name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


class Workflow:
    """The main jobs on one town. ``progress`` is told what is going on, from any thread."""

    def __init__(self, town: Town, journal: Journal, progress: Progress) -> None:
        self.town = town
        self.journal = journal
        self.progress = progress
        self.root = project_root(Path(town.directory))
        self._state = state_folder(town)

    def make_plan(self, part: Scope, via_wan: Collection[str] = ()) -> Plan:
        """Ask every engine what it would change. Nothing is changed."""
        with self._engines(via_wan) as engines:
            plan = self._plan(part, engines, lambda engine: engine.plan)
        self.journal.record("planned", plan.id, to_document(plan))
        return plan

    def check_drift(self, part: Scope) -> Look:
        """Look what differs from the intent now, and tell what each difference means."""
        with self._engines(()) as engines:
            plan = self._plan(part, engines, lambda engine: engine.observe)
        look = explain(plan, self.town, self.journal, self._ask_if)
        self.journal.record("observed", plan.id, to_document(plan) | look.document)
        return look

    def _ask_if(self, town: Town, pairs: Collection[tuple[str, str]]) -> tuple[HostPlan, ...]:
        """Ask what would change if the inventory were ``town``."""
        other = copy(self)
        other.town = town
        with other._engines(()) as engines:  # noqa: SLF001 - it is ourselves
            due = other._tasks(pairs)  # noqa: SLF001
            return other._ask(due, engines, lambda engine: engine.plan)  # noqa: SLF001

    def apply_plan(self, plan: Plan, via_wan: Collection[str] = ()) -> Result:
        """Apply exactly ``plan``, system by system in the order of systems.yml, and look again.

        Raises:
            PlanError: the plan is for another town, has expired, or holds something unread.
        """
        self._check(plan)
        outcomes: list[Outcome] = []
        try:
            with self._engines(via_wan) as engines:
                for name, systems in groupby(self.town.systems, key=lambda s: s.engine):
                    outcomes += self._apply(engines[name], tuple(systems), plan, outcomes)
                touched = {(c.host, c.system) for c in plan.changes}
                touched |= {(spot.host, spot.system) for spot in plan.blind_spots}
                left = self._ask(self._tasks(touched), engines, lambda engine: engine.plan)
        except BaseException:  # stopped halfway: what was done until then is still recorded
            broken = _summary(Result(plan, tuple(outcomes), ()))
            self.journal.record("applied", plan.id, broken | {"ok": False, "stopped": True})
            raise
        result = Result(plan, tuple(outcomes), left)
        self.journal.record("applied", plan.id, _summary(result))
        return result

    def bring_up(self, part: Scope, say: Say) -> bool:
        """Bring a bare estate up: plan and apply one system after the other.

        Later systems can't be predicted before earlier ones exist, and neither can all of one
        system: its rounds are repeated until nothing is left to do. Return whether all is done.
        """
        for system in part.systems:
            hosts = tuple(n for n in part.hosts if system.group in self.town.hosts[n].groups)
            if hosts:
                say("system", system)
                if not self._settle(Scope(hosts, (system,)), say):
                    return False
                if system.engine == "napalm" and not ssh.await_vpn(self.town):
                    say("no_vpn", system)
                    return False
        return True

    def examine(self, part: Scope) -> tuple[Look, list[ProbeResult]]:
        """Look for drift and run the probes, both at once."""
        with ThreadPoolExecutor(1) as pool:
            drift = pool.submit(self.check_drift, part)
            results = self.run_probes(part)
            return drift.result(), results

    def run_probes(self, part: Scope) -> list[ProbeResult]:
        """Check that the systems do their work; a host that doesn't answer is an error."""
        results: list[ProbeResult] = []
        with self._workdir() as workdir, ThreadPoolExecutor(PARALLEL) as pool:
            config = ssh.write_ssh_config(self.town, workdir, shared=True)
            hosts = [self.town.hosts[name] for name in part.hosts]
            up = [h for h, there in zip(hosts, pool.map(ssh.answers, hosts), strict=True) if there]
            tasks = self._tasks({(h, s.name) for h in part.hosts for s in part.systems})
            for found in pool.map(lambda task: self._probe(task, up, config, workdir), tasks):
                results += found
        self.journal.record("probed", "", {"results": [asdict(r) for r in results]})
        return results

    def _probe(
        self, task: Task, up: Sequence[Host], config: Path, workdir: Path
    ) -> list[ProbeResult]:
        name = task.system.name
        self.progress("", name, _("probing"))
        results = [
            ProbeResult(host.name, name, N_("Can be reached"), "error")
            for host in task.hosts
            if host not in up
        ]
        if there := [host for host in task.hosts if host in up]:
            results += probes.run(self.town, task.system, there, self.root, config, workdir)
        return results

    def _settle(self, part: Scope, say: Say) -> bool:
        via_wan = ssh.beyond_vpn(self.town)
        if concerned := [host for host in via_wan if host in part.hosts]:
            say("via_wan", concerned)
        plan = self.make_plan(part, via_wan)
        for _round in range(ROUNDS):
            say("plan", plan)
            if plan.unread or not plan.changes:
                return not plan.unread and not plan.blind_spots
            result = self.apply_plan(plan, via_wan)
            say("result", result)
            if result.extra or result.missing:
                return False
            plan = replace(plan, host_plans=result.left)  # the second look is the next round's plan
        return False

    def _plan(self, part: Scope, engines: dict[EngineName, Engine], method: _Method) -> Plan:
        now = datetime.now(UTC)
        pairs = {(h, s.name) for h in part.hosts for s in part.systems}
        return Plan(
            town=self.town.name,
            commit=commit(self.root),
            tools={name: version(name) for name in TOOLS},
            created=_iso(now),
            expires=_iso(now + PLAN_VALID),
            host_plans=self._ask(self._tasks(pairs), engines, method),
        )

    def _tasks(self, pairs: Collection[tuple[str, str]]) -> list[Task]:
        """Return ``pairs`` of host and system as tasks, in order of systems.yml and inventory."""
        tasks = []
        for system in self.town.systems:
            hosts = tuple(h for h in self.town.hosts_of(system) if (h.name, system.name) in pairs)
            if hosts:
                tasks.append(Task(system, hosts))
        return tasks

    def _ask(
        self, tasks: list[Task], engines: dict[EngineName, Engine], method: _Method
    ) -> tuple[HostPlan, ...]:
        """Ask all engines at once; every host and system is answered, if only with "unknown"."""

        def ask(name: EngineName) -> list[HostPlan]:
            own = [task for task in tasks if task.system.engine == name]
            found: dict[tuple[str, str], HostPlan] = {}
            status: Status = "unknown"
            reason = _("the engine gave no answer")
            try:
                for answer in method(engines[name])(self.town, own, self.progress):
                    found[answer.host, answer.system] = answer
            except EngineError as error:
                status, reason = "error", str(error)
            return [
                found.get((h.name, t.system.name))
                or HostPlan(h.name, t.system.name, status, reason=reason)
                for t in own
                for h in t.hosts
            ]

        names = sorted({task.system.engine for task in tasks})
        with ThreadPoolExecutor(len(names) or 1) as pool:
            answers = [answer for answers in pool.map(ask, names) for answer in answers]
        hosts, systems = list(self.town.hosts), [s.name for s in self.town.systems]
        return tuple(sorted(answers, key=lambda a: (hosts.index(a.host), systems.index(a.system))))

    def _apply(
        self, engine: Engine, systems: tuple[System, ...], plan: Plan, before: list[Outcome]
    ) -> list[Outcome]:
        """Apply the systems of one engine; a host that failed earlier is left alone."""
        names = {s.name for s in systems}
        failed = {o.host for o in before if o.status != "applied"}
        pairs = {(c.host, c.system) for c in plan.changes if c.system in names}
        skipped = [
            Outcome(h, s, "refused", reason=_("an earlier system failed on this host"))
            for h, s in sorted(pairs)
            if h in failed
        ]
        approved: Approved = {
            (p.host, p.system): Mandate(tuple(c.id for c in p.changes), p.identity)
            for p in plan.host_plans
        }
        tasks = self._tasks({(h, s) for h, s in pairs if h not in failed})
        if not tasks:
            return skipped
        done: dict[tuple[str, str], Outcome] = {}
        reason = _("the engine gave no answer")
        try:
            for outcome in engine.apply(self.town, tasks, approved, self.progress):
                done[outcome.host, outcome.system] = outcome
        except EngineError as error:
            reason = str(error)
        return skipped + [
            done.get((h.name, t.system.name))
            or Outcome(h.name, t.system.name, "failed", reason=reason)
            for t in tasks
            for h in t.hosts
        ]

    def _check(self, plan: Plan) -> None:
        if plan.town != self.town.name:
            message = _("the plan is for {one}, not for {other}")
            raise PlanError(
                message.format(one=plan.town, other=self.town.name), _("Name the town with -i.")
            )
        if plan.commit != commit(self.root):
            message = _("the plan was made from commit {one}, and the inventory is at {other}")
            raise PlanError(
                message.format(one=plan.commit[:12], other=commit(self.root)[:12]),
                _("Make the plan again."),
            )
        if plan.expires < _iso(datetime.now(UTC)):
            message = _("the plan expired at {time}").format(time=plan.expires)
            raise PlanError(message, _("Make the plan again."))
        if plan.unread:
            names = ", ".join(sorted({p.host for p in plan.unread}))
            raise PlanError(
                _("the plan could not read {hosts}").format(hosts=names),
                _("Mend what it says about them, or plan the others alone with --limit."),
            )

    @contextmanager
    def _engines(self, via_wan: Collection[str]) -> Iterator[dict[EngineName, Engine]]:
        # Imported here: `kahya --help` and `kahya show` need none of them.
        from kahya.engines.ansible import AnsibleEngine
        from kahya.engines.napalm import NapalmEngine
        from kahya.engines.pyinfra import PyinfraEngine

        with self._workdir() as workdir:
            config = ssh.write_ssh_config(self.town, workdir, via_wan)
            cache = self._state / "reads.json"
            yield {
                "ansible": AnsibleEngine(config, workdir),
                "napalm": NapalmEngine(config, workdir),
                "pyinfra": PyinfraEngine(config, workdir, cache),
            }

    @contextmanager
    def _workdir(self) -> Iterator[Path]:
        """A private folder with a short path: ssh's control sockets allow about 100 letters."""
        with tempfile.TemporaryDirectory(prefix="kahya-") as folder:
            yield Path(folder)


_Method = Callable[[Engine], Callable[[Town, Sequence[Task], Progress], Iterator[HostPlan]]]


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _summary(result: Result) -> dict[str, object]:
    return {
        "planned": len(result.plan.changes),
        "applied": [{"id": c.id, **_brief(c)} for c in result.applied],
        "extra": [_brief(c) for c in result.extra],
        "missing": [_brief(c) for c in result.missing],
        "outcomes": [
            {"host": o.host, "system": o.system, "status": o.status, "reason": o.reason}
            for o in result.outcomes
        ],
        "left": [_brief(c) for p in result.left for c in p.changes],
        "ok": result.ok,
    }


def _brief(change: object) -> dict[str, object]:
    return {k: getattr(change, k) for k in ("host", "building", "system", "resource", "action")}
