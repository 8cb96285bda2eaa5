"""The words of Kâhya (see docs/glossary.md) as frozen values. Nothing here reads or writes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, Literal, Protocol

EngineName = Literal["ansible", "pyinfra", "napalm"]
Status = Literal["ok", "unreachable", "error", "unknown"]
OutcomeStatus = Literal["applied", "refused", "failed", "unreachable", "reverted"]
Risk = Literal["restart", "cuts-path", "data"]
Level = Literal["L0", "L1", "L2", "L3"]


def canonical(value: object) -> bytes:
    """Encode plain data so that equal values give equal bytes.

    Keys are sorted, text is UTF-8. Only None, bool, int, str, list, tuple and dict with str keys
    are known: a float, a set or an object has no one encoding, so it is refused.

    Raises:
        TypeError: naming the path and type of what has no encoding.
    """
    _check(value, "$")
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _check(value: object, path: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if type(key) is not str:
                raise TypeError(f"{path}: key {key!r} is {type(key).__name__}, not str")
            _check(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check(item, f"{path}[{index}]")
    elif type(value) not in (str, int, bool, type(None)):
        raise TypeError(f"{path}: {type(value).__name__} has no canonical encoding")


def digest(value: object) -> str:
    """Return the hex SHA-256 of the canonical encoding of ``value``."""
    return hashlib.sha256(canonical(value)).hexdigest()


@dataclass(frozen=True)
class Building:
    """A building of the town: ``number`` is 1 to 62, ``lan`` is a CIDR."""

    name: str
    title: str
    number: int
    lan: str


@dataclass(frozen=True)
class Host:
    """A machine or device. ``vars`` are its resolved variables (plain JSON data)."""

    name: str
    address: str
    building: str
    groups: tuple[str, ...]
    vars: Mapping[str, Any] = field(repr=False)  # holds secrets: never in a traceback


@dataclass(frozen=True)
class System:
    """One row of systems.yml: what is kept in order, by which engine, where and on what grounds."""

    name: str
    title: Mapping[str, str]
    engine: EngineName
    source: str
    group: str
    probes: str
    controls: tuple[str, ...]
    level: Level
    platform: str = ""
    together: bool = False
    """It may be brought in order together with the system before it: neither needs the other."""

    def covers(self, host: Host) -> bool:
        """Return whether it is for ``host``: of its group and, if it names one, its platform."""
        return self.group in host.groups and self.platform in ("", host.vars.get("platform"))


class Waivable(Protocol):
    """Something on a host that somebody may answer for."""

    @property
    def host(self) -> str: ...
    @property
    def system(self) -> str: ...
    @property
    def resource(self) -> str: ...


@dataclass(frozen=True)
class Waiver:
    """A difference that ``owner`` answers for, up to and including the day ``until`` (ISO 8601).

    ``host``, ``system`` and ``resource`` are names or patterns such as ``gw-*``.
    """

    host: str
    system: str
    resource: str
    owner: str
    reason: str
    until: str

    def covers(self, found: Waivable) -> bool:
        """Return whether ``found`` is what this is about."""
        return (
            fnmatchcase(found.host, self.host)
            and fnmatchcase(found.system, self.system)
            and fnmatchcase(found.resource, self.resource)
        )


@dataclass(frozen=True)
class Incident:
    """Something that is cut off until it is lifted: incidents.yml.

    ``kind`` is address, domain, url or host; ``since`` a time (UTC), ``until`` the last day that
    it was meant for or "" (ISO 8601). After that it stays cut off: nothing opens by itself.
    """

    kind: str
    what: str
    reason: str
    by: str
    since: str
    until: str = ""

    def overdue(self, today: str) -> bool:
        """Return whether its last day is over on ``today`` (ISO 8601)."""
        return bool(self.until) and self.until < today


@dataclass(frozen=True)
class Town:
    """Everything the inventory says. ``secrets`` are the values that must never be shown.

    ``outside`` are hosts that Kâhya doesn't keep: on the carrier's network, or in a building's LAN.
    ``settings`` is town.yml as it was written, checked against its schema; under ``feeds`` is
    feeds.yml, where there is one.
    """

    name: str
    title: str
    directory: str
    language: str
    confirm_seconds: int
    buildings: Mapping[str, Building]
    hosts: Mapping[str, Host]
    outside: Mapping[str, Host]
    systems: tuple[System, ...]
    secrets: tuple[str, ...] = field(repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()
    incidents: tuple[Incident, ...] = ()

    def hosts_of(self, system: System) -> tuple[Host, ...]:
        """Return the hosts that ``system`` is for, in inventory order."""
        return tuple(h for h in self.hosts.values() if system.covers(h))


@dataclass(frozen=True)
class Change:
    """One thing that an engine would do, or did, to one resource of one host.

    ``effect`` is what the change means to the host as plain data, without volatile values and
    with secrets masked; ``diff`` is the same for human eyes. ``then`` names what follows from it
    (a service reloaded). ``reversible``: Kâhya keeps the state before on the host itself and can
    bring it back.
    """

    host: str
    building: str
    system: str
    engine: EngineName
    resource: str
    action: str
    diff: str
    effect: Any
    risk: tuple[Risk, ...] = ()
    reversible: bool = True
    then: tuple[str, ...] = ()

    @cached_property
    def id(self) -> str:
        """Return our own name for this change: equal means the same thing done to the same host."""
        meaning = [self.host, self.system, self.resource, self.action, self.effect]
        return digest(meaning)[:16]

    @cached_property
    def mark(self) -> str:
        """Return the digest of all of it: what an approver was shown is what is approved."""
        return digest(asdict(self))


@dataclass(frozen=True)
class BlindSpot:
    """A task whose effect can't be predicted, and why.

    ``deferred``: not yet, for something before it must exist first. Applying the plan ends there
    too, so that nothing unseen happens; the next plan shows the rest.
    """

    host: str
    system: str
    resource: str
    reason: str
    deferred: bool = False

    @cached_property
    def id(self) -> str:
        """Return the name under which it is signed for on its own."""
        return digest([self.host, self.system, self.resource, self.reason])[:16]


@dataclass(frozen=True)
class HostPlan:
    """What one system would change on one host, or why that is not known.

    ``base`` is the digest of what was read, ``identity`` what the host itself says it is: its
    machine id or serial number.
    """

    host: str
    system: str
    status: Status
    changes: tuple[Change, ...] = ()
    blind_spots: tuple[BlindSpot, ...] = ()
    base: str = ""
    reason: str = ""
    identity: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of one system on one host when a plan was applied."""

    host: str
    system: str
    status: OutcomeStatus
    applied: tuple[Change, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Plan:
    """What all engines would do to a town, written down once.

    ``created`` and ``expires`` are UTC times, ISO 8601 to the second; ``commit`` and ``tools``
    say what made the plan, ``authors`` (mail addresses) who wrote what it would carry out,
    ``host_keys`` the fingerprints by which the hosts are known, ``journal`` the last entry of the
    journal then. ``restores`` has, by device, the commit of the backups that it gets back. The
    digest is what the plan means: the same changes to the same hosts have the same, whenever and
    by whomever they were planned. The seal covers all of it; people sign it.
    """

    town: str
    commit: str
    tools: Mapping[str, str]
    created: str
    expires: str
    host_plans: tuple[HostPlan, ...]
    authors: tuple[str, ...] = ()
    host_keys: Mapping[str, str] = field(default_factory=dict)
    journal: str = ""
    restores: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """Return the hex SHA-256 of what the plan means."""
        hosts = sorted(self.host_plans, key=lambda p: (p.host, p.system))
        keys = {name: self.host_keys.get(name, "") for name in {p.host for p in hosts}}
        about = [self.town, keys, [_meaning(plan) for plan in hosts]]
        return digest([*about, dict(self.restores)] if self.restores else about)

    @cached_property
    def seal(self) -> str:
        """Return the hex SHA-256 of the whole plan: this very document and no other."""
        about = [self.digest, self.commit, dict(self.tools), self.created, self.expires]
        return digest([*about, list(self.authors), self.journal])

    @property
    def id(self) -> str:
        """Return a short name for people: the day and the first of the digest."""
        return f"{self.created[:10]}-{self.digest[:8]}"

    @property
    def changes(self) -> tuple[Change, ...]:
        """Return all changes, host by host in plan order."""
        return tuple(change for plan in self.host_plans for change in plan.changes)

    @property
    def blind_spots(self) -> tuple[BlindSpot, ...]:
        """Return all tasks whose effect isn't known."""
        return tuple(spot for plan in self.host_plans for spot in plan.blind_spots)

    def blind(self, pair: tuple[str, str]) -> bool:
        """Return whether a blind spot on this host and system is part of what would be done."""
        return any((s.host, s.system) == pair and not s.deferred for s in self.blind_spots)

    @property
    def unread(self) -> tuple[HostPlan, ...]:
        """Return what could not be read: never "no change", never to be applied."""
        return tuple(plan for plan in self.host_plans if plan.status != "ok")


def _meaning(plan: HostPlan) -> list[object]:
    return [
        plan.host,
        plan.system,
        plan.status,
        plan.base,
        plan.reason,
        plan.identity,
        # All of a change, not its id alone: what an approver is shown is part of what is approved.
        [asdict(change) for change in plan.changes],
        [asdict(spot) for spot in plan.blind_spots],
    ]


@dataclass(frozen=True)
class Approval:
    """One person's signature under a plan.

    ``seal`` names the plan, ``blind_spots`` the ids of those signed for on their own, ``at`` is
    the time of signing (UTC, ISO 8601), ``signature`` is armoured as ``ssh-keygen -Y sign`` does.
    """

    seal: str
    approver: str
    at: str
    blind_spots: tuple[str, ...]
    signature: str

    @property
    def statement(self) -> bytes:
        """Return the bytes that are signed."""
        fields = {"seal": self.seal, "approver": self.approver, "at": self.at}
        return canonical({"kahya": "approval", **fields, "blind_spots": list(self.blind_spots)})


@dataclass(frozen=True)
class Result:
    """What became of a plan.

    ``left`` is what a second look found still to differ, ``failing`` the checks that passed before
    and fail now, ``stopped`` why the later waves were left alone.
    """

    plan: Plan
    outcomes: tuple[Outcome, ...]
    left: tuple[HostPlan, ...]
    failing: tuple[ProbeResult, ...] = ()
    stopped: str = ""

    @property
    def applied(self) -> tuple[Change, ...]:
        """Return what was really done."""
        return tuple(change for outcome in self.outcomes for change in outcome.applied)

    @property
    def extra(self) -> tuple[Change, ...]:
        """Return what was done without being in the plan, nor what a blind spot of it did."""
        planned = {change.id for change in self.plan.changes}
        return tuple(
            change
            for change in self.applied
            if change.id not in planned and not self.plan.blind((change.host, change.system))
        )

    @property
    def missing(self) -> tuple[Change, ...]:
        """Return what was planned and not done."""
        done = {change.id for change in self.applied}
        return tuple(change for change in self.plan.changes if change.id not in done)

    @property
    def ok(self) -> bool:
        """Return whether exactly the plan was applied and nothing is left."""
        settled = all(p.status == "ok" and not p.changes and not p.blind_spots for p in self.left)
        done = all(outcome.status == "applied" for outcome in self.outcomes)
        exact = not self.extra and not self.missing
        return settled and done and exact and not self.failing and not self.stopped


@dataclass(frozen=True)
class ProbeResult:
    """One functional check: ``passed``, ``failed`` or ``error``; ``detail`` says what was seen."""

    host: str
    system: str
    name: str
    status: Literal["passed", "failed", "error"]
    detail: str = ""
