"""The report as self-contained HTML: no script, no font, no picture from elsewhere."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
from babel.dates import format_datetime

from kahya.audit import Audit, Breach, together
from kahya.cabling import CABLE_STATES, Wiring
from kahya.finding import Finding, Look, excuse, sentences
from kahya.i18n import LANGUAGES, Translate, translator
from kahya.model import HostPlan, Plan, ProbeResult, Town
from kahya.redact import redact
from kahya.report.drawing import draw
from kahya.report.events import Event, sentence
from kahya.report.readings import Cell, State, readings, worst
from kahya.report.tunnels import tunnels

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "report"
CLOCK = ZoneInfo("Europe/Istanbul")
MOMENT = {"en": "d MMMM yyyy, HH:mm", "tr": "dd.MM.yyyy HH:mm"}
MARKS = {
    "unknown": "?",
    "failed": "✗",
    "drift": "▲",
    "pending": "↑",
    "waived": "◇",
    "ok": "✓",
    "none": "–",
}
LINES = {"+": "add", "-": "del", "@": "at"}


@dataclass(frozen=True)
class Network:
    """What was found of the network devices: rules that they break, and their cables."""

    audit: Audit = field(default_factory=Audit)
    wiring: Wiring = field(default_factory=Wiring)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Return the names of those that were looked at."""
        return tuple(sorted({*self.audit.checked, *self.audit.unread, *self.wiring.unread}))

    @property
    def state(self) -> State:
        """Return the worst that is to be said."""
        if self.audit.unread or self.wiring.unknown:
            return "unknown"
        return "drift" if self.audit.open or self.wiring.differences else "ok"


def write(
    town: Town,
    look: Look,
    probes: Sequence[ProbeResult],
    events: Sequence[Event],
    out: Path,
    moment: datetime,
    network: Network | None = None,
) -> list[Path]:
    """Write ``report.en.html`` and ``report.tr.html`` into ``out`` and return their paths.

    The pages say where the town is open, so only their owner may read them.

    Args:
        town: the inventory.
        look: what differs now and what that means; a host or system that it leaves out is shown
            as not known.
        probes: the functional checks.
        events: entries of the journal, newest first.
        out: a folder; it is made if missing, and pages in it are replaced.
        moment: when all this was seen; aware of its time zone.
        network: what was found of the network devices.
    """
    out.mkdir(parents=True, exist_ok=True)
    content = _content(town, _masked(look, town.secrets), probes, events, network or Network())
    content["moment"] = moment
    content |= {"id": look.plan.id, "digest": look.plan.digest}  # of the plan as the journal has it
    pages = []
    for language in LANGUAGES:
        page = out / f"report.{language}.html"
        _replace(page, _render(content, language, town.secrets))
        pages.append(page)
    return pages


def _content(
    town: Town,
    look: Look,
    probes: Sequence[ProbeResult],
    events: Sequence[Event],
    network: Network,
) -> dict[str, Any]:
    found = readings(town, look, probes)
    by_host = {h: Cell(tuple(f for f in found if f.host is town.hosts[h])) for h in town.hosts}
    table = [
        (system, [Cell(tuple(f for f in found if f.system is system and f.host.building == b))
                  for b in town.buildings])
        for system in town.systems
    ]  # fmt: skip
    whole, wires = Cell(found), tunnels(town, found)
    hosts = [
        (town.buildings[b], [(h, by_host[h.name]) for h in own])
        for b in town.buildings
        if (own := [h for h in town.hosts.values() if h.building == b])
    ]
    states = {host: cell.state for host, cell in by_host.items()}
    return {
        "town": town,
        "look": look,
        "drift": look.plan,
        "whole": whole,
        "state": worst([whole.state, network.state]),
        "network": network,
        "broken": [
            (host, together(own)) for host, own in groupby(network.audit.breaches, lambda b: b.host)
        ],
        "table": table,
        "hosts": hosts,
        "tunnels": wires,
        "picture": draw(town, states, wires, network.wiring.cables),
        "differences": [
            ("drift", _by_host(look.of("drift"))),
            ("pending", _by_host(look.of("pending"))),
            ("waived", _by_host(look.waived)),
        ],
        "unread": _unread(town, look.plan),
        "probes": probes,
        "events": events,
    }


def _unread(town: Town, drift: Plan) -> list[HostPlan]:
    """Return what is not known, with what nobody looked at."""
    seen = {(p.host, p.system) for p in drift.host_plans}
    skipped = [
        HostPlan(h.name, s.name, "unknown")
        for s in town.systems
        for h in town.hosts_of(s)
        if (h.name, s.name) not in seen
    ]
    return [*drift.unread, *skipped]


def _by_host(findings: Sequence[Finding]) -> list[tuple[str, list[Finding]]]:
    return [(h, list(own)) for h, own in groupby(findings, key=lambda f: f.change.host)]


def _masked(look: Look, secrets: tuple[str, ...]) -> Look:
    """Mask whole diffs before they are split into lines, which would hide a longer secret."""

    def mask(found: Finding) -> Finding:
        return replace(found, change=replace(found.change, diff=redact(found.change.diff, secrets)))

    return replace(look, findings=tuple(map(mask, look.findings)))


def _render(content: dict[str, Any], language: str, secrets: tuple[str, ...]) -> str:
    _ = translator(language)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: redact(value, secrets),  # the last net under everything shown
    )
    environment.filters["time"] = _clock(language)
    environment.filters["lines"] = _lines
    environment.globals |= {
        "_": _, "language": language, "languages": LANGUAGES, "marks": MARKS,
        "sentence": lambda event: sentence(event, _), "words": _words(_),
        "about": lambda finding: sentences(finding, _, _clock(language)),
        "excuse": lambda breach: excuse(breach.waiver, _, expired=breach.expired),
        "told": lambda difference: difference.sentence(_),
        "remedy": _remedy, "cable_states": CABLE_STATES,
    }  # fmt: skip
    return environment.get_template("page.html").render(content)


def _clock(language: str) -> Callable[[datetime | str], str]:
    def local(moment: datetime | str) -> str:
        if isinstance(moment, str):
            moment = datetime.fromisoformat(moment).astimezone(UTC)
        return str(format_datetime(moment, MOMENT[language], tzinfo=CLOCK, locale=language))

    return local


def _lines(diff: str) -> list[tuple[str, str]]:
    lines = diff.splitlines()
    if lines and lines[0].startswith("@@"):  # where it begins says nothing yet
        del lines[0]
    return [(LINES.get(line[:1], "same"), line) for line in lines]


def _remedy(breach: Breach) -> str:
    """Return what to take away and what to write, as a diff."""
    lines = [f"- {line}" for line in breach.lines]
    return "\n".join(lines + [f"+ {line}" for line in breach.rule.write.splitlines()])


def _words(_: Translate) -> dict[str, str]:
    """Return the model's own words for people; the names are what the catalog must hold."""
    return {
        "unknown": _("not known"), "failed": _("check failed"), "drift": _("drift"),
        "pending": _("pending"), "waived": _("waived"),
        "ok": _("in order"), "none": _("not used here"), "unreachable": _("unreachable"),
        "error": _("error"), "passed": _("passed"), "create": _("create"), "update": _("update"),
        "delete": _("delete"), "install": _("install"), "remove": _("remove"),
        "change": _("change"), "start": _("start"), "stop": _("stop"), "enable": _("enable"),
        "disable": _("disable"), "reload": _("reload"),
        "restart": _("restarts a service"), "cuts-path": _("may cut the connection"),
        "data": _("touches data"),
    }  # fmt: skip


def _replace(path: Path, text: str) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)  # mkstemp makes it 0600
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    Path(temporary).replace(path)
