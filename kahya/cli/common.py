"""What the commands share: the town, the part of it, exit codes."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from kahya import console
from kahya.drift import Pair
from kahya.errors import InventoryError
from kahya.firewall import review
from kahya.i18n import _
from kahya.inventory import load, project_root, state_folder
from kahya.journal import Journal, address
from kahya.model import Incident, Plan, Town
from kahya.plan import markdown, policy, store
from kahya.plan.document import to_document
from kahya.scope import Scope, scope
from kahya.workflow import Workflow

OK, ERROR, DIFFERENT, UNKNOWN = 0, 1, 2, 3
Command = Callable[[argparse.Namespace], int]


class Add(Protocol):
    """Adds a command to the parser and returns its own, for its own arguments."""

    def __call__(
        self,
        name: str,
        run: Command,
        about: str,
        *,
        scoped: bool = False,
        to: argparse._SubParsersAction[argparse.ArgumentParser] | None = None,
    ) -> argparse.ArgumentParser:
        """``scoped``: the command takes --limit and --system; ``to``: it is a part of another."""
        ...


def open_town(args: argparse.Namespace) -> tuple[Workflow, Scope]:
    town = load(town_directory(args))
    journal = open_journal(town)
    return Workflow(town, journal, progress(args)), scope(town, args.limit, args.system)


def progress(args: argparse.Namespace) -> Callable[[str, str, str], None]:
    return console.quiet if args.json or args.quiet else console.progress


def open_journal(town: Town) -> Journal:
    """Open the town's journal: a file in its state folder, or where it says."""
    return Journal.in_folder(state_folder(town), address(town))


def show_plan(plan: Plan, town: Town, args: argparse.Namespace) -> None:
    if args.json:
        print_json(to_document(plan))
    elif args.markdown:
        sys.stdout.write(markdown.render(plan, town))
    else:
        console.plan(plan, town)


def finish_plan(plan: Plan, town: Town, args: argparse.Namespace) -> int:
    """Write and show a plan that was just made; return the exit code that tells what it says."""
    if args.out:
        store.write(plan, args.out)
    show_plan(plan, town, args)
    if any(change.system in review.SYSTEMS for change in plan.changes):
        console.remarks([r for r in review.remarks(town) if r.level == "warning"])
    refused = policy.refusals(plan, town)
    console.refusals(refused)
    if args.out and not args.json and not args.markdown:
        console.say(
            _("Written to {path}. Next: kahya approve {path}, then kahya apply {path}").format(
                path=args.out
            )
        )
    return (
        ERROR if plan.unread or refused else DIFFERENT if plan.changes or plan.blind_spots else OK
    )


def show_incidents(town: Town) -> None:
    """Print what is cut off until it is lifted."""
    late = overdue(town)
    for one in town.incidents:
        text = _("Cut off: {what}, by {by} on {since}: {reason}").format_map(vars(one))
        text += _(" (until {day})").format(day=one.until) if one.until else ""
        past = _("; its last day is over: kahya lift {what}").format(what=one.what)
        console.line(text + past * (one in late), "red" if one in late else "")


def show_shut(found: Mapping[str, Sequence[Pair]]) -> None:
    """Print where a block or isolation would need the usual signatures, and what mends that."""
    for why, pairs in found.items():
        where = ", ".join(dict.fromkeys(f"{host} {system}" for host, system in pairs))
        text = _("The short way of incidents is shut on {where}: {why}.")
        console.line(text.format(where=where, why=why), "yellow")
    if found:
        console.say(
            _("An apply of anything there opens it, such as a drill: docs/runbooks/incident.md")
        )


def overdue(town: Town) -> list[Incident]:
    """Return what is past its last day and still cut off."""
    return [one for one in town.incidents if one.overdue(time.strftime("%Y-%m-%d"))]


def print_json(document: object) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def town_directory(args: argparse.Namespace) -> Path:
    """Return the town's folder: -i, or KAHYA_TOWN, or what the nearest kahya.toml says."""
    if args.inventory or os.environ.get("KAHYA_TOWN"):
        return _use_config(Path(args.inventory or os.environ["KAHYA_TOWN"]))
    here = Path.cwd()
    for folder in (here, *here.parents):
        settings = folder / "kahya.toml"
        if settings.is_file():
            try:
                town = tomllib.loads(settings.read_text(encoding="utf-8"))["town"]
            except (KeyError, ValueError) as error:
                message = _("{file} names no town: {error}").format(file=settings, error=error)
                raise InventoryError(message, _('Write town = "inventories/<town>".')) from error
            return _use_config(folder / town)
    raise InventoryError(
        _("no town is named"), _("Use -i inventories/<town>, or write kahya.toml.")
    )


def _use_config(directory: Path) -> Path:
    """Work from the checkout's own folder: Ansible and its settings know paths from there."""
    directory = directory.resolve()
    if directory.is_dir():
        root = project_root(directory)
        os.environ.setdefault("ANSIBLE_CONFIG", str(root / "ansible.cfg"))
        os.chdir(root)
    return directory


def path(text: str) -> Path:
    return Path(text).absolute()  # as seen from where the command was called
