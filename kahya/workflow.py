"""Plan, apply, check: the only place where engines, plan and journal are put together.

1. read the inventory (inventory) and write one ssh_config for all engines (ssh)
2. ask all engines at once what they would do (make_plan)
3. apply exactly that, if the signatures allow it (apply, resume, abort; see run)
4. on a bare estate, do 2 and 3 for one system after the other (see bringup)
5. check that reality still equals the intent (check_drift) and that it works (run_probes)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from kahya import alarm, approvers, backup, checkout, drift, emergency, probes, ssh, story
from kahya.backup import NOTHING, Restores
from kahya.engines.base import Progress, Task
from kahya.engines.fleet import Fleet, Pairs, engines, tasks
from kahya.errors import LockError, PlanError
from kahya.explain import explain
from kahya.finding import Look
from kahya.hold import hold
from kahya.i18n import N_, _
from kahya.inventory import project_root, state_folder
from kahya.journal import Journal
from kahya.model import Approval, Host, HostPlan, Plan, ProbeResult, Result, Town
from kahya.plan import gate, store
from kahya.plan.document import to_document
from kahya.plan.signature import FORM
from kahya.plan.waves import Wave, waves
from kahya.run import Run
from kahya.scope import Scope
from kahya.scratch import scratch
from kahya.standing import Standing, ask_again, standing
from kahya.story import Story

PARALLEL = 25  # connections at once
TOOLS = ("ansible-core", "pyinfra", "napalm", "kahya")


class Workflow:
    """The main jobs on one town. ``progress`` is told what is going on, from any thread."""

    def __init__(self, town: Town, journal: Journal, progress: Progress) -> None:
        self.town = town
        self.journal = journal
        self.progress = progress
        self.root = project_root(Path(town.directory))
        self.approvers = approvers.load(Path(town.directory) / "approvers", town.buildings)
        self.person = checkout.person(self.root)
        self._state = state_folder(town)

    def make_plan(
        self, part: Scope, via_wan: Collection[str] = (), restores: Restores = NOTHING
    ) -> Plan:
        """Ask every engine what it would change. Nothing is changed. ``restores``: see Plan."""
        with self._fleet(via_wan, restores) as fleet:
            found = ask_again(fleet.plan(part.pairs), fleet, self.journal)
            plan = self._write_down(found, restores)
        self.journal.record("planned", plan.id, to_document(plan))
        return plan

    def check_drift(self, part: Scope) -> Look:
        """Look what differs from the intent now, and tell what each difference means."""
        with self._fleet() as fleet:
            plan = self._write_down(ask_again(fleet.observe(part.pairs), fleet, self.journal))
        look = explain(plan, self.town, self.journal, self._ask_if)
        self.journal.record("observed", plan.id, to_document(plan) | look.document)
        return look

    def _ask_if(self, town: Town, pairs: Pairs) -> tuple[HostPlan, ...]:
        """Ask what would change if the inventory were ``town``."""
        other = copy(self)
        other.town = town
        with other._fleet() as fleet:  # noqa: SLF001 - it is ourselves
            return fleet.plan(pairs)

    def apply(self, plan: Plan, approvals: Sequence[Approval], break_glass: str = "") -> Result:
        """Apply exactly ``plan``, wave by wave, if it may be applied.

        Args:
            plan: what to do.
            approvals: the signatures under it.
            break_glass: why it can't wait for signatures; stays open until someone reviews it.

        Raises:
            PlanError: it may not; the message lists every reason, and nothing was done.
            LockError: another apply is under way.
        """
        order = waves(self.town, plan, emergency=self._urgent(plan))
        return self.carry_out(plan, approvals, order, break_glass)

    def carry_out(
        self,
        plan: Plan,
        approvals: Sequence[Approval],
        order: Sequence[Wave],
        break_glass: str = "",
        *,
        bare: bool = False,
        via_wan: Collection[str] = (),
    ) -> Result:
        """Apply ``plan`` in the waves of ``order``, see apply.

        Args:
            plan, approvals, break_glass: as apply has them.
            order: the waves.
            bare: nobody uses its hosts yet.
            via_wan: the hosts that are reached by the gateways' WAN addresses.
        """
        with self._lock(plan.id) as renew:
            begun = self._start(plan, approvals, break_glass, order, bare=bare)
            with self._run(begun, renew, via_wan) as run:
                return run.carry_out()

    def resume(self, again: Collection[str] = ()) -> Result:
        """Go on with the apply that was interrupted, if it still may be applied.

        Args:
            again: ids of the blind spots that may have run, and may run again; "all".

        Raises:
            PlanError: it may not, or nobody decided about such a blind spot.
        """
        with self._lock(self._interrupted().plan.id, take_over=True) as renew:
            begun = self._interrupted()  # another may have ended it before the lock was ours
            if begun.aborting:
                raise PlanError(
                    _("it is being brought back already"), _("End that with kahya abort.")
                )
            unsure = [s for s in begun.spots_in_doubt if not {s.id, "all"} & set(again)]
            if unsure:
                what = "\n".join(f"{s.id}  {s.host} {s.system}: {s.resource}" for s in unsure)
                raise PlanError(
                    _("nobody can tell whether these blind spots have run already:") + f"\n{what}",
                    _("Look at the host. kahya resume --run-again ID, or kahya abort."),
                )
            self._admit(begun.plan, begun.approvals, begun.break_glass, resumed=True)
            about = {"run": begun.number, "by": self.person, "again": sorted(again)}
            self.journal.record("resumed", begun.plan.id, about)
            with self._run(begun, renew) as run:
                return run.carry_out()

    def abort(self) -> Result:
        """End the apply that was interrupted; what its last wave began is brought back."""
        with self._lock(self._interrupted().plan.id, take_over=True) as renew:
            begun = self._interrupted()
            gone = [" ".join(pair) for pair in begun.current if not tasks(self.town, {pair})]
            if gone:
                message = _("no longer in the inventory, so it can't be brought back: {what}")
                hint = _("Put it back there, or check out {commit}; then kahya abort.")
                raise PlanError(
                    message.format(what=", ".join(gone)), hint.format(commit=begun.plan.commit)
                )
            with self._run(begun, renew) as run:
                return run.abort()

    def examine(self, part: Scope) -> tuple[Look, list[ProbeResult]]:
        """Look for drift and run the probes, both at once."""
        with ThreadPoolExecutor(1) as pool:
            drift = pool.submit(self.check_drift, part)
            results = self.probe(part.pairs)
            return drift.result(), results

    def probe(self, pairs: Pairs) -> list[ProbeResult]:
        """Check that systems do their work on hosts; a host that doesn't answer is an error."""
        results: list[ProbeResult] = []
        with scratch() as workdir, ThreadPoolExecutor(PARALLEL) as pool:
            config = ssh.write_ssh_config(self.town, workdir, shared=True)
            due = tasks(self.town, pairs)
            hosts = list({host.name: host for task in due for host in task.hosts}.values())
            up = [h for h, there in zip(hosts, pool.map(ssh.answers, hosts), strict=True) if there]
            for found in pool.map(lambda task: self._probe(task, up, config, workdir), due):
                results += found
            ssh.hang_up(workdir)
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

    @contextmanager
    def _run(
        self, begun: Story, renew: Callable[[], object], via_wan: Collection[str] | None = None
    ) -> Iterator[Run]:
        def go_on() -> None:
            """Let the next wave begin: the lock is ours, and what will be carried out the same."""
            renew()
            if (now := self._commit()) != begun.plan.commit:
                message = _("the checkout was at commit {one}, and now it is at {other}")
                hint = _("Bring it back there and kahya resume, or end it here with kahya abort.")
                raise PlanError(message.format(one=begun.plan.commit, other=now), hint)

        if via_wan is None:
            via_wan = ssh.beyond_vpn(self.town) if begun.bare else ()
        with self._fleet(via_wan, begun.plan.restores) as fleet:
            yield Run(fleet, self.journal, begun, self.probe, go_on)

    def _start(
        self,
        plan: Plan,
        approvals: Sequence[Approval],
        break_glass: str,
        order: Sequence[Wave],
        *,
        bare: bool = False,
    ) -> Story:
        """Let the plan in, if it may be applied, and write down that it begins."""
        if (last := story.latest(self.journal)) and not last.end:
            raise PlanError(
                _("the apply of {plan} was interrupted").format(plan=last.plan.id),
                _("kahya status tells how far it came; end it with kahya resume or kahya abort."),
            )
        self._admit(plan, approvals, break_glass)
        about = {"seal": plan.seal, "by": self.person, "reason": break_glass}
        if break_glass:
            entry = self.journal.record("break-glass", plan.id, about)
            alarm.sound(self.town, entry.number, plan.id, self.person, break_glass)
        started = self.journal.record(
            "started",
            plan.id,
            {
                "seal": plan.seal,
                "by": self.person,
                "break_glass": break_glass,
                "bare": bare,
                "document": store.as_text(to_document(plan)),  # byte for byte
                "approvals": [asdict(a) for a in approvals],
                "waves": [[wave.name, list(wave.hosts)] for wave in order],
            },
        )
        return story.tell(started, ())

    def _admit(
        self,
        plan: Plan,
        approvals: Sequence[Approval],
        break_glass: str,
        *,
        resumed: bool = False,
    ) -> None:
        """Let ``plan`` pass, or raise PlanError with every reason why not."""

        def used(seal: str) -> bool:
            entries = self.journal.entries("started", plan=plan.id)
            return not resumed and any(entry.data["seal"] == seal for entry in entries)

        against = gate.examine(
            plan, self.town, self.approvers, approvals, self._commit(), _now(),
            used=used, break_glass=bool(break_glass), emergency=self._urgent(plan),
        )  # fmt: skip
        keys = ssh.host_keys(self.town, {p.host for p in plan.host_plans} & self.town.hosts.keys())
        against += [
            _("{host} is known by another key than when the plan was made").format(host=host)
            for host, key in keys.items()
            if plan.host_keys.get(host, "") != key
        ]
        against += backup.gone(self.town, plan.restores)
        if not self.journal.holds(plan.journal):
            against.append(
                _("the journal lacks entries, so nobody can tell whether the plan was used:")
                + " kahya history verify; docs/journal.md"
            )
        if against:
            raise PlanError("\n".join(against), _("Nothing was done."))

    def _urgent(self, plan: Plan) -> bool:
        return not emergency.hindrances(plan, self.town, self.journal)

    def _lock(
        self, plan: str, *, take_over: bool = False
    ) -> AbstractContextManager[Callable[[], object]]:
        return hold(self.journal, self.town.name, self.person, plan, take_over=take_over)

    def status(self) -> Standing:
        """Tell what is under way, and what waits for a decision."""
        return standing(self.journal, self.town)

    def unlock(self) -> None:
        """Take the lock away, unless its process still runs.

        Raises:
            LockError: it does.
        """
        found = self.journal.holder_of(self.town.name)
        if found is None:
            return
        if found.holder.running:
            raise LockError(
                str(found), _("Stop it first: Ctrl-C where it runs, or kill it by its number.")
            )
        self.journal.record("unlocked", found.holder.run, {"by": self.person, "lock": str(found)})
        self.journal.release(self.town.name, found.holder)

    def _interrupted(self) -> Story:
        found = story.latest(self.journal)
        if found is None or found.end:
            raise PlanError(_("no apply was interrupted"), _("kahya history tells what was done."))
        return found

    def _write_down(self, found: tuple[HostPlan, ...], restores: Restores = NOTHING) -> Plan:
        now = _now()
        return Plan(
            town=self.town.name,
            commit=self._commit(),
            # Whoever asks for a restore is who wrote it: nobody committed it.
            authors=(self.person,) if restores else self._authors(found),
            tools={name: version(name) for name in TOOLS},
            created=now.strftime(FORM),
            expires=(now + timedelta(hours=gate.valid_hours(self.town))).strftime(FORM),
            host_plans=found,
            host_keys=ssh.host_keys(self.town, {p.host for p in found}),
            journal=self.journal.head(),
            restores=restores,
        )

    def _commit(self) -> str:
        return checkout.commit(self.root)

    def _authors(self, host_plans: tuple[HostPlan, ...]) -> tuple[str, ...]:
        """Return who wrote what the changes would newly carry out, for each since its last."""
        past = drift.history(self.journal.entries(*drift.KINDS))
        due = [(p.host, p.system) for p in host_plans if p.changes or p.blind_spots]
        commits = {past.commit(pair) for pair in due}
        found = {a for commit in commits or {None} for a in checkout.authors(self.root, commit)}
        return tuple(sorted(found))

    @contextmanager
    def _fleet(self, via: Collection[str] = (), restores: Restores = NOTHING) -> Iterator[Fleet]:
        with scratch() as workdir:
            config = ssh.write_ssh_config(self.town, workdir, via)
            fills = backup.fills(self.town, restores)
            made = engines(config, workdir, self._state / "reads.json", fills)
            yield Fleet(self.town, made, self.progress)


def _now() -> datetime:
    return datetime.now(UTC)
