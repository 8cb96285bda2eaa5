"""Routers and switches through NAPALM: the whole intended configuration, diffed and pushed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kahya.engines.base import Approved, Progress, Task, refusal
from kahya.engines.napalm_device import TIMEOUT_SECONDS, UNREACHABLE, Device, Kept, connect, tag
from kahya.engines.napalm_difference import changes_between
from kahya.engines.napalm_meaning import Config, meaning
from kahya.engines.napalm_platforms import Platform, platform_of
from kahya.engines.napalm_render import render
from kahya.i18n import N_, _
from kahya.mask import Fill
from kahya.model import Change, Host, HostPlan, Outcome, OutcomeStatus, Status, System, Town, digest
from kahya.redact import redact

PARALLEL = 25  # sessions at once; more gain nothing (docs/architecture.md)
RETRY_TIMEOUT_SECONDS = 10  # while waiting for a lost device: short, to notice its return soon
CONFIRM_SECONDS = 5  # what confirming itself may take; later than this before the end is too late

NO_WAY: dict[str, tuple[OutcomeStatus, str]] = {
    "": ("failed", N_("no way back: no change was made on this device")),
    "refused": ("failed", N_("no way back: the device refused the change, so nothing was changed")),
    "rollback": ("failed", N_("no way back: it was reverted already")),
    "return": ("reverted", N_("it had returned by itself, for nobody confirmed the change")),
    "undone": ("reverted", N_("it had undone the change itself, for not all of it took")),
}
"""What a device's last change means to who wants it reverted, where there is nothing to do."""

STILL_TO_COME = N_("its own return is still to come")
ANOTHER_RUN = N_("nothing was changed here by this plan")
NOTHING_KEPT = N_("no way back: no change was made on this device, or it was reverted already")
CHANGED_SINCE = N_("no way back: the device was changed since")


@dataclass(frozen=True)
class Job:
    """One system of one device; ``fill`` where it is to have a backup back."""

    town: Town
    system: System
    host: Host
    progress: Progress
    fill: Fill | None = None

    @property
    def platform(self) -> Platform:
        """Return what is known of the device. Raises ValueError where it is refused."""
        return platform_of(self.host.vars["platform"])

    @property
    def seconds(self) -> int:
        """Return after how many seconds the device really returns unless it is confirmed."""
        return self.platform.returns_in(self.town.confirm_seconds)

    def intended(self) -> Callable[[Device], str]:
        """Return what gives the whole configuration that the device, once open, is to have.

        Raises:
            ValueError: such devices are refused.
            jinja2.TemplateError: see ``render``.
        """
        platform_of(self.host.vars["platform"])
        if (fill := self.fill) is not None:
            return lambda device: fill(*device.configurations())
        text = render(self.town, self.system, self.host)
        return lambda _device: text

    def means(self, text: str) -> Config:
        """Return what a configuration means on this platform."""
        return meaning(text, self.platform.rules)

    def changes(self, before: Config, after: Config) -> tuple[Change, ...]:
        """Return what differs, resource by resource."""
        whose = self.platform, self.town, self.system, self.host
        return tuple(changes_between(before, after, *whose))

    def tell(self, text: str) -> None:
        """Say what is being done."""
        self.progress(self.host.name, self.system.name, text)

    def outcome(
        self, status: OutcomeStatus, reason: str = "", applied: tuple[Change, ...] = ()
    ) -> Outcome:
        """Return what became of it."""
        return Outcome(self.host.name, self.system.name, status, applied, reason)

    def words(self, error: BaseException) -> str:
        """Return what an error says on one line, and what made it, without secrets."""
        said = [error, error.__context__] if isinstance(error, UNREACHABLE) else [error]
        lines = [line for one in said if one for line in (str(one) or repr(one)).splitlines()]
        with suppress(ValueError):  # a platform that isn't known has no secrets to hide either
            lines = [self.platform.rules.shown(line) for line in lines]
        return str(redact(" ".join(" ".join(lines).split()), self.town.secrets))


@dataclass(frozen=True)
class Way:
    """A commit under way: what a device had, what it is to have, and when it returns by itself."""

    before: Config
    after: Config
    deadline: float  # time.monotonic()


Staged = tuple[str, str, str] | Outcome
"""A run, and the configurations before and after what it is about to commit; or why not."""

Stage = Callable[[Device], Staged]


class NapalmEngine:
    """Renders ``<source>/<platform>/main.j2`` and has the device say what it would change.

    ``restores`` are the devices that are to have a backup back instead.
    """

    def __init__(
        self, ssh_config: Path, workdir: Path, restores: Mapping[str, Fill] | None = None
    ) -> None:
        self.ssh_config = ssh_config
        self.workdir = workdir
        self.restores = restores or {}

    def plan(self, town: Town, tasks: Sequence[Task], progress: Progress) -> Iterator[HostPlan]:
        """Load each device's candidate, compare, discard. See ``Engine.plan``."""
        fills = self.restores
        jobs = [Job(town, t.system, h, progress, fills.get(h.name)) for t in tasks for h in t.hosts]
        with ThreadPoolExecutor(min(PARALLEL, len(jobs)) or 1) as pool:
            futures = [pool.submit(self._plan_one, job) for job in jobs]
            for future in as_completed(futures):
                yield future.result()

    observe = plan

    def apply(
        self, town: Town, tasks: Sequence[Task], approved: Approved, progress: Progress
    ) -> Iterator[Outcome]:
        """Commit device by device, so that never both ends of a tunnel change together."""
        for task in tasks:
            for host in task.hosts:
                job = Job(town, task.system, host, progress, self.restores.get(host.name))
                yield self._carry_out(job, partial(_to_apply, job, approved), "applied", "refused")

    def revert(
        self, town: Town, tasks: Sequence[Task], progress: Progress, run: str = ""
    ) -> Iterator[Outcome]:
        """Have each device go back to its configuration before the last commit."""
        for task in reversed(tasks):
            for host in task.hosts:
                job = Job(town, task.system, host, progress)
                job.tell("going back")
                yield self._carry_out(job, partial(_to_revert, job, run), "reverted", "failed")

    def became(
        self, town: Town, tasks: Sequence[Task], progress: Progress, run: str
    ) -> Iterator[Outcome]:
        """Ask each device what became of its last change."""
        for task in tasks:
            for host in task.hosts:
                job = Job(town, task.system, host, progress)
                job.tell("asking")
                try:
                    with self._device(host) as device:
                        status, reason = _became(device, job, run)
                except Exception as error:  # noqa: BLE001 - a driver may raise anything
                    status, reason = "unreachable", job.words(error)
                yield job.outcome(status, _(reason))

    def _plan_one(self, job: Job) -> HostPlan:
        job.tell("comparing")
        status: Status = "error"
        try:
            intended = job.intended()
            with self._device(job.host) as device:
                return _compare(device, job, intended(device))[0]
        except UNREACHABLE as error:
            status, words = "unreachable", job.words(error)
        except Exception as error:  # noqa: BLE001 - a driver may raise anything; it is quoted
            words = job.words(error)
        return HostPlan(job.host.name, job.system.name, status, reason=words)

    def _carry_out(
        self, job: Job, stage: Stage, good: OutcomeStatus, bad: OutcomeStatus
    ) -> Outcome:
        """Commit what ``stage`` loads and confirm it; or return what it says instead."""
        way: Way | None = None  # once a commit is under way
        try:
            with self._device(job.host) as device:
                staged = stage(device)
                if isinstance(staged, Outcome):
                    return staged
                run, before, after = staged
                way = Way(job.means(before), job.means(after), time.monotonic() + job.seconds)
                job.tell(f"committing, returns in {job.seconds} s")
                committed = device.commit(job.seconds, run)
            found = self._confirm(job, way, committed, forget=good == "reverted")
        except Exception as error:  # noqa: BLE001 - a driver may raise anything; it is quoted
            if way:
                return self._await_return(job, way, error)
            lost = isinstance(error, UNREACHABLE)
            return job.outcome("unreachable" if lost else bad, job.words(error))
        done = job.changes(way.before, found)
        return job.outcome(good, applied=done if good == "applied" else ())

    def _confirm(self, job: Job, way: Way, committed: str, *, forget: bool) -> Config:
        """Reach the device afresh, over the path that was changed, and only then confirm.

        Returns what it runs. ``forget`` removes the former configuration that it kept.

        Raises:
            Exception: it could not be reached well before the end, or runs or saved something else.
        """
        tried = False
        while True:
            try:
                with self._device(job.host, RETRY_TIMEOUT_SECONDS) as device:
                    early = time.monotonic() < way.deadline  # it can't have returned yet
                    heard = tried and early and not device.driver.has_pending_commit()
                    found = job.means(device.running())
                    if found == way.after:
                        tried = True
                        if heard:  # of the last try only the answer was lost
                            device.save()
                        else:
                            device.confirm(committed)
                        device.tidy(committed, kept=forget)
                        names = device.unsaved(way.before, found)
            except Exception:
                if time.monotonic() > way.deadline - CONFIRM_SECONDS:
                    raise
                time.sleep(0.5)
                continue
            text = _("its startup configuration has something else: {names}")
            if found != way.after:
                names = [c.resource for c in job.changes(found, way.after)]
                text = _("the device did not take all of it as it is: {names}")
            if names:
                raise ValueError(text.format(names=", ".join(names)))
            job.tell("confirmed")
            return found

    def _await_return(self, job: Job, way: Way, error: Exception) -> Outcome:
        """Wait for the device's own timer and say which configuration it has then."""
        job.tell("not confirmed; waiting for its own return")
        before = _("not confirmed, so the device has its former configuration: {words}")
        after = _("the change is kept, but whether it was saved is not known: {words}")
        other = _("not confirmed; the device has another configuration by now: {words}")
        if isinstance(error, UNREACHABLE):
            before = _("the change cut the path to the device; it returned by itself")
        seen: Config | None = None
        while time.monotonic() < way.deadline + TIMEOUT_SECONDS:
            time.sleep(1)
            try:
                with self._device(job.host, RETRY_TIMEOUT_SECONDS) as device:
                    pending = device.driver.has_pending_commit()
                    found = job.means(device.running())
            except Exception:  # noqa: BLE001, S112 - not back yet; what matters is said at the end
                continue
            text = before if found == way.before else after if found == way.after else other
            if not pending and (text != other or found == seen):  # other: not while it returns
                return job.outcome("failed", text.format(words=job.words(error)))
            seen = found
        text = _("lost after the commit and not back yet; check it on site ({words})")
        return job.outcome("unreachable", text.format(words=job.words(error)))

    def _device(self, host: Host, timeout: int = 0) -> AbstractContextManager[Device]:
        return connect(host, self.ssh_config, timeout)


def _compare(device: Device, job: Job, text: str) -> tuple[HostPlan, str, str]:
    """Return what ``text`` would change, and the configurations before and after that."""
    names = job.host.name, job.system.name
    if device.driver.has_pending_commit():  # what it has a minute later is not what it has now
        reason = _("a change waits for its confirmation; try again in a minute")
        return HostPlan(*names, "unknown", reason=reason), "", ""
    running, candidate = device.stage(text)
    before, after = job.means(running), job.means(candidate)
    base = digest({name: list(lines) for name, lines in before.items()})
    changes, identity = job.changes(before, after), device.identity()
    return HostPlan(*names, "ok", changes, base=base, identity=identity), running, candidate


def _to_apply(job: Job, approved: Approved, device: Device) -> Staged:
    """Load what is intended; it must be what is approved."""
    now, before, after = _compare(device, job, job.intended()(device))
    if reason := refusal(approved, now):
        return job.outcome("refused", reason)
    if not now.changes:
        return job.outcome("applied")
    run = approved[job.host.name, job.system.name].run
    device.prepare(run, before, job.means(after))
    return run, before, after


def _to_revert(job: Job, run: str, device: Device) -> Staged:
    """Load what the device kept; its last change must be that of ``run``, or of any without."""
    if not job.platform.files:
        return _rollback(device, job, run)
    kept = device.kept()
    if verdict := _no_way(device, job, run, kept):
        return job.outcome(verdict[0], _(verdict[1]))
    return run, *device.stage(kept.text)


def _no_way(device: Device, job: Job, run: str, kept: Kept) -> tuple[OutcomeStatus, str] | None:
    """Return why a device is not brought back to what it kept; None where it is to be."""
    now = job.means(device.running())
    if device.driver.has_pending_commit():
        return "unreachable", STILL_TO_COME
    if not kept.run:
        return "failed", NOTHING_KEPT
    if run and kept.run != tag(run):
        return "reverted", ANOTHER_RUN
    if job.means(kept.text) == now:
        return NO_WAY["return"]
    return ("failed", CHANGED_SINCE) if kept.after != tag(now) else None


def _rollback(device: Device, job: Job, run: str) -> Outcome:
    """Revert by the driver, which knows what became of the last change (drivers/napalm_frr)."""
    last = device.driver.last
    if run and last.message() != run:
        return job.outcome("reverted", _(ANOTHER_RUN))
    if (event := last.event()) in NO_WAY:
        status, reason = NO_WAY[event]
        return job.outcome(status, _(reason))
    device.driver.rollback()
    return job.outcome("reverted")


def _became(device: Device, job: Job, run: str) -> tuple[OutcomeStatus, str]:
    """Return what became of a commit that nobody saw the end of, and how that is known."""
    if device.driver.has_pending_commit():
        return "unreachable", STILL_TO_COME
    if job.platform.files:
        kept = device.kept()
        mine, returned = kept.run == tag(run), job.means(kept.text) == job.means(device.running())
    else:
        last = device.driver.last
        mine, returned = last.message() == run, last.event() not in ("commit", "confirm")
    if not mine:
        return "reverted", ANOTHER_RUN
    if returned:
        return NO_WAY["return"]
    return "failed", N_("it can be reached again, and what was done is still there")
