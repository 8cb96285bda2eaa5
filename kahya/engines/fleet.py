"""All engines as one: which engine does what, in which order, and an answer for everything."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import accumulate, groupby
from pathlib import Path
from queue import SimpleQueue

from kahya.engines.base import Approved, Engine, Progress, Task
from kahya.errors import EngineError
from kahya.i18n import _
from kahya.mask import Fill
from kahya.model import EngineName, HostPlan, Outcome, Status, Town

Pairs = Collection[tuple[str, str]]
"""Names of a host and of a system that is on it."""

Ask = Callable[[Engine], Callable[[Town, Sequence[Task], Progress], Iterator[HostPlan]]]
Do = Callable[[Engine, Sequence[Task]], Iterator[Outcome]]


def engines(
    ssh_config: Path, workdir: Path, cache: Path, restores: Mapping[str, Fill]
) -> dict[EngineName, Engine]:
    """Return the three engines.

    Args:
        ssh_config: how hosts are reached.
        workdir: a private folder.
        cache: the file that remembers pyinfra's reads.
        restores: the devices that are to have a backup back, and what makes it whole.
    """
    # Imported here: `kahya --help` and `kahya show` need none of them.
    from kahya.engines.ansible import AnsibleEngine
    from kahya.engines.napalm import NapalmEngine
    from kahya.engines.pyinfra import PyinfraEngine

    return {
        "ansible": AnsibleEngine(ssh_config, workdir),
        "napalm": NapalmEngine(ssh_config, workdir, restores),
        "pyinfra": PyinfraEngine(ssh_config, workdir, cache),
    }


def tasks(town: Town, pairs: Pairs) -> list[Task]:
    """Return ``pairs`` as tasks, in the order of systems.yml and of the inventory."""
    found = []
    for system in town.systems:
        hosts = tuple(h for h in town.hosts_of(system) if (h.name, system.name) in pairs)
        if hosts:
            found.append(Task(system, hosts))
    return found


class Fleet:
    """The hosts of a town through their engines. Every pair asked about is answered once."""

    def __init__(
        self, town: Town, engines: Mapping[EngineName, Engine], progress: Progress
    ) -> None:
        self.town, self.engines, self.progress = town, engines, progress

    def plan(self, pairs: Pairs) -> tuple[HostPlan, ...]:
        """Ask what would change."""
        return self._ask(pairs, lambda engine: engine.plan)

    def observe(self, pairs: Pairs) -> tuple[HostPlan, ...]:
        """Ask what differs now."""
        return self._ask(pairs, lambda engine: engine.observe)

    def apply(self, pairs: Pairs, approved: Approved) -> Iterator[Outcome]:
        """Apply system by system; a host on which one failed is left alone by the later ones.

        Engines work at once where their systems don't need each other, each on its own hosts.
        What an earlier system did may bring about changes of a later one: a router that is
        restarted forgets what nobody saved. So these may be there already by then.
        """
        failed: set[str] = set()
        changed: set[str] = set()

        def do(engine: Engine, due: Sequence[Task]) -> Iterator[Outcome]:
            mandates = {
                pair: replace(mandate, resumed=mandate.resumed or pair[0] in changed)
                for pair, mandate in approved.items()
            }
            return engine.apply(self.town, due, mandates, self.progress)

        for turn in self._turns(pairs):
            jobs = []
            for name, own in turn.items():
                for host, system in sorted(p for p in own if p[0] in failed):
                    reason = _("an earlier system failed on this host")
                    yield Outcome(host, system, "refused", reason=reason)
                jobs.append(self._do(name, {p for p in own if p[0] not in failed}, do))
            for outcome in at_once(jobs):
                if outcome.status != "applied":
                    failed.add(outcome.host)
                if outcome.applied:
                    changed.add(outcome.host)
                yield outcome

    def _turns(self, pairs: Pairs) -> list[dict[EngineName, set[tuple[str, str]]]]:
        """Return what each engine is to do, turn by turn: those of one turn work at once."""
        systems = self.town.systems
        stages = dict(
            zip((s.name for s in systems), accumulate(not s.together for s in systems), strict=True)
        )
        turns: list[dict[EngineName, set[tuple[str, str]]]] = []
        stage, busy = 0, set[str]()
        for name, group in groupby(systems, key=lambda system: system.engine):
            names = {system.name for system in group}
            own = {pair for pair in pairs if pair[1] in names}
            hosts, here = {host for host, _system in own}, {stages[system] for _host, system in own}
            if turns and name not in turns[-1] and here == {stage} and hosts.isdisjoint(busy):
                turns[-1][name] = own
                busy |= hosts
            elif own:
                turns.append({name: own})
                stage, busy = min(here), hosts
        return turns

    def revert(self, pairs: Pairs, run: str) -> Iterator[Outcome]:
        """Bring back the state before ``run`` changed it, the last system first."""

        def do(engine: Engine, due: Sequence[Task]) -> Iterator[Outcome]:
            return engine.revert(self.town, due, self.progress, run)

        for system in reversed(self.town.systems):
            own = {pair for pair in pairs if pair[1] == system.name}
            yield from self._do(system.engine, own, do)

    def became(self, pairs: Pairs, run: str) -> Iterator[Outcome]:
        """Say what became of ``run`` where it was lost. Who can't be asked now is left out."""
        for task in tasks(self.town, pairs):
            with suppress(EngineError):
                engine = self.engines[task.system.engine]
                yield from engine.became(self.town, [task], self.progress, run)

    def _ask(self, pairs: Pairs, method: Ask) -> tuple[HostPlan, ...]:
        """Ask all engines at once; every host and system is answered, if only with "unknown"."""
        asked = tasks(self.town, pairs)

        def ask(name: EngineName) -> list[HostPlan]:
            own = [task for task in asked if task.system.engine == name]
            found: dict[tuple[str, str], HostPlan] = {}
            status: Status = "unknown"
            reason = _("the engine gave no answer")
            try:
                for answer in method(self.engines[name])(self.town, own, self.progress):
                    found[answer.host, answer.system] = answer
            except EngineError as error:
                status, reason = "error", f"{error} {error.hint}".strip()
            return [
                found.get((h.name, t.system.name))
                or HostPlan(h.name, t.system.name, status, reason=reason)
                for t in own
                for h in t.hosts
            ]

        names = sorted({task.system.engine for task in asked})
        with ThreadPoolExecutor(len(names) or 1) as pool:
            answers = [answer for answers in pool.map(ask, names) for answer in answers]
        hosts, systems = list(self.town.hosts), [s.name for s in self.town.systems]
        return tuple(sorted(answers, key=lambda a: (hosts.index(a.host), systems.index(a.system))))

    def _do(self, name: EngineName, pairs: Pairs, do: Do) -> Iterator[Outcome]:
        """Have one engine do something and pass on what became of it, as soon as it is known."""
        due = {(h.name, t.system.name) for t in tasks(self.town, pairs) for h in t.hosts}
        if not due:
            return
        reason = _("the engine gave no answer")
        try:
            for outcome in do(self.engines[name], tasks(self.town, pairs)):
                due.discard((outcome.host, outcome.system))
                yield outcome
        except EngineError as error:
            reason = f"{error} {error.hint}".strip()
        for host, system in sorted(due):
            yield Outcome(host, system, "failed", reason=reason)


def at_once(jobs: Sequence[Iterator[Outcome]]) -> Iterator[Outcome]:
    """Pass on what several engines say, as soon as one of them does."""
    if len(jobs) == 1:  # in this thread, where Ctrl-C reaches it
        yield from jobs[0]
        return
    said: SimpleQueue[Outcome | None] = SimpleQueue()

    def follow(job: Iterator[Outcome]) -> None:
        try:
            for outcome in job:
                said.put(outcome)
        finally:
            said.put(None)

    with ThreadPoolExecutor(len(jobs)) as pool:
        working = [pool.submit(follow, job) for job in jobs]
        for _job in jobs:
            yield from iter(said.get, None)
        for job in working:
            job.result()
