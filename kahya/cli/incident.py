"""Commands for incidents: block, isolate, lift, blocks. Hosts are changed by a plan, as ever."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from kahya import checkout, console, incidents
from kahya.cli.approval import ask, tell_missing
from kahya.cli.change import told
from kahya.cli.common import (
    DIFFERENT,
    ERROR,
    OK,
    Add,
    open_journal,
    open_town,
    overdue,
    path,
    print_json,
    show_incidents,
    show_shut,
    town_directory,
)
from kahya.emergency import concerned, hindrances, shut
from kahya.errors import InventoryError, PlanError
from kahya.i18n import _
from kahya.inventory import load, project_root, state_folder
from kahya.inventory_feeds import POINTER
from kahya.model import Approval, Plan
from kahya.plan import gate, policy, signature, store
from kahya.workflow import Workflow


def register(add: Add) -> None:
    """Add the commands of this file."""
    block = add("block", _block, _("cut off an address, domain or URL everywhere"), scoped=True)
    block.add_argument("what", metavar="ADDRESS|DOMAIN|URL")
    text = _("cut off a host of the town from all but the workstations")
    isolate = add("isolate", _isolate, text, scoped=True)
    isolate.add_argument("what", metavar="HOST")
    lift = add("lift", _lift, _("let through what was cut off"), scoped=True)
    lift.add_argument("what")
    for command in (block, isolate):
        command.add_argument(
            "--until", default="", metavar="DAY", help=_("last day that it is meant for")
        )
    for command in (block, isolate, lift):
        command.add_argument("--reason", required=True, help=_("why, in one sentence"))
        command.add_argument(
            "--apply", action="store_true", help=_("commit, plan, sign and apply it at once")
        )
        command.add_argument("--key", type=path, metavar="FILE", help=_("with --apply: your key"))
        command.add_argument("--yes", action="store_true", help=_("don't ask"))
    add("blocks", _list, _("tell what is cut off (2: something is past its last day)"))


def _block(args: argparse.Namespace) -> int:
    return _cut_off(args, "blocked")


def _isolate(args: argparse.Namespace) -> int:
    return _cut_off(args, "isolated")


def _cut_off(args: argparse.Namespace, part: str) -> int:
    directory, since = _place(args), datetime.now(UTC).strftime(signature.FORM)
    about = {"reason": args.reason, "by": checkout.person(project_root(directory))}
    about |= {"since": since, "until": args.until}
    return _told(args, part, incidents.cut_off(directory, part, args.what, about))


def _lift(args: argparse.Namespace) -> int:
    return _told(args, "lifted", incidents.lift(_place(args), args.what))


def _place(args: argparse.Namespace) -> Path:
    """Return the town's folder; with --apply nobody's lists may wait in it for a commit."""
    directory = town_directory(args)
    root = project_root(directory)
    pending = (checkout.changed(root, "HEAD") if args.apply else None) or ()
    if (pointer := str((directory / POINTER).relative_to(root))) in pending:
        raise InventoryError(
            _("{path} holds what was not committed, and would go along").format(path=pointer),
            _("Commit it, or take it back with git checkout."),
        )
    return directory


def _told(args: argparse.Namespace, state: str, written: incidents.Written) -> int:
    """Write down what was decided, and either carry it out or say how."""
    root, town = project_root(Path(written.town.directory)), written.town
    about = {"what": written.name, "state": state, "reason": args.reason}
    open_journal(town).record("incident", "", about | {"by": checkout.person(root)})
    if not args.apply:
        systems = " ".join(f"--system {name}" for name in written.takers)
        paths = ", ".join(str(file.relative_to(town.directory)) for file in written.files)
        text = _("Written: {files}. Next: commit them, then kahya plan {systems} --out FILE")
        console.say(text.format(files=paths, systems=systems))
        return OK
    checkout.record(root, written.files, f"{written.name}: {state}: {args.reason}")
    args.system = args.system or written.takers
    flow, part = open_town(args)
    plan = flow.make_plan(part)
    console.plan(plan, flow.town)
    if not (plan.changes or plan.unread):
        return OK
    return _carry_out(flow, plan, args)


def _carry_out(flow: Workflow, plan: Plan, args: argparse.Namespace) -> int:
    """Sign and apply ``plan`` if that is enough; else keep it for those who have to sign it."""
    now = datetime.now(UTC)
    if against := gate.obstacles(plan, flow.town, now, lambda _seal: False):
        raise PlanError("\n".join(against), _("Nothing was signed."))
    if against := hindrances(plan, flow.town, flow.journal):
        for why in against:
            console.say(_("No emergency: {why}.").format(why=why))
        return _keep(flow, plan)
    with signature.signing_key(args.key, flow.approvers) as (who, key):
        signers = [policy.Signer(who)]
        if useless := policy.never_counts(signers[0], plan, flow.town, emergency=True):
            console.say("\n".join(useless))
            return _keep(flow, plan)
        missing = policy.missing(plan, flow.town, signers, emergency=True)
        tell_missing(missing)
        ask(args)
        signed = signature.approve(plan, who, key)
    spots = list(signed.blind_spots)
    flow.journal.record("approved", plan.id, asdict(signed) | {"blind_spots": spots})
    return _keep(flow, plan, signed) if missing else told(flow, flow.apply(plan, [signed]))


def _keep(flow: Workflow, plan: Plan, *signed: Approval) -> int:
    """Write ``plan`` to a file, with the signatures under it, and say how it goes on."""
    file = state_folder(flow.town) / f"incident-{plan.seal[:16]}.json"
    store.write(plan, file)
    for approval in signed:
        store.write_approval(approval, file)
    text = _("It waits for others: kahya approve {path}, then kahya apply {path}")
    console.say(text.format(path=file))
    return ERROR


def _list(args: argparse.Namespace) -> int:
    town = load(town_directory(args), lists=False)
    if args.json:
        print_json([asdict(incident) for incident in town.incidents])
    else:
        show_incidents(town)
        if not town.incidents:
            console.say(_("Nothing is cut off."))
        show_shut(shut(town, open_journal(town), concerned(town)))
    return DIFFERENT if overdue(town) else OK
