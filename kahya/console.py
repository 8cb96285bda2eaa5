"""How things look in the terminal. Part of the command line: nothing else uses it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kahya.backup import Backup
from kahya.errors import KahyaError
from kahya.finding import Finding, Look, sentences
from kahya.firewall.lint import Remark
from kahya.i18n import _
from kahya.inventory_check import Problem
from kahya.journal import Lock
from kahya.model import Change, HostPlan, Outcome, Plan, ProbeResult, Result, System, Town
from kahya.standing import Standing
from kahya.story import Story

OUT = Console(highlight=False, soft_wrap=True)
ERR = Console(stderr=True, highlight=False, soft_wrap=True)
MARKS = {
    "create": ("+", "green"),
    "delete": ("-", "red"),
    "install": ("+", "green"),
    "remove": ("-", "red"),
}
# What would move the cursor, colour or turn around the text: a diff must not hide a part of itself.
HIDDEN = {
    code: f"\\u{code:04x}"
    for code in (*range(32), *range(127, 160), *range(0x200B, 0x2010), *range(0x2028, 0x202F),
                 *range(0x2066, 0x206A), 0xFEFF)
    if chr(code) not in "\t\n"
}  # fmt: skip
COLOURS = {"+": "green", "-": "red", "@": "cyan"}

DETAIL_LINES = 20  # of what a check that failed has to say


def say(text: str) -> None:
    """Print a line for the reader."""
    OUT.print(Text(text))


def line(text: str, style: str = "") -> None:
    """Print a line that others wrote, so that all of it can be seen."""
    OUT.print(_text(text, style))


def error(wrong: KahyaError) -> None:
    """Print what is wrong and, if it is known, what to do next."""
    ERR.print(Text(f"{_('error')}: {wrong}", "red"))
    if wrong.hint:
        ERR.print(Text(wrong.hint))


def progress(host: str, system: str, text: str) -> None:
    """Print a line about work that is going on."""
    ERR.print(Text(f"  · {' '.join(filter(None, (host, system)))}: {text}", "dim"))


def quiet(host: str, system: str, text: str) -> None:
    """Say nothing: what ``progress`` is with --quiet and --json."""


def problems(found: Sequence[Problem]) -> None:
    """Print everything that is wrong in an inventory."""
    for problem in found:
        ERR.print(Text(str(problem), "red"))
    if found:
        ERR.print(Text(_("{count} to correct.").format(count=len(found))))


def remarks(found: Sequence[Remark]) -> None:
    """Print what is to be corrected in the rules of a firewall."""
    for remark in found:
        text = _("error") if remark.level == "error" else _("warning")
        style = "red" if remark.level == "error" else "yellow"
        ERR.print(_text(f"{text}: {remark.problem}", style))


def failures(found: Sequence[str]) -> None:
    """Print what is wrong with a plan file."""
    for failure in found:
        ERR.print(_text(failure, "red"))


def refusals(found: Sequence[str]) -> None:
    """Print what the policy refuses in a plan; beside the document that --json prints."""
    failures(found)
    if found:
        ERR.print(Text(_("A plan that is refused can be neither approved nor applied.")))


def plan(made: Plan, town: Town) -> None:
    """Print a plan: what would change, host by host, and what isn't known."""
    for device, commit in made.restores.items():
        text = _("{device} gets its backup of commit {commit} back.")
        say(text.format(device=device, commit=commit))
    _changes(made.changes, town)
    _unsure(made)
    if made.changes:
        text = _("Plan {id}: {count} changes on {hosts} hosts.")
        hosts = {change.host for change in made.changes}
        say(text.format(id=made.id, count=len(made.changes), hosts=len(hosts)))
    elif not made.unread and not made.blind_spots:
        text = _("Nothing to change: {count} readings agree with the inventory.")
        say(text.format(count=len(made.host_plans)))


def drift(look: Look, town: Town) -> None:
    """Print what differs from the inventory now, sorted by what it means."""
    parts = (
        (_("Drift: the host left what was applied"), look.of("drift")),
        (_("Pending: the repository is ahead, nobody has applied it"), look.of("pending")),
        (_("Waived: somebody answers for it"), look.waived),
    )
    for title, findings in parts:
        if findings:
            _findings(title, findings, town)
    if look.plan.unread or look.plan.blind_spots:
        OUT.rule(Text(_("Unknown")), align="left")
        _unsure(look.plan)
    for doubt in look.doubts:
        OUT.print(Text(_("Some could not be compared: {why}").format(why=doubt), "yellow"))
    counts = {"drift": len(parts[0][1]), "pending": len(parts[1][1]), "waived": len(parts[2][1])}
    if look.findings:
        say(_("{drift} drift, {pending} pending, {waived} waived.").format(**counts))
    elif not look.plan.unread and not look.plan.blind_spots:
        text = _("No drift: {count} readings agree with the inventory.")
        say(text.format(count=len(look.plan.host_plans)))


def backup(done: Backup, *, brief: bool = False) -> None:
    """Print what was backed up, whose work each difference is, and what could not be read."""
    for cause, devices in done.saved.items():
        about = {"devices": ", ".join(devices), "people": ", ".join(cause.people)}
        if cause.words:
            plans = ", ".join(dict.fromkeys(word.plan for _run, word in cause.words))
            say(_("Backed up: {devices}, by {people}, plan {plan}").format(plan=plans, **about))
        elif cause.first:
            say(_("Backed up for the first time: {devices}; author unknown").format(**about))
        else:
            text = _("Backed up: {devices} differs, and nobody applied it; author unknown")
            if cause.failed:
                text = _("Backed up: {devices} differs, and an apply failed there; author unknown")
            OUT.print(Text(text.format(**about), "yellow"))
    for unread in done.unread:
        text = _("{device}: {status}: {reason}; its last backup stays as it is")
        about = {"device": unread.host, "status": _(unread.status), "reason": unread.reason}
        OUT.print(_text("  ! " + text.format(**about), "red"))
    if not brief:
        text = _("{read} devices read, {saved} differed from their last backup.")
        saved = sum(map(len, done.saved.values()))
        say(text.format(read=len(done.read), saved=saved))


def _findings(title: str, findings: Sequence[Finding], town: Town) -> None:
    OUT.rule(Text(f"{title} ({len(findings)})"), align="left")
    about = {f.change.id: f for f in findings}
    _changes([f.change for f in findings], town, about)


def _clock(moment: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M}"


def result(done: Result, *, more_to_come: bool = False) -> None:
    """Print what was applied, and whether it is exactly what was planned.

    With ``more_to_come`` (a round of a bring-up) what is left is the next round's business.
    """
    for outcome in done.outcomes:
        _outcome(outcome)
    count, applied = len(done.plan.changes), len(done.applied) - len(done.extra)
    share = 100 * applied // count if count else 100
    text = _(
        "Planned {planned}, applied as planned {applied} ({share} %),"
        " extra {extra}, missing {missing}."
    )
    say(
        text.format(
            planned=count,
            applied=applied,
            share=share,
            extra=len(done.extra),
            missing=len(done.missing),
        )
    )
    for title, changes in ((_("extra"), done.extra), (_("missing"), done.missing)):
        for change in changes:
            OUT.print(Text(f"  {title}: {change.host} {change.system}: {change.resource}", "red"))
    for left in done.left if not more_to_come else ():
        _left(left)
    for check in done.failing:
        text = f"  {_('fails since')}: {check.host} {check.system}: {check.name}"
        OUT.print(Text(text, "red"))
    if done.stopped:
        OUT.print(Text(done.stopped, "red"))
    if done.ok and not more_to_come:
        OUT.print(Text(_("A second look finds nothing left to do."), "green"))


def stage(kind: str, about: object) -> None:
    """Print the news of a bring-up, see bringup."""
    if kind == "no_vpn":
        say(_("The routers were set up, but some gateways don't answer over the VPN."))
    elif kind == "no_vpn_yet":
        say(_("Some gateways don't answer over the VPN yet: next, those that do let them in."))
    elif isinstance(about, System):
        OUT.rule(Text(f"{about.name} ({about.engine})"), align="left")
    elif isinstance(about, Plan):
        if not about.changes and not about.unread and not about.blind_spots:
            say(_("Nothing to do."))
        for change in about.changes:
            _headline(change)
        _unsure(about)
    elif isinstance(about, Result):
        result(about, more_to_come=True)
    elif kind == "via_wan" and isinstance(about, list):
        say(
            _(
                "Not reachable over the VPN yet, so by way of the gateways' WAN addresses: {hosts}"
            ).format(hosts=", ".join(about))
        )


def lock(found: Lock) -> None:
    """Print who holds the town."""
    OUT.print(Text(str(found), "yellow"))


def status(now: Standing) -> None:
    """Print what is under way, how far it came, what is in doubt and what to do."""
    if now.lock:
        lock(now.lock)
    if now.interrupted:
        _interrupted(now.interrupted)
    elif now.lock is None:
        say(_("No apply is under way."))
    for host, system in now.lost:
        text = _("{host} was lost while {system} was changed: kahya drift asks what became of it")
        OUT.print(Text(text.format(host=host, system=system), "magenta"))
    for entry in now.unreviewed:
        text = _("Glass broken at {at} by {by}, not reviewed yet: {why}. kahya review {number}")
        about = {"by": entry.data["by"], "why": entry.data["reason"]}
        OUT.print(Text(text.format(at=entry.at, number=entry.number, **about), "red"))


def _interrupted(run: Story) -> None:
    text = _("The apply of plan {plan}, begun at {at}, has not ended.")
    OUT.print(Text(text.format(plan=run.plan.id, at=run.at), "yellow"))
    for number, wave in enumerate(run.waves):
        state = _("not begun")
        if number in run.begun:
            state = _("done") if number in run.ended else _("under way")
        say(f"  {state:12} {wave.name}: {', '.join(wave.hosts)}")
    for outcome in run.outcomes.values():
        _outcome(outcome)
    for host, system in run.in_doubt:
        OUT.print(Text(f"  {_('in doubt')}: {host} {system}", "magenta"))
    for spot in run.spots_in_doubt:
        text = _("blind spot {id} may have run: {resource}")
        text = text.format(id=spot.id, resource=spot.resource)
        OUT.print(Text(f"  {_('in doubt')}: {spot.host} {spot.system}, {text}", "magenta"))
    say(_("Go on with kahya resume, or bring the wave under way back with kahya abort."))


def probes(results: Sequence[ProbeResult], *, failed_only: bool = False) -> None:
    """Print every check, or those that did not pass, and a count."""
    for item in results:
        if failed_only and item.status == "passed":
            continue
        colour = "green" if item.status == "passed" else "red"
        OUT.print(
            Text.assemble(
                (f"{_(item.status):8}", colour), f" {item.host} {item.system}: {item.name}"
            )
        )
        for line in item.detail.splitlines()[:DETAIL_LINES]:
            OUT.print(Text("         " + line, "dim"))
    passed = sum(item.status == "passed" for item in results)
    say(_("{passed} of {count} checks passed.").format(passed=passed, count=len(results)))


def systems(town: Town) -> None:
    """Print the table of contents."""
    table = Table(box=None, pad_edge=False)
    for title in (_("system"), _("what"), _("engine"), _("hosts"), _("level"), _("articles")):
        table.add_column(title)
    for system in town.systems:
        hosts = ", ".join(h.name for h in town.hosts_of(system))
        table.add_row(
            system.name,
            system.title.get(_("en"), system.title["en"]),
            system.engine,
            hosts,
            system.level,
            ", ".join(system.controls),
        )
    OUT.print(table)


def _text(text: str, style: str = "") -> Text:
    """Return what others wrote so that all of it can be seen."""
    return Text(text.translate(HIDDEN), style)


def _changes(
    changes: Iterable[Change], town: Town, about: Mapping[str, Finding] | None = None
) -> None:
    for host, group in groupby(changes, key=lambda c: c.host):
        building = town.buildings[town.hosts[host].building].title if host in town.hosts else ""
        OUT.print(Text(f"{host} · {building}", "bold"))
        for change in group:
            _headline(change)
            finding = (about or {}).get(change.id)
            for line in sentences(finding, _, _clock) if finding else ():
                OUT.print(_text("      " + line, "red" if finding and finding.expired else "dim"))
            if finding and finding.waived:
                continue
            for line in filter(None, change.diff.split("\n")):
                OUT.print(_text("      " + line, COLOURS.get(line[:1], "dim")))


def _headline(change: Change) -> None:
    mark, colour = MARKS.get(change.action, ("~", "yellow"))
    notes = [*change.risk, *(f"→ {then}" for then in change.then)]
    notes += [] if change.reversible else [_("not reversible")]
    OUT.print(
        Text.assemble(
            (f"  {mark} ", colour),
            _text(f"{change.host} {change.system}: {change.resource} ({change.action}) "),
            (change.id, "dim"),
            (f"  {' · '.join(notes)}" if notes else "", "magenta"),
        )
    )


def _unsure(made: Plan) -> None:
    for spot in made.blind_spots:
        text = f"  ? {spot.host} {spot.system}: {spot.resource}: {spot.reason}"
        OUT.print(_text(text, "magenta"))
    for unread in made.unread:
        text = f"  ! {unread.host} {unread.system}: {_(unread.status)}: {unread.reason}"
        OUT.print(_text(text, "red"))
    if made.unread:
        counts = Counter(_(p.status) for p in made.unread)
        shown = ", ".join(f"{n} {status}" for status, n in counts.items())
        OUT.print(
            Text(_("Not known, so not counted as in order: {what}.").format(what=shown), "red")
        )


def _outcome(outcome: Outcome) -> None:
    colour = "green" if outcome.status == "applied" else "red"
    count = f" {len(outcome.applied)}" if outcome.applied else ""
    reason = f": {outcome.reason}" if outcome.reason else ""
    OUT.print(
        Text.assemble(
            (f"  {_(outcome.status)}{count}", colour), f" {outcome.host} {outcome.system}{reason}"
        )
    )


def _left(left: HostPlan) -> None:
    if left.status != "ok":
        reason = f"{left.host} {left.system}: {_(left.status)}: {left.reason}"
        OUT.print(Text(f"  {_('not known afterwards')}: {reason}", "red"))
    for change in left.changes:
        OUT.print(Text(f"  {_('left')}: {change.host} {change.system}: {change.resource}", "red"))
