"""Look at network devices without changing them: their rules and their cables."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kahya import audit, cabling, hardening, ssh
from kahya.audit import Audit
from kahya.cabling import Wiring
from kahya.engines.base import Progress
from kahya.engines.fleet import tasks
from kahya.engines.napalm_platforms import PLATFORMS
from kahya.errors import InventoryError
from kahya.i18n import _
from kahya.inventory import project_root
from kahya.model import Host, System, Town
from kahya.redact import redact
from kahya.scope import Scope
from kahya.scratch import scratch

if TYPE_CHECKING:  # NAPALM takes most of a second to import
    from kahya.engines.napalm_read import Ask, Reading, T


def compliance(town: Town, part: Scope, progress: Progress) -> Audit:
    """Hold the running configuration of each device against the rules of its platform."""
    from kahya.engines.napalm_read import running

    read = {r.host.name: r for r in _read(town, part, running, progress)}

    def text(_system: System, host: Host) -> str:
        found = read[host.name]
        if found.value is None:
            raise ValueError(found.reason)
        return found.value

    return _audit(town, part, text)


def intended(town: Town, part: Scope) -> Audit:
    """Hold what the templates render against the rules; no device is asked."""
    from jinja2 import TemplateError

    from kahya.engines.napalm_render import render

    def text(system: System, host: Host) -> str:
        try:
            return render(town, system, host)
        except TemplateError as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error

    return _audit(town, part, text)


def facts(town: Town, part: Scope, progress: Progress) -> Wiring:
    """Collect what the devices say of themselves, and compare it with what is declared."""
    from kahya.engines.napalm_read import facts as ask

    readings = _read(town, part, ask, progress)
    return cabling.compare(
        [host for _system, host in devices(town, Scope(tuple(town.hosts), town.systems))],
        [r.value for r in readings if r.value is not None],
        {r.host.name: r.reason for r in readings if r.value is None},
        [r.host.name for r in readings],
    )


def examine(town: Town, part: Scope, progress: Progress) -> tuple[Audit, Wiring]:
    """Look at both, for the report."""
    return compliance(town, part, progress), facts(town, part, progress)


def only(town: Town, part: Scope) -> Scope:
    """Return ``part``, if there is a network device in it.

    Raises:
        InventoryError: there is none.
    """
    if not devices(town, part):
        every = devices(town, Scope(tuple(town.hosts), town.systems))
        names = ", ".join(host.name for _system, host in every)
        raise InventoryError(
            _("none of these hosts is a network device"),
            _("There are: {names}.").format(names=names),
        )
    return part


def devices(town: Town, part: Scope) -> list[tuple[System, Host]]:
    """Return the network devices of ``part``, each with the system that sets it up."""
    due = [task for task in tasks(town, part.pairs) if task.system.engine == "napalm"]
    return [(task.system, host) for task in due for host in task.hosts]


def _read(town: Town, part: Scope, ask: Ask[T], progress: Progress) -> list[Reading[T]]:
    from kahya.engines.napalm import Job
    from kahya.engines.napalm_read import read

    jobs = [Job(town, system, host, progress) for system, host in devices(town, part)]
    with scratch() as folder:
        return list(read(ssh.write_ssh_config(town, folder), jobs, ask))


def _audit(town: Town, part: Scope, text: Callable[[System, Host], str]) -> Audit:
    """Examine each device's configuration; where there is none, or no rules, it is not known."""
    breaches: list[audit.Breach] = []
    checked: dict[str, int] = {}
    unread: dict[str, str] = {}
    for system, host in devices(town, part):
        platform = host.vars["platform"]

        def shown(line: str, platform: str = platform) -> str:
            return str(redact(PLATFORMS[platform].rules.shown(line), town.secrets))

        try:
            rules = hardening.load(project_root(Path(town.directory)) / system.source, platform)
            breaches += audit.examine(host, system, rules, text(system, host), shown)
            checked[host.name] = len(rules)
        except (ValueError, InventoryError) as error:
            unread[host.name] = str(error)
    today = time.strftime("%Y-%m-%d")
    return Audit(audit.waive(breaches, town.waivers, today), checked, unread)
