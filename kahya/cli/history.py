"""Commands that read the journal: history, and its show, verify and export."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

from kahya import console
from kahya.cli.common import ERROR, OK, Add, open_journal, path, print_json, town_directory
from kahya.errors import JournalError
from kahya.i18n import _
from kahya.inventory import load, state_folder
from kahya.journal import Anchor, Entry, Journal
from kahya.journal.export import KINDS, Exporter
from kahya.model import Town
from kahya.plan import store

SHOWN = 20
PAGE = 200  # entries that are in memory at once
PEOPLE = ("by", "approver", "reviewer", "person", "owner")


def register(add: Add) -> None:
    """Add the commands of this file."""
    history = add("history", _list, _("tell what was planned, decided and done"))
    history.add_argument(
        "-n", type=_count, default=SHOWN, metavar="N", help=_("the last N entries (default: 20)")
    )
    history.add_argument("--kind", metavar="KIND", help=_("entries of one kind, such as applied"))
    parts = history.add_subparsers(metavar="COMMAND")
    show = add("show", _show, _("show one entry, or all entries of one plan"), to=parts)
    show.add_argument("name", metavar="NUMBER_OR_PLAN")
    verify = add("verify", _verify, _("check that nothing was altered or removed"), to=parts)
    verify.add_argument(
        "plans", type=path, nargs="*", metavar="PLAN", help=_("plan files that remember it")
    )
    export = add("export", _export, _("print what is new as JSON lines, for a SIEM"), to=parts)
    export.add_argument(
        "--after",
        type=_count,
        metavar="N",
        help=_("from another entry on; 0 is from the beginning"),
    )


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(_("{text} is not a number").format(text=repr(text)))
    return int(text)


def _list(args: argparse.Namespace) -> int:
    _town, journal = _open(args)
    _print(reversed(journal.latest(args.n, args.kind)), args)
    return OK


def _show(args: argparse.Namespace) -> int:
    _town, journal = _open(args)
    single = journal.find(int(args.name)) if args.name.isdecimal() else None
    found = [single] if single else journal.entries(plan=args.name)
    if not found:
        message = _("the journal has no entry and no plan {name}").format(name=args.name)
        raise JournalError(message, _("kahya history lists them."))
    if args.json:
        print_json(vars(single) if single else [vars(entry) for entry in found])
        return OK
    _print(found, args)
    if single:
        console.say(f"{single.previous or '–'} → {single.digest}\n")
        console.say(yaml.dump(single.data, Dumper=_Readable, allow_unicode=True, sort_keys=False))
    return OK


def _verify(args: argparse.Namespace) -> int:
    _town, journal = _open(args)
    anchors = [Anchor(str(file), store.read(file).journal) for file in args.plans]
    failures, head = journal.verify(anchors), journal.head()
    if args.json:
        print_json({"head": head, "failures": [vars(failure) for failure in failures]})
    for failure in failures if not args.json else ():
        console.error(JournalError(str(failure)))
    if failures:
        return ERROR
    if not args.json:
        console.say(_("The journal is sound. Its head is {head}.").format(head=head))
    return OK


def _export(args: argparse.Namespace) -> int:
    town, journal = _open(args)
    memory = state_folder(town) / "journal.export"
    exporter = Exporter(town.name)
    after, last = args.after, ""
    if after is None:
        after = _recall(memory, journal, exporter)
    else:  # what differed until then is told by the looks before
        for entry in journal.entries("observed") if after else ():
            if entry.number <= after:
                list(exporter.lines([entry]))
    while batch := journal.entries(*KINDS, after=after, limit=PAGE):
        for line in exporter.lines(batch):
            sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
        after, last = batch[-1].number, batch[-1].head
    sys.stdout.flush()  # what did not arrive is told again next time
    if last and args.after is None:
        _remember(memory, {"head": last, "drift": exporter.drift})
    return OK


def _recall(memory: Path, journal: Journal, exporter: Exporter) -> int:
    """Return the number of the entry with which the last export ended.

    Raises:
        JournalError: that entry isn't in the journal any more.
    """
    if not memory.exists():
        return 0
    told = json.loads(memory.read_text(encoding="utf-8"))
    exporter.drift |= told["drift"]
    number = int(told["head"].partition(":")[0])
    entry = journal.find(number)
    if entry is None or entry.head != told["head"]:
        message = _("entry {number}, the last one exported, is no longer what it was")
        raise JournalError(
            message.format(number=number), _("kahya history verify tells what else is wrong.")
        )
    return number


def _remember(memory: Path, told: dict[str, object]) -> None:
    ready = memory.with_suffix(".new")
    ready.write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
    ready.replace(memory)


def _open(args: argparse.Namespace) -> tuple[Town, Journal]:
    town = load(town_directory(args))
    return town, open_journal(town)


def _print(entries: Iterable[Entry], args: argparse.Namespace) -> None:
    """Print a line for each entry: when, which plan, what, who."""
    from kahya.report.events import Event, sentence

    rows = []
    for entry in entries:
        what, _fine = sentence(Event(entry.at, entry.kind, entry.plan, entry.data), _)
        who = ", ".join(str(entry.data[name]) for name in PEOPLE if entry.data.get(name))
        rows.append(
            {"number": entry.number, "at": entry.at, "kind": entry.kind, "plan": entry.plan}
            | {"what": what, "who": who, "digest": entry.digest}
        )
    if args.json:
        print_json(rows)
        return
    for row in rows:
        who = "" if not row["who"] or str(row["who"]) in str(row["what"]) else f" ({row['who']})"
        plan = row["plan"] or "–"
        console.say(f"{row['number']:>6}  {row['at']}  {plan:19}  {row['what']}{who}")


class _Readable(yaml.SafeDumper):
    """YAML in which a diff stands line by line."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, "|" if "\n" in text else None)


_Readable.add_representer(str, _text)
