"""The access logs of a town's gateways: where they are, whether they are whole, whom they name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from kahya import ssh
from kahya.accesslog.files import AccessLogError, LogFile, from_host
from kahya.accesslog.verify import Report, verify
from kahya.accesslog.who import Connection, who
from kahya.i18n import _
from kahya.inventory import state_folder
from kahya.model import Host, Town
from kahya.scratch import scratch
from kahya.topology import interfaces_of

ZONE = "Europe/Istanbul"


@dataclass(frozen=True)
class Access:
    """How the logs are reached: an OpenSSH configuration, and a folder for certificates."""

    town: Town
    config: Path
    folder: Path

    def ca(self, host: Host) -> Path:
        """Return a file with the certificate of the gateway's time-stamping authority."""
        path = self.folder / f"{host.name}.pem"
        path.write_text(host.vars["accesslog"]["tsa_ca"], encoding="ascii")
        return path


@contextmanager
def access(town: Town) -> Iterator[Access]:
    """Prepare to read the logs of ``town``; nothing stays behind."""
    with scratch() as folder:
        yield Access(town, ssh.write_ssh_config(town, folder), folder)


def gateways(town: Town, names: Iterable[str] = ()) -> tuple[Host, ...]:
    """Return the gateways that keep a log, all or those that are named.

    Raises:
        AccessLogError: one of ``names`` is none of them, or there is none at all.
    """
    every = {host.name: host for host in town.hosts.values() if "accesslog" in host.vars}
    hint = _("Gateways with the variable accesslog keep one: {names}.")
    hint = hint.format(names=", ".join(every) or "–")
    for name in names:
        if name not in every:
            raise AccessLogError(_("{name} keeps no access log").format(name=name), hint)
    if not every:
        raise AccessLogError(_("no gateway of this town keeps an access log"), hint)
    return tuple(host for name, host in every.items() if not names or name in names)


def zone(host: Host) -> ZoneInfo:
    """Return the time zone of a gateway's days."""
    return ZoneInfo(host.vars.get("base_timezone", ZONE))


def check(reach: Access, host: Host, since: date | None = None) -> Report:
    """Verify the log of a gateway, all of it or what was begun ``since`` a day.

    The last record that was found whole is remembered in the town's state folder, so that the next
    look finds out if the log was written anew meanwhile.
    """
    memory = state_folder(reach.town) / "accesslog.json"
    known: dict[str, Any] = json.loads(memory.read_text("utf-8")) if memory.exists() else {}
    seen = known.get(host.name)
    files = from_host(reach.config, host.name, lambda day: since is None or day >= since)
    keep = host.vars["accesslog"]["keep_days"] if since is None else None
    today = datetime.now(zone(host)).date()
    report = verify(files, reach.ca(host), keep, (seen[0], seen[1]) if seen else None, today)
    if not report.files:
        raise AccessLogError(_("{host}: its access log is empty").format(host=host.name))
    # A look that did not meet what is remembered can't vouch for what lies between.
    if report.sound and (report.known or not seen):
        ready = memory.with_suffix(".new")
        ready.write_text(json.dumps(known | {host.name: [report.n, report.hash]}), "utf-8")
        ready.replace(memory)
    return report


def behind(town: Town, public: str) -> tuple[Host, ...]:
    """Return the gateways that have the address ``public``; all where none is known to."""
    every = gateways(town)
    return tuple(host for host in every if public in _addresses(host)) or every


def _addresses(host: Host) -> set[str]:
    """Return the addresses of a host as the log writes them: one can be written in many ways."""
    of = [{"address": host.address}, host.vars, *host.vars.get("interfaces", {}).values()]
    return {str(address.ip) for part in of for address in interfaces_of(part)}


@dataclass(frozen=True)
class Answer:
    """Who it was, and the file in which it stands; ``host`` is the inventory's name for them."""

    gateway: str
    connection: Connection
    host: str
    file: LogFile


def ask(
    files: Iterable[LogFile], gateway: str, town: Town, public: str, at: datetime, within: timedelta
) -> list[Answer]:
    """Return who was behind ``public`` at ``at``, by ``files`` of the log of ``gateway``."""
    read = {file.name: file for file in files}
    names = {each: host.name for host in town.hosts.values() for each in _addresses(host)}
    found = who(read.values(), public, at, within)
    return [Answer(gateway, c, names.get(c.address, ""), read[c.file]) for c in found]


def around(at: datetime) -> tuple[date, date]:
    """Return the days whose files have what began before and ended after ``at``."""
    return at.date() - timedelta(days=1), at.date() + timedelta(days=1)
