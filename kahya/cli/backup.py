"""Commands about the devices' backups: backup, restore; and the backup around an apply."""

from __future__ import annotations

import argparse
from collections.abc import Collection

from kahya import backup, console
from kahya.cli.common import OK, UNKNOWN, Add, finish_plan, open_town, path, print_json
from kahya.errors import KahyaError
from kahya.i18n import _
from kahya.scope import Scope
from kahya.workflow import Workflow


def register(add: Add) -> None:
    """Add the commands of this file."""
    add("backup", _backup, _("keep the devices' configurations in git"), scoped=True)
    restore = add("restore", _restore, _("plan that a device gets an older configuration back"))
    restore.add_argument("device", metavar="DEVICE")
    restore.add_argument("revision", metavar="REV", help=_("of the backups, as git names it"))
    restore.add_argument("--out", type=path, metavar="FILE", help=_("write the plan to a file"))


def _backup(args: argparse.Namespace) -> int:
    flow, part = open_town(args)
    names = [name for name, (_host, system) in backup.devices(flow.town).items()
             if name in part.hosts and system in part.systems]  # fmt: skip
    if not names:
        raise _no_device(flow)
    done = backup.take(flow.town, flow.journal, names, flow.progress)
    if args.json:
        print_json(
            {
                "read": list(done.read),
                "unread": {p.host: {"status": p.status, "reason": p.reason} for p in done.unread},
                "saved": [
                    {"devices": list(devices), "approvers": list(cause.people)}
                    | {"plans": [word.plan for _run, word in cause.words], "first": cause.first}
                    for cause, devices in done.saved.items()
                ],
            }
        )
    else:
        console.backup(done)
    return UNKNOWN if done.unread else OK


def _restore(args: argparse.Namespace) -> int:
    flow, _part = open_town(args)
    every = backup.devices(flow.town)
    if args.device not in every:
        raise _no_device(flow)
    _host, system = every[args.device]
    commit = backup.revision(flow.town, args.device, args.revision)
    part = Scope((args.device,), (system,))
    return finish_plan(flow.make_plan(part, restores={args.device: commit}), flow.town, args)


def _no_device(flow: Workflow) -> KahyaError:
    names = ", ".join(backup.devices(flow.town)) or "–"
    return KahyaError(_("no such device"), _("There are: {names}.").format(names=names))


def around(flow: Workflow, names: Collection[str]) -> None:
    """Back up devices before or after an apply; what fails is told, and stops nothing."""
    # A plan may name what the town no longer has: that it is refused for it comes later.
    every = backup.devices(flow.town)
    if not (known := [name for name in names if name in every]):
        return
    try:
        console.backup(backup.take(flow.town, flow.journal, known, flow.progress), brief=True)
    except KahyaError as error:
        text = _("not backed up, which changes nothing else: {error}")
        console.error(KahyaError(text.format(error=error), error.hint))
