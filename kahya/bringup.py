"""First bring-up of a bare estate, or of a building that joins a town in use: system by system.

Later systems can't be predicted before earlier ones exist, and neither can all of one system: its
rounds of plan, signatures and apply are repeated until nothing is left to do. Systems that don't
need each other (``together`` in systems.yml) come at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from kahya import ssh, story
from kahya.model import Approval, Plan, Result, System
from kahya.plan.waves import Wave, waves
from kahya.scope import Scope
from kahya.workflow import Workflow

ROUNDS = 4  # of one system: more means that it never settles
Say = Callable[[str, object], None]
"""Called with a kind of news ("system", "plan", "result", …) and what it is about."""

Sign = Callable[[Plan], Sequence[Approval]]
"""Has people sign a plan."""


def bring_up(flow: Workflow, part: Scope, sign: Sign, say: Say) -> bool:
    """Plan, have signed and apply one system after the other; return whether all is done.

    Raises:
        LockError: another apply is under way, or did not end.
    """
    flow.journal.refuse_if_locked(flow.town.name)  # now, not after the first plan
    work, routed = _BringUp(flow, sign, say, story.machines(flow.journal)), False
    for systems in stages(flow.town.systems, part.systems):
        covered = [h for h in part.hosts if any(s.covers(flow.town.hosts[h]) for s in systems)]
        if not covered:
            continue
        for system in systems:
            say("system", system)
        if not work.settle_all(systems, covered, routed=routed):
            return False
        if any(system.engine == "napalm" for system in systems):
            routed = True
            if not ssh.await_vpn(flow.town):
                say("no_vpn_yet", systems)
    return not routed or not ssh.beyond_vpn(flow.town)


def stages(systems: Sequence[System], wanted: Sequence[System]) -> list[tuple[System, ...]]:
    """Return those of all ``systems`` that are ``wanted``, in turn, and together what comes so."""
    found: list[tuple[System, ...]] = []
    for system in systems:
        if found and system.together:
            found[-1] += (system,)
        else:
            found.append((system,))
    chosen = (tuple(system for system in stage if system in wanted) for stage in found)
    return [stage for stage in chosen if stage]


@dataclass(frozen=True)
class _BringUp:
    """A bring-up under way; ``known`` machines have had changes applied before it."""

    flow: Workflow
    sign: Sign
    say: Say
    known: story.Machines

    def settle_all(
        self, systems: tuple[System, ...], hosts: Sequence[str], *, routed: bool
    ) -> bool:
        """Bring systems in order on ``hosts``; return whether they are."""
        # The firewalls of a town in use keep a new building out until they know of it.
        cut_off = ssh.beyond_vpn(self.flow.town) if routed else ()
        near = Scope(tuple(n for n in hosts if n not in cut_off), systems)
        far = Scope(tuple(n for n in hosts if n in cut_off), systems)
        if near.hosts and not self._settle(near):
            return False
        if not far.hosts:
            return True
        if not ssh.await_vpn(self.flow.town):
            self.say("no_vpn", systems)
            return False
        return self._settle(far)

    def _settle(self, part: Scope) -> bool:
        via_wan = ssh.beyond_vpn(self.flow.town)
        if concerned := [host for host in via_wan if host in part.hosts]:
            self.say("via_wan", concerned)
        plan = self.flow.make_plan(part, via_wan)
        for _round in range(ROUNDS):
            self.say("plan", plan)
            if plan.unread or not plan.changes:
                return not plan.unread and not plan.blind_spots
            result = self._round(plan, via_wan)
            self.say("result", result)
            if result.extra or result.missing or result.stopped:
                return False
            # The second look is the next round's plan.
            plan = replace(plan, host_plans=result.left, journal=self.flow.journal.head())
        return False

    def _round(self, plan: Plan, via_wan: Sequence[str]) -> Result:
        """Apply at once where nothing is in use yet, else in waves."""
        bare = story.is_new_to(plan, self.known)
        hosts = tuple(dict.fromkeys(host for host, _system in story.touched(plan)))
        order = (Wave("bare", hosts),) if bare else waves(self.flow.town, plan)
        return self.flow.carry_out(plan, self.sign(plan), order, bare=bare, via_wan=via_wan)
