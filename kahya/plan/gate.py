"""May this plan be applied, here and now? All reasons against it at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from kahya.approvers import Approver
from kahya.i18n import _
from kahya.model import Approval, Plan, Town
from kahya.plan import policy
from kahya.plan.signature import FORM, SKEW, moment

VALID_HOURS = 24


def valid_hours(town: Town) -> int:
    """Return for how many hours a plan of ``town`` may be applied."""
    return int(town.settings.get("approval", {}).get("valid_hours", VALID_HOURS))


def examine(  # noqa: PLR0913 - all that the answer depends on
    plan: Plan,
    town: Town,
    approvers: Sequence[Approver],
    approvals: Sequence[Approval],
    commit: str,
    now: datetime,
    *,
    used: Callable[[str], bool],
    break_glass: bool = False,
    emergency: bool = False,
) -> list[str]:
    """Return every reason why ``plan`` may not be applied now, each with what to do.

    Args:
        plan: as read from its file.
        town: as the inventory says at ``commit``.
        approvers: who may approve.
        approvals: what lies beside the plan, not yet checked.
        commit: of the checkout now, with ``+`` where files differ from it.
        now: aware, by the clock of this machine.
        used: whether a plan with this seal was begun already.
        break_glass: without the signatures for changes. All else still holds.
        emergency: the signatures that ``approval.emergency`` asks for are enough.
    """
    against = obstacles(plan, town, now, used)
    if plan.town != town.name:  # this town's rules and people say nothing about it
        return against
    if plan.commit != commit:
        against.append(
            _("the plan was made from commit {one}, and the inventory is at {other}: ").format(
                one=_short(plan.commit), other=_short(commit)
            )
            + _("make the plan again")
        )
    try:
        signers, faults = policy.check(plan, approvers, approvals, now)
    except ValueError:  # the times of the plan, which obstacles told already
        return against
    glass = {"break_glass": break_glass, "emergency": emergency}
    return against + faults + policy.missing(plan, town, signers, **glass)


def obstacles(plan: Plan, town: Town, now: datetime, used: Callable[[str], bool]) -> list[str]:
    """Return what stands against ``plan`` whoever signs it."""
    if plan.town != town.name:  # then nothing else can be judged
        message = _("the plan is for {one}, not for {other}: name the town with -i")
        return [message.format(one=plan.town, other=town.name)]
    against = [*_times(plan, town, now), *_altered(plan, town), *policy.refusals(plan, town)]
    if plan.unread:
        names = ", ".join(sorted({p.host for p in plan.unread}))
        message = _(
            "the plan could not read {hosts}: mend what it says about them,"
            " or plan the others alone with --limit"
        )
        against.append(message.format(hosts=names))
    if used(plan.seal):
        message = _("the plan was used already, and counts once: ") + _("make the plan again")
        against.append(message)
    return against


def _short(commit: str) -> str:
    name, plus, rest = commit.partition("+")
    return name[:12] + plus + rest  # what follows the plus tells apart what was not committed


def _times(plan: Plan, town: Town, now: datetime) -> Iterator[str]:
    again = _("make the plan again")
    hours = valid_hours(town)
    try:
        created, expires = moment(plan.created), moment(plan.expires)
        if created > now + SKEW:
            yield _(
                "the clock of this machine is wrong, or that of the machine that made the plan:"
                " it says {now}, and the plan is of {created}: set it right"
            ).format(now=now.strftime(FORM), created=plan.created)
        if expires < now:
            yield _("the plan expired at {time}: ").format(time=plan.expires) + again
        if expires - created > timedelta(hours=hours):
            message = _("the plan would be valid for longer than {hours} hours: ")
            yield message.format(hours=hours) + again
    except ValueError:
        yield _("the plan has no readable times: ") + again


def _altered(plan: Plan, town: Town) -> Iterator[str]:
    """Find what a plan made here never holds; its own digests are checked when it is read."""
    again = _("make the plan again")
    systems = {system.name: system for system in town.systems}
    for item in plan.host_plans:
        host, system = town.hosts.get(item.host), systems.get(item.system)
        if host is None or system is None or not system.covers(host):
            what = f"{item.host} {item.system}"
            yield _("the town has no {what}: ").format(what=what) + again
        elif any(c.building != host.building or c.engine != system.engine for c in item.changes):
            what = f"{item.host} {item.system}"
            yield _("what the plan says of {what} was altered: ").format(what=what) + again
