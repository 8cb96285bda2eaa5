"""What the town asks for before a plan may be applied: ``approval`` in town.yml.

A rule matches changes (``when``) and asks for signatures or refuses. Every rule that matches a
change counts, so that one rule never weakens another; docs/approval.md has examples.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from kahya.approvers import Approver, listed
from kahya.firewall import review
from kahya.i18n import _
from kahya.model import Approval, BlindSpot, Change, Plan, Town
from kahya.plan import signature

Thing = Change | BlindSpot
SHOWN = 5  # names in a message


@dataclass(frozen=True)
class Demand:
    """What must stand under a plan for one change or blind spot.

    ``roles``: for each group of them, one of the signers must have one. ``four_eyes``: those who
    wrote the change don't count.
    """

    approvals: int = 1
    roles: frozenset[frozenset[str]] = frozenset()
    four_eyes: bool = True


@dataclass(frozen=True)
class Signer:
    """Whose signature is under a plan, and which blind spots (ids) it covers."""

    approver: Approver
    blind_spots: frozenset[str] = frozenset()


def things(plan: Plan) -> tuple[Thing, ...]:
    """Return what is approved: changes and blind spots."""
    return (*plan.changes, *blind_spots(plan))


def blind_spots(plan: Plan) -> tuple[BlindSpot, ...]:
    """Return those that are signed for; not the deferred: applying the plan ends before them."""
    return tuple(spot for spot in plan.blind_spots if not spot.deferred)


def demands(plan: Plan, town: Town, *, emergency: bool = False) -> list[tuple[Thing, Demand]]:
    """Return what the rules ask for, change by change.

    No rule: one approval, four eyes. Several: the most approvals, the roles of each, four eyes if
    any asks for them. In an ``emergency``: what ``approval.emergency`` asks for, instead.
    """
    if emergency:
        demand = _joined([town.settings["approval"]["emergency"]])
        return [(thing, demand) for thing in things(plan)]
    size = _size(plan)
    return [
        (thing, _joined([rule["ask"] for rule in _matching("ask", thing, size, town)]))
        for thing in things(plan)
    ]


def refusals(plan: Plan, town: Town) -> list[str]:
    """Return what no signature can allow, and why."""
    size = _size(plan)
    firewall = any(thing.system in review.SYSTEMS for thing in things(plan))
    against = review.refusals(town) if firewall else []
    return against + [
        _("{thing}: refused by the rule '{rule}': {why}").format(
            thing=_label(thing), rule=rule["name"], why=rule["refuse"]
        )
        for thing in things(plan)
        for rule in _matching("refuse", thing, size, town)
    ]


def judge(
    plan: Plan,
    town: Town,
    approvers: Sequence[Approver],
    approvals: Sequence[Approval],
    now: datetime,
) -> list[str]:
    """Return all that is still missing under ``plan``, and every approval that is not valid."""
    signers, faults = check(plan, approvers, approvals, now)
    return faults + missing(plan, town, signers)


def check(
    plan: Plan, approvers: Sequence[Approver], approvals: Sequence[Approval], now: datetime
) -> tuple[list[Signer], list[str]]:
    """Return who signed ``plan``, each person once, and what is wrong with other approvals.

    Raises:
        ValueError: the plan names no time at which it was made.
    """
    created = signature.moment(plan.created)
    blind: dict[Approver, frozenset[str]] = {}
    faults = []
    for approval in approvals:
        found = signature.find(approval.approver, approvers)
        if fault := signature.fault(approval, plan.seal, created, approvers, now):
            faults.append(fault)
        elif found is not None:
            blind[found] = blind.get(found, frozenset()) | frozenset(approval.blind_spots)
    return [Signer(approver, ids) for approver, ids in blind.items()], faults


def missing(
    plan: Plan,
    town: Town,
    signers: Sequence[Signer],
    *,
    break_glass: bool = False,
    emergency: bool = False,
) -> list[str]:
    """Return which signatures are missing, in words; equal needs are told once.

    ``break_glass``: changes need none, and a blind spot that of anyone who may speak for it.
    ``emergency``: those that ``approval.emergency`` asks for are enough.
    """
    found = _missing(plan, town, signers, demands(plan, town), break_glass=break_glass)
    if found and emergency:
        found = _missing(plan, town, signers, demands(plan, town, emergency=True))
    return found


def _missing(
    plan: Plan,
    town: Town,
    signers: Sequence[Signer],
    asked: Sequence[tuple[Thing, Demand]],
    *,
    break_glass: bool = False,
) -> list[str]:
    needs: dict[str, list[str]] = {}
    if not (plan.authors or break_glass) and any(demand.four_eyes for _thing, demand in asked):
        return [
            _("the plan names no author, so nobody can tell whether four eyes saw it: ")
            + _("make the plan again")
        ]
    for thing, demand in asked:
        if break_glass and isinstance(thing, Change):
            continue
        need = _need(thing, Demand(four_eyes=False) if break_glass else demand, signers, plan, town)
        if need:
            needs.setdefault(need, []).append(
                f"{thing.host} {thing.system}" if isinstance(thing, Change) else _label(thing)
            )
    return [_("for {what}: {need}").format(what=_few(what), need=n) for n, what in needs.items()]


def never_counts(signer: Signer, plan: Plan, town: Town, *, emergency: bool = False) -> list[str]:
    """Return why this signature counts for nothing in ``plan``; empty if it counts somewhere."""
    asked = [*demands(plan, town), *(demands(plan, town, emergency=True) if emergency else [])]
    reasons = [_objection(signer, thing, demand, plan, town) for thing, demand in asked]
    return list(dict.fromkeys(reasons)) if all(reasons) else []


def _need(thing: Thing, demand: Demand, signers: Sequence[Signer], plan: Plan, town: Town) -> str:
    objections = [(s, _objection(s, thing, demand, plan, town)) for s in signers]
    counting = [signer.approver for signer, objection in objections if not objection]
    roles = [
        sorted(group) for group in demand.roles if not any(group & set(a.roles) for a in counting)
    ]
    count = max(demand.approvals - len(counting), 1 if roles else 0)
    if count <= 0:
        return ""
    some = _("1 more signature") if count == 1 else _("{count} more signatures")
    words = [some.format(count=count)]
    words += [_("one of role {roles}").format(roles=_(" or ").join(r)) for r in sorted(roles)]
    return "; ".join([*words, *(objection for _s, objection in objections if objection)])


def _objection(signer: Signer, thing: Thing, demand: Demand, plan: Plan, town: Town) -> str:
    building = _building(thing, town)
    name = signer.approver.name
    if not signer.approver.speaks_for(building):
        return _("{name} may not speak for {building}").format(name=name, building=building)
    if demand.four_eyes and signer.approver.is_one_of(plan.authors):
        return _("{name} wrote it, and four eyes are asked for").format(name=name)
    if isinstance(thing, BlindSpot) and thing.id not in signer.blind_spots:
        return _("{name} did not sign for it with --allow-blind {id}").format(
            name=name, id=thing.id
        )
    return ""


def _joined(asks: Sequence[Mapping[str, Any]]) -> Demand:
    if not asks:
        return Demand()
    return Demand(
        max(ask.get("approvals", 1) for ask in asks),
        frozenset(frozenset(ask["roles"]) for ask in asks if "roles" in ask),
        any(ask.get("four_eyes", True) for ask in asks),
    )


def _size(plan: Plan) -> dict[str, int]:
    everything = things(plan)
    return {"hosts_over": len({t.host for t in everything}), "changes_over": len(everything)}


def _matching(
    key: str, thing: Thing, size: dict[str, int], town: Town
) -> Iterator[Mapping[str, Any]]:
    facts = _facts(thing, town) | size
    for rule in town.settings.get("approval", {}).get("rules", ()):
        if key in rule and all(_holds(k, wanted, facts[k]) for k, wanted in rule["when"].items()):
            yield rule


def _facts(thing: Thing, town: Town) -> dict[str, Any]:
    """Return what a rule may look at. What a blind spot would do isn't known: nothing matches."""
    change = thing if isinstance(thing, Change) else None
    lines = change.diff.split("\n") if change else []  # splitlines() would cut at more
    host = town.hosts.get(thing.host)
    return {
        "system": [thing.system],
        "engine": [s.engine for s in town.systems if s.name == thing.system],
        "host": [thing.host],
        "building": [_building(thing, town)],
        "group": host.groups if host else (),
        "resource": [thing.resource],
        "action": [change.action] if change else [],
        "risk": change.risk if change else (),
        "reversible": change.reversible if change else None,
        "blind": change is None,
        "adds": [line[1:] for line in lines if line.startswith("+")],
        "removes": [line[1:] for line in lines if line.startswith("-")],
    }


def _holds(key: str, wanted: Any, fact: Any) -> bool:
    match key:
        case "hosts_over" | "changes_over":
            return bool(fact > wanted)
        case "reversible" | "blind":
            return fact is wanted
        case "adds" | "removes":
            return any(re.search(wanted, line) for line in fact)
        case _:
            return any(fnmatchcase(name, glob) for name in fact for glob in listed(wanted))


def _building(thing: Thing, town: Town) -> str:
    """Return where it is by the inventory, not by what the plan says of itself."""
    host = town.hosts.get(thing.host)
    return host.building if host else ""


def _label(thing: Thing) -> str:
    label = f"{thing.host} {thing.system}: {thing.resource}"
    if isinstance(thing, BlindSpot):
        return _("{thing} (blind spot {id})").format(thing=label, id=thing.id)
    return label


def _few(names: Collection[str]) -> str:
    names = list(dict.fromkeys(names))
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (
        " " + _("and {count} others").format(count=more) if more > 0 else ""
    )
