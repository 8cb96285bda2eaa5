"""The commands, their options and their help."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from kahya.cli import (
    accesslog,
    approval,
    backup,
    change,
    devices,
    estate,
    feeds,
    firewall,
    history,
    incident,
    keys,
)
from kahya.cli.common import Add, Command
from kahya.i18n import LANGUAGES, _, default_language


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line, in the language that is set."""
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("-i", "--inventory", metavar="DIR", help=_("the town, inventories/<town>"))
    common.add_argument("--lang", choices=LANGUAGES, help=_("language (default: from the locale)"))
    common.add_argument("--json", action="store_true", help=_("print one JSON document"))
    common.add_argument("-q", "--quiet", action="store_true", help=_("don't show progress"))
    # The same options before and after the command: the second must not undo the first.
    made = argparse.ArgumentParser(
        prog="kahya",
        description=_("The steward of a municipality's IT estate."),
        parents=[common],
    )
    made.set_defaults(inventory=None, json=False, quiet=False, limit="", system=[], markdown=False)
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
    commands = made.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str,
        run: Command,
        about: str,
        *,
        scoped: bool = False,
        to: argparse._SubParsersAction[argparse.ArgumentParser] | None = None,
    ) -> argparse.ArgumentParser:
        parent = part if scoped else common
        command = (to or commands).add_parser(name, help=about, description=about, parents=[parent])
        command.set_defaults(command=run)
        return command

    _commands(add)
    return made


def _commands(add: Add) -> None:
    topics = (estate, devices, firewall, approval, change, incident, backup, feeds, accesslog)
    for topic in (*topics, keys, history):
        topic.register(add)


def language(words: Sequence[str]) -> str:
    """Return the language that ``words`` ask for, or that of the locale."""
    early = argparse.ArgumentParser(add_help=False)
    early.add_argument("--lang", choices=LANGUAGES, default=default_language())
    return str(early.parse_known_args(words)[0].lang)
