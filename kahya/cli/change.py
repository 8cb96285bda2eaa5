"""Commands that change the estate: apply."""

from __future__ import annotations

import argparse

from kahya import console
from kahya.cli.common import ERROR, OK, Add, open_town, path
from kahya.errors import KahyaError
from kahya.i18n import _
from kahya.plan import store


def register(add: Add) -> None:
    """Add the commands of this file."""
    apply = add("apply", _apply, _("apply exactly what a plan file says"), scoped=True)
    apply.add_argument("file", type=path, nargs="?")
    apply.add_argument(
        "--stage-by-stage",
        action="store_true",
        help=_("first bring-up: plan and apply system by system"),
    )


def _apply(args: argparse.Namespace) -> int:
    if bool(args.file) == args.stage_by_stage or (args.file and (args.limit or args.system)):
        raise KahyaError(
            _("A plan file is applied whole; --limit and --system go with --stage-by-stage."),
            _("Name a file, or use --stage-by-stage on a bare estate."),
        )
    flow, part = open_town(args)
    if args.stage_by_stage:
        console.say(
            _(
                "First bring-up: later systems can't be predicted before earlier ones exist,"
                " so each system is planned and applied in turn."
            )
        )
        done = flow.bring_up(part, console.stage)
        console.say(
            _("All systems are in order.") if done else _("Stopped: see above what is left.")
        )
        return OK if done else ERROR
    result = flow.apply_plan(store.read(args.file))
    console.result(result)
    return OK if result.ok else ERROR
