"""Commands that look: validate, systems, plan, show, drift, probe, report."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from kahya import console, devices
from kahya.cli.common import (
    DIFFERENT,
    ERROR,
    OK,
    UNKNOWN,
    Add,
    finish_plan,
    open_town,
    path,
    print_json,
    show_plan,
    town_directory,
)
from kahya.cli.devices import audit_verdict, wiring_verdict
from kahya.finding import Look
from kahya.firewall import review
from kahya.i18n import _
from kahya.inventory import examine, load
from kahya.plan import store
from kahya.plan.document import to_document

EVENTS_IN_REPORT = 20


def register(add: Add) -> None:
    """Add the commands of this file."""
    add("validate", _validate, _("check the inventory and list every error"))
    plan = add(
        "plan", _plan, _("say exactly what would change (0 nothing, 2 changes)"), scoped=True
    )
    plan.add_argument("--out", type=path, metavar="FILE", help=_("write the plan to a file"))
    show = add("show", _show, _("show a plan file"))
    show.add_argument("file", type=path)
    for command in (plan, show):
        command.add_argument(
            "--markdown", action="store_true", help=_("print it as a comment for a merge request")
        )
    drift = add(
        "drift",
        _drift,
        _("find what differs now (0 none, 2 drift or pending, 3 unknown)"),
        scoped=True,
    )
    drift.add_argument("--out", type=path, metavar="FILE", help=_("write the plan of its repair"))
    add("probe", _probe, _("check that the systems do their work"), scoped=True)
    report = add("report", _report, _("check everything and write the report"), scoped=True)
    report.add_argument(
        "--out",
        type=path,
        default=path("report"),
        metavar="DIR",
        help=_("the folder to write to (default: report)"),
    )
    add("systems", _systems, _("list what is kept in order, and where"))


def _validate(args: argparse.Namespace) -> int:
    directory = town_directory(args)
    town, problems = examine(directory)
    console.problems(problems)
    if town is None:
        return ERROR
    console.remarks(remarks := review.remarks(town))
    if any(remark.level == "error" for remark in remarks):
        return ERROR
    console.say(
        _("{town}: {buildings} buildings, {hosts} hosts, {systems} systems: in order.").format(
            town=town.title,
            buildings=len(town.buildings),
            hosts=len(town.hosts),
            systems=len(town.systems),
        )
    )
    return OK


def _plan(args: argparse.Namespace) -> int:
    flow, part = open_town(args)
    return finish_plan(flow.make_plan(part), flow.town, args)


def _show(args: argparse.Namespace) -> int:
    show_plan(store.read(args.file), load(town_directory(args)), args)
    return OK


def _drift(args: argparse.Namespace) -> int:
    flow, part = open_town(args)
    look = flow.check_drift(part)
    if args.out:
        store.write(look.plan, args.out)
    if args.json:
        print_json(to_document(look.plan) | look.document)
    else:
        console.drift(look, flow.town)
    return _verdict(look)


def _probe(args: argparse.Namespace) -> int:
    flow, part = open_town(args)
    results = flow.probe(part.pairs)
    console.probes(results, failed_only=args.quiet)
    return OK if results and all(r.status == "passed" for r in results) else ERROR


def _report(args: argparse.Namespace) -> int:
    from kahya import report

    flow, part = open_town(args)
    look, results = flow.examine(part)
    events = [
        report.Event(e.at, e.kind, e.plan, e.data) for e in flow.journal.latest(EVENTS_IN_REPORT)
    ]
    network = report.Network()
    if devices.devices(flow.town, part):
        network = report.Network(*devices.examine(flow.town, part, flow.progress))
    pages = report.write(flow.town, look, results, events, args.out, datetime.now(UTC), network)
    console.drift(look, flow.town)
    console.probes(results, failed_only=True)
    for page in pages:
        console.say(str(page))
    passed = all(result.status == "passed" for result in results)
    verdicts = _verdict(look), audit_verdict(network.audit), wiring_verdict(network.wiring)
    return max(*verdicts, OK if passed else DIFFERENT)  # unknown outweighs what is found


def _verdict(look: Look) -> int:
    """Return the exit code of a look for drift: what is unknown outweighs what is found."""
    if look.plan.unread or look.plan.blind_spots:
        return UNKNOWN
    return OK if len(look.waived) == len(look.findings) else DIFFERENT


def _systems(args: argparse.Namespace) -> int:
    console.systems(load(town_directory(args)))
    return OK
