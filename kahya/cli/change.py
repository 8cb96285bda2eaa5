"""Commands that change the estate: apply, status, resume, abort, unlock."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from kahya import console
from kahya.backup import changed, devices
from kahya.bringup import bring_up
from kahya.cli.backup import around
from kahya.cli.common import (
    DIFFERENT,
    ERROR,
    OK,
    Add,
    open_town,
    overdue,
    path,
    print_json,
    show_incidents,
    show_shut,
)
from kahya.emergency import concerned, shut
from kahya.errors import KahyaError
from kahya.i18n import _
from kahya.model import Approval, Plan, Result
from kahya.plan import signature, store
from kahya.standing import Standing
from kahya.story import outcome_data
from kahya.workflow import Workflow


def register(add: Add) -> None:
    """Add the commands of this file."""
    apply = add("apply", _apply, _("apply exactly what a signed plan file says"), scoped=True)
    apply.add_argument("file", type=path, nargs="?")
    apply.add_argument(
        "--break-glass",
        metavar="REASON",
        help=_("apply without the signatures; stays open until someone reviews it"),
    )
    apply.add_argument(
        "--stage-by-stage",
        action="store_true",
        help=_("first bring-up: plan, sign and apply system by system"),
    )
    apply.add_argument(
        "--key",
        type=path,
        action="append",
        default=[],
        metavar="FILE",
        help=_("with --stage-by-stage: sign each plan with this key; may be repeated"),
    )
    add("status", _status, _("tell what is under way, and what waits for a decision"))
    resume = add("resume", _resume, _("go on with the apply that was interrupted"))
    resume.add_argument(
        "--run-again",
        action="append",
        default=[],
        metavar="ID",
        help=_("a blind spot that may have run already; 'all' is all of the plan; may be repeated"),
    )
    add("abort", _abort, _("end the apply that was interrupted, and bring its last wave back"))
    unlock = add("unlock", _unlock, _("take the lock away from an apply that is gone"))
    unlock.add_argument("--yes", action="store_true", help=_("don't ask"))


def _apply(args: argparse.Namespace) -> int:
    if bool(args.file) == args.stage_by_stage or (args.file and (args.limit or args.system)):
        raise KahyaError(
            _("A plan file is applied whole; --limit and --system go with --stage-by-stage."),
            _("Name a file, or use --stage-by-stage on a bare estate."),
        )
    if args.stage_by_stage:
        return _bring_up(args)
    reason = (args.break_glass or "").strip()
    if args.break_glass is not None and not reason:
        raise KahyaError(
            _("breaking the glass needs a reason"), _("Say in a few words why it can't wait.")
        )
    flow, _part = open_town(args)
    plan = store.read(args.file)
    # What differs before it is nobody's work, and must not become its approvers'.
    around(flow, changed(plan))
    return told(flow, flow.apply(plan, store.read_approvals(args.file), reason))


def _bring_up(args: argparse.Namespace) -> int:
    flow, part = open_town(args)
    console.say(
        _(
            "First bring-up: later systems can't be predicted before earlier ones exist,"
            " so each system is planned, signed and applied in turn."
        )
    )

    def sign(plan: Plan) -> list[Approval]:
        approvals = []
        for file in args.key:
            with signature.signing_key(file, flow.approvers) as (who, key):
                approvals.append(signature.approve(plan, who, key))
        return approvals

    done = bring_up(flow, part, sign, console.stage)
    around(flow, [name for name in devices(flow.town) if name in part.hosts])
    console.say(_("All systems are in order.") if done else _("Stopped: see above what is left."))
    return OK if done else ERROR


def _resume(args: argparse.Namespace) -> int:
    flow, _part = open_town(args)
    return told(flow, flow.resume(args.run_again))


def _abort(args: argparse.Namespace) -> int:
    flow, _part = open_town(args)
    result = flow.abort()
    told(flow, result)
    kept = any(outcome.status in ("failed", "unreachable") for outcome in result.outcomes)
    return ERROR if kept else OK


def told(flow: Workflow, result: Result) -> int:
    """Print what became of a plan, back up the devices that it changed; return the exit code."""
    console.result(result)
    around(flow, changed(result.plan))
    return OK if result.ok else ERROR


def _status(args: argparse.Namespace) -> int:
    flow, _part = open_town(args)
    status, late = flow.status(), overdue(flow.town)
    closed = shut(flow.town, flow.journal, concerned(flow.town))
    if args.json:
        cut_off = [asdict(incident) for incident in flow.town.incidents]
        print_json(_as_document(status) | {"cut_off": cut_off, "short_way_shut": closed})
    else:
        console.status(status)
        show_incidents(flow.town)
        show_shut(closed)
    return DIFFERENT if status.open or late else OK


def _as_document(status: Standing) -> dict[str, object]:
    run = status.interrupted
    return {
        "lock": str(status.lock) if status.lock else None,
        "interrupted": run
        and {
            "plan": run.plan.id,
            "at": run.at,
            "waves": [{"name": w.name, "hosts": list(w.hosts)} for w in run.waves],
            "begun": sorted(run.begun),
            "ended": sorted(run.ended),
            "outcomes": [outcome_data(outcome) for outcome in run.outcomes.values()],
            "in_doubt": [list(pair) for pair in run.in_doubt],
            "spots_in_doubt": [asdict(s) | {"id": s.id} for s in run.spots_in_doubt],
        },
        "lost": [list(pair) for pair in status.lost],
        "unreviewed": [{"number": e.number, "at": e.at, **e.data} for e in status.unreviewed],
    }


def _unlock(args: argparse.Namespace) -> int:
    flow, _part = open_town(args)
    lock = flow.status().lock
    if lock is None:
        console.say(_("Nothing is locked."))
        return OK
    console.lock(lock)
    if not args.yes:
        if not sys.stdin.isatty():
            raise KahyaError(_("nobody is there to ask"), _("Use --yes if you are sure."))
        if input(_("Take the lock away? [y/N] ")).strip().lower() not in (_("y"), _("yes")):
            return ERROR
    flow.unlock()
    return OK
