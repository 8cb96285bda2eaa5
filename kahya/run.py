"""One plan on its way into the town, wave by wave.

Every step is in the journal before it is taken and after it, so that whatever becomes of the
controller, what was done can be told from what may have been done, and the work be ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from kahya.engines.base import Approved, Mandate
from kahya.engines.fleet import Fleet
from kahya.errors import PlanError
from kahya.i18n import _
from kahya.journal import Journal
from kahya.model import Change, HostPlan, Outcome, ProbeResult, Result
from kahya.plan.waves import Wave
from kahya.story import Pair, Story, brief, briefs, outcome_data, touched

Probe = Callable[[Collection[Pair]], list[ProbeResult]]
PATIENCE_SECONDS = 40  # for what a change set going to settle
PAUSE_SECONDS = 3
KEEPS = ("applied", "failed", "unreachable")  # outcomes that may have left something on the host


class Run:
    """Carries a plan out, or what an interrupted run left of it.

    Args:
        fleet: the town's hosts.
        journal: where every step is written.
        story: the plan and its waves, and what was already done.
        probe: runs the checks of some hosts and systems.
        renew: keeps the lock; raises LockError when it was taken away.
    """

    def __init__(
        self,
        fleet: Fleet,
        journal: Journal,
        story: Story,
        probe: Probe,
        renew: Callable[[], object],
    ) -> None:
        self.fleet, self.journal, self.story, self.probe = fleet, journal, story, probe
        self.renew = renew
        # Nothing was in use before a bring-up: nothing is probed, and what is left comes next.
        self.town, self.plan, self.bare = fleet.town, story.plan, story.bare
        self.probed = not (story.bare or story.urgent)  # probes take longer than attackers
        self.left: dict[Pair, HostPlan] = {}
        self.failing: list[ProbeResult] = []

    def carry_out(self) -> Result:
        """Apply wave after wave, until all is done or more failed than town.yml allows."""
        doubt = set(self.story.in_doubt)
        bad_before = self._baseline()
        stopped = ""
        for number, wave in enumerate(self.story.waves):
            if number not in self.story.ended:
                self.story.ended[number] = self._wave(number, wave, doubt, bad_before)
            failed = self.story.ended[number]
            if len(failed) > self.town.settings.get("apply", {}).get("failure_budget", 0):
                rest = [h for w in self.story.waves[number + 1 :] for h in w.hosts]
                stopped = _("stopped, for {failed} failed; left alone: {rest}").format(
                    failed=", ".join(sorted(failed)), rest=", ".join(rest) or _("nothing")
                )
                break
        result = self._result(stopped)
        self._record("applied", **summary(result))
        return result

    def _baseline(self) -> set[tuple[str, str, str]]:
        """Return the checks that failed before anything was done, also of a run that goes on."""
        if not self.probed:
            return set()
        if self.story.failing_before is None:
            results = self.probe(touched(self.plan))
            bad = {(r.host, r.system, r.name) for r in results if r.status != "passed"}
            self._record("baseline", failing=[list(check) for check in sorted(bad)])
            self.story.failing_before = bad
        return self.story.failing_before

    def abort(self) -> Result:
        """Bring back the state before the wave that was under way; earlier waves stay."""
        self._record("aborting")
        self._revert(self.story.current)
        result = self._result(_("aborted"))
        self._record("aborted", **summary(result))
        return result

    def _wave(
        self, number: int, wave: Wave, doubt: set[Pair], bad_before: set[tuple[str, str, str]]
    ) -> set[str]:
        """Apply, look again, probe; return the hosts that failed, brought back where possible."""
        pairs = [pair for pair in touched(self.plan) if pair[0] in wave.hosts]
        self.renew()
        text = _("wave {number} of {count}: {hosts}").format(
            number=number + 1, count=len(self.story.waves), hosts=", ".join(wave.hosts)
        )
        self.fleet.progress(wave.name, "", text)
        about = {"wave": number, "name": wave.name, "hosts": list(wave.hosts)}
        self._record("wave", **about, state="begun")
        self._apply([pair for pair in pairs if pair not in self.story.outcomes], doubt)
        done = [pair for pair in pairs if self.story.outcomes[pair].status == "applied"]
        failed = {host for host, system in pairs if (host, system) not in done}
        failed |= self._examine(done, bad_before)
        if not self.bare:
            self._revert([pair for pair in pairs if pair[0] in failed])
        self._record("wave", **about, state="ended", failed=sorted(failed))
        return failed

    def _apply(self, pairs: Sequence[Pair], doubt: set[Pair]) -> None:
        known = self.story.outcomes.items()
        failed = {host for (host, _system), outcome in known if outcome.status != "applied"}
        for host, system in (pair for pair in pairs if pair[0] in failed):  # before it broke off
            words = _("an earlier system failed on this host")
            self._note("outcome", Outcome(host, system, "refused", reason=words))
        pairs = [pair for pair in pairs if pair[0] not in failed]
        stuck = []
        changed: set[str] = set()  # hosts on which an earlier system did something
        for outcome in self.fleet.apply(pairs, self._mandates(doubt)):
            pair = outcome.host, outcome.system
            planned = {change.id for change in self._planned(pair)}
            extra = [c.resource for c in outcome.applied if c.id not in planned]
            if extra and not self.plan.blind(pair):
                words = _("did more than was approved: {what}").format(what=", ".join(extra))
                self._note("outcome", replace(outcome, status="failed", reason=words))
            elif outcome.status == "applied" and (pair in doubt or pair[0] in changed):
                # It was all approved, and a second plan found the rest in place already.
                self._note("outcome", replace(outcome, applied=self._planned(pair)))
            elif pair not in doubt:
                self._note("outcome", outcome)
            else:
                stuck.append(f"{outcome.host} {outcome.system}: {outcome.reason}")
            changed |= {outcome.host} if outcome.applied else set()
        if stuck:  # what is there is neither the state before nor the planned one: still in doubt
            raise PlanError(
                "\n".join(stuck),
                _("Put it right and kahya resume, or bring it back with kahya abort."),
            )

    def _mandates(self, doubt: set[Pair]) -> Approved:
        # The gate let the plan in, so every blind spot of it is signed for; not the deferred.
        return {
            (p.host, p.system): Mandate(
                tuple(c.mark for c in p.changes),
                p.identity,
                tuple(spot.id for spot in p.blind_spots if not spot.deferred),
                (p.host, p.system) in doubt,
                self.story.name,
            )
            for p in self.plan.host_plans
        }

    def _examine(self, pairs: Sequence[Pair], bad_before: set[tuple[str, str, str]]) -> set[str]:
        """Look again and probe; return the hosts that are not as they should be.

        Routers that were restarted need some seconds to find each other: what is not well is
        asked again for a while.
        """
        bad, worse = self._look(pairs, bad_before)
        until = time.monotonic() + PATIENCE_SECONDS
        while bad and not self.bare and time.monotonic() < until:
            time.sleep(PAUSE_SECONDS)
            bad, worse = self._look([pair for pair in pairs if pair[0] in bad], bad_before)
        self.failing += worse
        return set() if self.bare else bad

    def _look(
        self, pairs: Sequence[Pair], bad_before: set[tuple[str, str, str]]
    ) -> tuple[set[str], list[ProbeResult]]:
        """Look again and probe, both at once; return the hosts and the checks that are not well."""
        with ThreadPoolExecutor(1) as pool:
            look = pool.submit(self.fleet.plan, pairs)
            results = self.probe(pairs) if self.probed and pairs else []
            now = {(p.host, p.system): p for p in look.result()}
        self.left |= now
        bad = [r for r in results if r.status != "passed"]
        worse = [r for r in bad if (r.host, r.system, r.name) not in bad_before]
        rounds = {(s.host, s.system) for s in self.plan.blind_spots if s.deferred}
        unsettled = {
            pair[0]
            for pair, plan in now.items()
            if pair not in rounds and (plan.status != "ok" or plan.changes)
        }
        return unsettled | {r.host for r in worse}, worse

    def _revert(self, pairs: Sequence[Pair]) -> None:
        """Bring back what was there before, where something may have been done."""
        known = self.story.outcomes
        doubtful = [p for p in pairs if p not in known or known[p].status in KEEPS]
        # What was not touched must not go back to what was there before an earlier apply. All of
        # the plan is still to be done there; but of a blind spot that can't be seen.
        untouched = {
            (p.host, p.system)
            for p in (self.fleet.plan(doubtful) if doubtful else ())
            if p.status == "ok"
            and {c.id for c in self._of(p)} <= {c.id for c in p.changes}
            and not self.plan.blind((p.host, p.system))
        }
        for pair in untouched:
            said = known[pair].reason if pair in known else ""
            reason = "; ".join(filter(None, [said, _("it is as it was before")]))
            self._note("reverted", Outcome(*pair, "reverted", reason=reason))
        rest = [pair for pair in doubtful if pair not in untouched]
        for outcome in self.fleet.revert(rest, self.story.name):
            pair = outcome.host, outcome.system
            before = known.get(pair, Outcome(*pair, "failed"))
            words = "; ".join(filter(None, [before.reason, outcome.reason]))
            done = () if outcome.status == "reverted" else before.applied  # it is still there
            self._note("reverted", replace(outcome, applied=done, reason=words))

    def _note(self, kind: str, outcome: Outcome) -> None:
        pair = outcome.host, outcome.system
        self.story.outcomes[pair] = outcome
        about = {"commit": self.plan.commit, "identity": self._host_plan(pair).identity}
        self._record(kind, **outcome_data(outcome), **about)

    def _record(self, kind: str, **data: Any) -> None:
        self.journal.record(kind, self.plan.id, {"run": self.story.number, **data})

    def _of(self, plan: HostPlan) -> tuple[Change, ...]:
        return self._planned((plan.host, plan.system))

    def _planned(self, pair: Pair) -> tuple[Change, ...]:
        return self._host_plan(pair).changes

    def _host_plan(self, pair: Pair) -> HostPlan:
        return next(p for p in self.plan.host_plans if (p.host, p.system) == pair)

    def _result(self, stopped: str) -> Result:
        order = touched(self.plan)
        outcomes = tuple(self.story.outcomes[pair] for pair in order if pair in self.story.outcomes)
        left = tuple(self.left[pair] for pair in order if pair in self.left)
        return Result(self.plan, outcomes, left, tuple(self.failing), stopped)


def summary(result: Result) -> dict[str, Any]:
    """Return a result as the journal keeps it: applied = approved, or what is extra and missing."""
    return {
        "commit": result.plan.commit,
        "planned": len(result.plan.changes),
        "applied": briefs(result.applied),
        "extra": briefs(result.extra),
        "missing": briefs(result.missing),
        "outcomes": [
            {"host": o.host, "system": o.system, "status": o.status, "reason": o.reason}
            for o in result.outcomes
        ],
        "left": [brief(c) for p in result.left for c in p.changes],
        "failing": [f"{r.host} {r.system}: {r.name}" for r in result.failing],
        "stopped": result.stopped,
        "ok": result.ok,
    }
