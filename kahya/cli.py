"""The command line: parse, print, exit codes. The only module that prints or exits."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tomllib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from kahya import console
from kahya.errors import InventoryError, KahyaError
from kahya.i18n import LANGUAGES, _, default_language, set_language
from kahya.inventory import examine, load, project_root
from kahya.journal import Journal
from kahya.model import Plan, Town
from kahya.plan import store
from kahya.plan.document import to_document
from kahya.workflow import Scope, Workflow, scope, state_folder

OK, ERROR, DIFFERENT, UNKNOWN = 0, 1, 2, 3
EVENTS_IN_REPORT = 20
Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that ``arguments`` (default: those of the process) ask for, and exit."""
    # A stop by a timer or a service ends like any other: nothing private stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    words = list(sys.argv[1:] if arguments is None else arguments)
    set_language(_language(words))  # before the parser is made: its help is translated too
    try:
        args = _parser().parse_args(words)
    except SystemExit as usage:  # argparse would end with 2, which means "changes" here
        sys.exit(ERROR if usage.code else OK)
    try:
        code = args.command(args)
    except KahyaError as error:
        console.error(error)
        code = ERROR
    except KeyboardInterrupt:
        console.error(
            KahyaError(_("Stopped. What was already applied stays; run kahya plan to see."))
        )
        code = 130
    sys.exit(code)


def _validate(args: argparse.Namespace) -> int:
    directory = _town_directory(args)
    town, problems = examine(directory)
    console.problems(problems)
    if town is None:
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
    flow, part = _open(args)
    plan = flow.make_plan(part)
    if args.out:
        store.write(plan, args.out)
    _show_plan(plan, flow.town, args)
    if args.out and not args.json:
        console.say(_("Written to {path}. Apply it with: kahya apply {path}").format(path=args.out))
    return ERROR if plan.unread else DIFFERENT if plan.changes or plan.blind_spots else OK


def _show(args: argparse.Namespace) -> int:
    _show_plan(store.read(args.file), load(_town_directory(args)), args)
    return OK


def _apply(args: argparse.Namespace) -> int:
    if bool(args.file) == args.stage_by_stage or (args.file and (args.limit or args.system)):
        raise KahyaError(
            _("A plan file is applied whole; --limit and --system go with --stage-by-stage."),
            _("Name a file, or use --stage-by-stage on a bare estate."),
        )
    flow, part = _open(args)
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


def _drift(args: argparse.Namespace) -> int:
    flow, part = _open(args)
    plan = flow.check_drift(part)
    if args.out:
        store.write(plan, args.out)
    if args.json:
        _print_json(to_document(plan))
    else:
        console.drift(plan, flow.town)
    return _verdict(plan)


def _probe(args: argparse.Namespace) -> int:
    flow, part = _open(args)
    results = flow.run_probes(part)
    console.probes(results, failed_only=args.quiet)
    return OK if results and all(r.status == "passed" for r in results) else ERROR


def _report(args: argparse.Namespace) -> int:
    from kahya import report

    flow, part = _open(args)
    drift, results = flow.examine(part)
    events = [
        report.Event(e.at, e.kind, e.plan, e.data) for e in flow.journal.latest(EVENTS_IN_REPORT)
    ]
    pages = report.write(flow.town, drift, results, events, args.out, datetime.now(UTC))
    console.drift(drift, flow.town)
    console.probes(results, failed_only=True)
    for page in pages:
        console.say(str(page))
    passed = all(result.status == "passed" for result in results)
    return _verdict(drift) or (OK if passed else DIFFERENT)


def _verdict(drift: Plan) -> int:
    """Return the exit code of a look for drift: what is unknown outweighs what is found."""
    if drift.unread or drift.blind_spots:
        return UNKNOWN
    return DIFFERENT if drift.changes else OK


def _systems(args: argparse.Namespace) -> int:
    console.systems(load(_town_directory(args)))
    return OK


def _open(args: argparse.Namespace) -> tuple[Workflow, Scope]:
    town = load(_town_directory(args))
    journal = Journal.in_folder(state_folder(town))
    progress = console.quiet if args.json or args.quiet else console.progress
    return Workflow(town, journal, progress), scope(town, args.limit, args.system)


def _show_plan(plan: Plan, town: Town, args: argparse.Namespace) -> None:
    if args.json:
        _print_json(to_document(plan))
    else:
        console.plan(plan, town)


def _print_json(document: object) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def _town_directory(args: argparse.Namespace) -> Path:
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


def _language(words: Sequence[str]) -> str:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--lang", choices=LANGUAGES, default=default_language())
    return str(parser.parse_known_args(words)[0].lang)


def _path(text: str) -> Path:
    return Path(text).absolute()  # as seen from where the command was called


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("-i", "--inventory", metavar="DIR", help=_("the town, inventories/<town>"))
    common.add_argument("--lang", choices=LANGUAGES, help=_("language (default: from the locale)"))
    common.add_argument("--json", action="store_true", help=_("print one JSON document"))
    common.add_argument("-q", "--quiet", action="store_true", help=_("don't show progress"))
    # The same options before and after the command: the second must not undo the first.
    parser = argparse.ArgumentParser(
        prog="kahya",
        description=_("The steward of a municipality's IT estate."),
        parents=[common],
    )
    parser.set_defaults(inventory=None, json=False, quiet=False)
    part = argparse.ArgumentParser(add_help=False, parents=[common])
    part.add_argument(
        "--limit",
        default="",
        metavar="PATTERN",
        help=_("hosts, buildings or groups, joined by commas"),
    )
    part.add_argument(
        "--system",
        action="append",
        default=[],
        metavar="NAME",
        help=_("a system of systems.yml; may be repeated"),
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        name: str, run: Command, about: str, parent: argparse.ArgumentParser
    ) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=about, description=about, parents=[parent])
        made.set_defaults(command=run)
        return made

    command("validate", _validate, _("check the inventory and list every error"), common)
    plan = command("plan", _plan, _("say exactly what would change (0 nothing, 2 changes)"), part)
    plan.add_argument("--out", type=_path, metavar="FILE", help=_("write the plan to a file"))
    show = command("show", _show, _("show a plan file"), common)
    show.add_argument("file", type=_path)
    apply = command("apply", _apply, _("apply exactly what a plan file says"), part)
    apply.add_argument("file", type=_path, nargs="?")
    apply.add_argument(
        "--stage-by-stage",
        action="store_true",
        help=_("first bring-up: plan and apply system by system"),
    )
    drift = command("drift", _drift, _("find what differs now (0 none, 2 drift, 3 unknown)"), part)
    drift.add_argument("--out", type=_path, metavar="FILE", help=_("write the plan of its repair"))
    command("probe", _probe, _("check that the systems do their work"), part)
    report = command("report", _report, _("check everything and write the report"), part)
    report.add_argument(
        "--out",
        type=_path,
        default=_path("report"),
        metavar="DIR",
        help=_("the folder to write to (default: report)"),
    )
    command("systems", _systems, _("list what is kept in order, and where"), common)
    return parser
