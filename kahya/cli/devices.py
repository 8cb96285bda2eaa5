"""Commands about network devices: compliance, facts."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import groupby

from rich.table import Table

from kahya import console, devices
from kahya.audit import Audit, Breach, together
from kahya.cabling import CABLE_STATES, Wiring
from kahya.cli.common import DIFFERENT, OK, UNKNOWN, Add, print_json, progress, town_directory
from kahya.finding import excuse
from kahya.i18n import _
from kahya.inventory import load
from kahya.model import Town
from kahya.scope import Scope, scope

COLOURS = {"seen": "green", "missing": "red", "undeclared": "yellow", "unknown": "magenta"}


def register(add: Add) -> None:
    """Add the commands of this file."""
    compliance = add(
        "compliance",
        _compliance,
        _("hold network devices against hardening rules (exit codes as drift)"),
        scoped=True,
    )
    compliance.add_argument(
        "--intended",
        action="store_true",
        help=_("look at what the templates render, without any device"),
    )
    add(
        "facts",
        _facts,
        _("compare network devices and their cables with the inventory (exit codes as drift)"),
        scoped=True,
    )


def _compliance(args: argparse.Namespace) -> int:
    town, part = _open(args)
    if args.intended:
        found = devices.intended(town, part)
    else:
        found = devices.compliance(town, part, progress(args))
    if args.json:
        breaches = [breach.document for breach in found.breaches]
        rules = dict(found.checked)
        print_json({"breaches": breaches, "unknown": _unknown(found.unread), "rules": rules})
    else:
        _show_audit(found)
    return audit_verdict(found)


def audit_verdict(found: Audit) -> int:
    return UNKNOWN if found.unread else DIFFERENT if found.open else OK


def _facts(args: argparse.Namespace) -> int:
    town, part = _open(args)
    found = devices.facts(town, part, progress(args))
    if args.json:
        print_json(
            {
                "devices": [asdict(device) for device in found.devices],
                "cables": [asdict(cable) for cable in found.cables],
                "differences": [
                    {"host": d.host, "port": d.port, "difference": d.sentence(_)}
                    for d in found.differences
                ],
                "unknown": _unknown(found.unread),
            }
        )
    else:
        _show_wiring(found)
    return wiring_verdict(found)


def wiring_verdict(found: Wiring) -> int:
    return UNKNOWN if found.unknown else DIFFERENT if found.differences else OK


def _open(args: argparse.Namespace) -> tuple[Town, Scope]:
    town = load(town_directory(args))
    return town, devices.only(town, scope(town, args.limit, args.system))


def _show_audit(found: Audit) -> None:
    """Print every rule that a device breaks, what must go and what to write instead."""
    for host, group in groupby(found.breaches, key=lambda breach: breach.host):
        console.line(host, "bold")
        for breach, sections in together(group):
            _show_breach(breach, sections)
    _show_unread(found.unread)
    waived = len(found.breaches) - len(found.open)
    text = _("{count} rules broken on {hosts} devices, {waived} waived; {rules} rules looked at.")
    hosts, rules = {breach.host for breach in found.open}, sum(found.checked.values())
    counts = {"count": len(found.open), "hosts": len(hosts), "waived": waived, "rules": rules}
    console.say(text.format(**counts))


def _show_breach(breach: Breach, sections: Sequence[str]) -> None:
    rule, language = breach.rule, _("en")
    mark, colour = ("◇", "yellow") if breach.waived else ("✗", "red")
    console.line(" · ".join([f"  {mark} {rule.id}: {rule.title[language]}", *sections]), colour)
    if breach.waiver:
        console.line("      " + excuse(breach.waiver, _, expired=breach.expired), "dim")
    if not breach.waived:
        for line in breach.lines:
            console.line(f"      - {line}", "red")
        for line in rule.write.splitlines():
            console.line(f"      + {line}", "green")
        console.line(f"      {rule.why[language]} ({', '.join(rule.reference)})", "dim")


def _show_wiring(found: Wiring) -> None:
    """Print what devices say of themselves, their cables, and what is not as declared."""
    table = Table(box=None, pad_edge=False)
    for title in (_("Machine"), _("Model"), _("Version"), _("Serial number"), _("Ports up")):
        table.add_column(title)
    for device in found.devices:
        up = f"{sum(port.up for port in device.ports.values())} / {len(device.ports)}"
        model = f"{device.vendor} {device.model}"
        table.add_row(device.host, model, device.os_version, device.serial, up)
    console.OUT.print(table)
    for cable in found.cables:
        mark, words = CABLE_STATES[cable.state]
        ends = f"{cable.host} {cable.port} – {cable.far_end}"
        console.line(f"  {mark} {ends}: {_(words)}", COLOURS[cable.state])
    for difference in found.differences:
        console.line(f"  ! {difference.host} {difference.sentence(_)}", "red")
    _show_unread(found.unread)
    text = _("{devices} devices read, {cables} cables, {differences} differences.")
    counts = {"cables": len(found.cables), "differences": len(found.differences)}
    console.say(text.format(devices=len(found.devices), **counts))


def _show_unread(unread: Mapping[str, str]) -> None:
    for host, why in unread.items():
        console.line(f"  ? {host}: {_('not known')}: {why}", "magenta")


def _unknown(unread: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"host": host, "reason": why} for host, why in unread.items()]
