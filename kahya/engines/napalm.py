"""Routers and switches through NAPALM: the whole intended configuration, diffed and pushed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from difflib import unified_diff
from pathlib import Path
from typing import Any

import jinja2
import paramiko
from napalm import get_network_driver
from napalm.base import NetworkDriver
from napalm.base.exceptions import (
    ConnectionClosedException,
    ConnectionException,
    NapalmException,
)

from kahya.engines.base import Approved, Progress, Task, refusal
from kahya.engines.napalm_render import render
from kahya.i18n import N_, _
from kahya.model import Change, Host, HostPlan, Outcome, OutcomeStatus, System, Town, digest
from kahya.redact import redact

PARALLEL = 25  # sessions at once; more gain nothing (docs/architecture.md)
TIMEOUT_SECONDS = 30
RETRY_TIMEOUT_SECONDS = 6  # while waiting for a lost device: short, to notice its return soon
UNREACHABLE = (ConnectionException, ConnectionClosedException, OSError, paramiko.SSHException)

NO_WAY: dict[str, tuple[OutcomeStatus, str]] = {
    "": ("failed", N_("no way back: no change was made on this device")),
    "refused": ("failed", N_("no way back: the device refused the change, so nothing was changed")),
    "rollback": ("failed", N_("no way back: it was reverted already")),
    "return": ("reverted", N_("it had returned by itself, for nobody confirmed the change")),
    "undone": ("reverted", N_("it had undone the change itself, for not all of it took")),
}
"""What a device's last change means to who wants it reverted, where there is nothing to do."""

Config = dict[str, tuple[str, ...]]
"""A configuration: each top-level line with the lines below it."""

Hidden = Mapping[str, str]
"""Lines that carry a key or a password, and how they are shown."""


class NapalmEngine:
    """Renders ``<source>/<platform>/main.j2`` and has the device say what it would change."""

    def __init__(self, ssh_config: Path, workdir: Path) -> None:
        self.ssh_config = ssh_config
        self.workdir = workdir

    def plan(self, town: Town, tasks: Sequence[Task], progress: Progress) -> Iterator[HostPlan]:
        """Load each device's candidate, compare, discard. See ``Engine.plan``."""
        jobs = [(task.system, host) for task in tasks for host in task.hosts]
        with ThreadPoolExecutor(min(PARALLEL, len(jobs)) or 1) as pool:
            futures = [pool.submit(self._plan_one, town, s, h, progress) for s, h in jobs]
            for future in as_completed(futures):
                yield future.result()

    observe = plan

    def apply(
        self, town: Town, tasks: Sequence[Task], approved: Approved, progress: Progress
    ) -> Iterator[Outcome]:
        """Commit device by device, so that never both ends of a tunnel change together."""
        for task in tasks:
            for host in task.hosts:
                yield self._apply_one(town, task.system, host, approved, progress)

    def revert(
        self, town: Town, tasks: Sequence[Task], progress: Progress, run: str = ""
    ) -> Iterator[Outcome]:
        """Have each device go back to its configuration before the last commit."""
        for task in reversed(tasks):
            for host in task.hosts:
                yield self._revert_one(town, task.system, host, progress, run)

    def became(
        self, town: Town, tasks: Sequence[Task], progress: Progress, run: str
    ) -> Iterator[Outcome]:
        """Ask each device that can tell it what became of its last change."""
        for task in tasks:
            for host in task.hosts:
                progress(host.name, task.system.name, "asking")
                status, reason = self._became(town, host, run)
                yield Outcome(host.name, task.system.name, status, reason=_(reason))

    def _became(self, town: Town, host: Host, run: str) -> tuple[OutcomeStatus, str]:
        try:
            with self._device(host) as device:
                if device.has_pending_commit():
                    return "unreachable", N_("its own return is still to come")
                if not hasattr(device, "last"):
                    return "failed", N_("this platform can't tell what became of it")
                if device.last.message() != run:
                    return "reverted", N_("nothing was changed here by this plan")
                if device.last.event() in ("commit", "confirm"):
                    return "failed", N_("it can be reached again, and what was done is still there")
                return "reverted", N_("it had returned by itself, for nobody confirmed the change")
        except (*UNREACHABLE, NapalmException) as error:
            return "unreachable", _words(error, town)

    def _revert_one(
        self, town: Town, system: System, host: Host, progress: Progress, run: str
    ) -> Outcome:
        progress(host.name, system.name, "going back")
        status: OutcomeStatus = "reverted"
        reason = ""
        try:
            with self._device(host) as device:
                # Some drivers know what became of the last change; see drivers/napalm_frr.
                last = device.last.event() if hasattr(device, "last") else "commit"
                if run and hasattr(device, "last") and device.last.message() != run:
                    reason = N_("nothing was changed here by this plan")
                elif last in NO_WAY:
                    status, reason = NO_WAY[last]
                else:
                    device.rollback()
        except UNREACHABLE as error:
            status, reason = "unreachable", _words(error, town)
        except NapalmException as error:
            status, reason = "failed", _words(error, town)
        return Outcome(host.name, system.name, status, reason=_(reason) if reason else "")

    def _plan_one(self, town: Town, system: System, host: Host, progress: Progress) -> HostPlan:
        progress(host.name, system.name, "comparing")
        try:
            text = render(town, system, host)
            with self._device(host) as device:
                device.load_replace_candidate(config=text)
                return _compare(device, town, system, host)[0]
        except UNREACHABLE as error:
            return HostPlan(host.name, system.name, "unreachable", reason=_words(error, town))
        except (NapalmException, jinja2.TemplateError, ValueError) as error:
            return HostPlan(host.name, system.name, "error", reason=_words(error, town))

    def _apply_one(
        self, town: Town, system: System, host: Host, approved: Approved, progress: Progress
    ) -> Outcome:
        before: Config | None = None  # what the device returns to, once a commit is under way
        try:
            text = render(town, system, host)
            with self._device(host) as device:
                device.load_replace_candidate(config=text)
                now, running, hidden = _compare(device, town, system, host)
                reason = refusal(approved, now)
                if device.has_pending_commit():  # by a run that did not live to confirm it
                    reason = _("a change waits for its confirmation; try again in a minute")
                if reason:
                    return Outcome(host.name, system.name, "refused", reason=reason)
                if not now.changes:
                    return Outcome(host.name, system.name, "applied")
                progress(host.name, system.name, f"committing, returns in {town.confirm_seconds} s")
                deadline = time.monotonic() + town.confirm_seconds
                before = running
                # Only some drivers keep a message on the device.
                run = approved[host.name, system.name].run
                label = {"message": run} if hasattr(device, "last") else {}
                device.commit_config(**label, revert_in=town.confirm_seconds)
            applied = self._confirm(town, system, host, (before, hidden), deadline)
        except UNREACHABLE as error:
            if before is None:
                return Outcome(host.name, system.name, "unreachable", reason=_words(error, town))
            return self._await_return(town, system, host, before, str(error), progress)
        except (NapalmException, jinja2.TemplateError, ValueError) as error:
            status: OutcomeStatus = "refused" if before is None else "failed"
            return Outcome(host.name, system.name, status, reason=_words(error, town))
        progress(host.name, system.name, "confirmed")
        return Outcome(host.name, system.name, "applied", applied)

    def _confirm(
        self, town: Town, system: System, host: Host, was: tuple[Config, Hidden], deadline: float
    ) -> tuple[Change, ...]:
        """Reach the device afresh, over the path that was changed, and only then confirm.

        Raises:
            ConnectionException: it could not be reached well before ``deadline``.
        """
        while True:
            try:
                with self._device(host, RETRY_TIMEOUT_SECONDS) as device:
                    config = device.get_config()
                    hidden = {**was[1], **_hidden(device, config)}
                    device.confirm_commit()
                    after = stanzas(config["running"])
                    return tuple(changes_between(was[0], after, hidden, town, system, host))
            except UNREACHABLE:
                if time.monotonic() > deadline - 5:  # too late to be confirmed in time
                    raise
                time.sleep(0.5)

    def _await_return(
        self, town: Town, system: System, host: Host, before: Config, error: str, progress: Progress
    ) -> Outcome:
        """Wait for the device's own timer and say whether the old configuration is back."""
        progress(host.name, system.name, "lost after the commit; waiting for its own return")
        until = time.monotonic() + town.confirm_seconds + TIMEOUT_SECONDS
        while time.monotonic() < until:
            time.sleep(1)
            try:
                with self._device(host, RETRY_TIMEOUT_SECONDS) as device:
                    pending = device.has_pending_commit()
                    text = device.get_config(retrieve="running")["running"]
            except (*UNREACHABLE, NapalmException):
                continue
            if not pending and stanzas(text) == before:
                reason = _("the change cut the path to the device; it returned by itself")
                return Outcome(host.name, system.name, "failed", reason=reason)
        text = _("lost after the commit and not back yet; check it on site ({words})")
        reason = text.format(words=error)
        return Outcome(host.name, system.name, "unreachable", reason=redact(reason, town.secrets))

    @contextmanager
    def _device(self, host: Host, timeout: int = TIMEOUT_SECONDS) -> Iterator[NetworkDriver]:
        with self.ssh_config.open(encoding="utf-8") as file:
            found = paramiko.SSHConfig()
            found.parse(file)
        ssh = found.lookup(host.name)
        arguments: dict[str, Any] = {
            "key_file": ssh.get("identityfile", [None])[0],  # none: what ssh-agent has
            "known_hosts": ssh["userknownhostsfile"],
        }
        if "proxyjump" in ssh:
            jump, target = ssh["proxyjump"], f"{ssh['hostname']}:22"
            arguments["proxy_command"] = f"ssh -F {self.ssh_config} -W {target} {jump}"
        driver: Callable[..., NetworkDriver] = get_network_driver(host.vars["platform"])
        device = driver(ssh["hostname"], ssh["user"], "", timeout=timeout, optional_args=arguments)
        device.open()
        try:
            yield device
        finally:
            device.close()


def stanzas(text: str) -> Config:
    """Split a configuration into its top-level lines, each with the lines indented below it."""
    found: dict[str, list[str]] = {}
    head = ""
    for line in text.splitlines():
        if not line.strip() or line.strip() in ("!", "exit", "end"):
            continue
        if line[0] != " ":
            head = line.rstrip()
            found.setdefault(head, [])
        else:
            found.setdefault(head, []).append(line.rstrip())
    return {head: tuple(lines) for head, lines in found.items()}


def changes_between(
    before: Config, after: Config, hidden: Hidden, town: Town, system: System, host: Host
) -> Iterator[Change]:
    """Yield one Change for each stanza that differs; lines in ``hidden`` are shown as it says."""
    for head in dict.fromkeys([*before, *after]):
        old, new = _lines(head, before), _lines(head, after)
        if old == new:
            continue
        action = "create" if not old else "delete" if not new else "update"
        old, new = _shown(old, new, hidden)
        diff = redact("\n".join([*unified_diff(old, new, lineterm="", n=9)][3:]), town.secrets)
        effect = {"from": old, "to": new}
        resource = redact(hidden.get(head, head), town.secrets)
        yield Change(
            host.name, host.building, system.name, "napalm", resource, action,
            diff, redact(effect, town.secrets), risk=("cuts-path",),
        )  # fmt: skip


def _shown(old: list[str], new: list[str], hidden: Hidden) -> tuple[list[str], list[str]]:
    """Return what may be shown of both sides; that a hidden value differs is said."""
    after = [hidden.get(line, line) for line in new]
    before = [
        f"{shown} (another)" if line not in new and line in hidden and shown in after else shown
        for line, shown in ((line, hidden.get(line, line)) for line in old)
    ]
    return before, after


def _lines(head: str, config: Config) -> list[str]:
    return [head, *config[head]] if head in config else []


def _compare(
    device: NetworkDriver, town: Town, system: System, host: Host
) -> tuple[HostPlan, Config, Hidden]:
    """Return what the loaded candidate would change, and the running configuration."""
    config = device.get_config()
    before, after = stanzas(config["running"]), stanzas(config["candidate"])
    hidden = _hidden(device, config) if before != after else {}
    changes = tuple(changes_between(before, after, hidden, town, system, host))
    base = digest({head: list(lines) for head, lines in before.items()})
    identity = str(device.get_facts()["serial_number"])
    if not identity:
        raise ValueError("the device has no serial number: it is not known which one it is")
    plan = HostPlan(host.name, system.name, "ok", changes, base=base, identity=identity)
    return plan, before, hidden


def _hidden(device: NetworkDriver, config: Mapping[str, str]) -> Hidden:
    """Return the lines of ``config`` that the driver would not show, and what it shows instead."""
    clean = device.get_config(sanitized=True)
    pairs = [zip(config[k].splitlines(), clean[k].splitlines(), strict=True) for k in config]
    return {raw.rstrip(): shown.rstrip() for both in pairs for raw, shown in both if raw != shown}


def _words(error: Exception, town: Town) -> str:
    text = str(redact(str(error), town.secrets))
    return " ".join(text.split()) or type(error).__name__
