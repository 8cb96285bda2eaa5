"""The command that judges the firewall policy: firewall."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import asdict

from rich.table import Table

from kahya import console
from kahya.cli.common import ERROR, OK, Add, print_json, town_directory
from kahya.firewall import review
from kahya.firewall.rows import Row, rows
from kahya.i18n import _
from kahya.inventory import load


def register(add: Add) -> None:
    """Add the command of this file."""
    command = add("firewall", _firewall, _("check the firewall policy and what is made of it"))
    command.add_argument(
        "--matrix", action="store_true", help=_("print who may reach what, zone by zone")
    )


def _firewall(args: argparse.Namespace) -> int:
    town = load(town_directory(args))
    matrix, remarks = review.matrix_of(town), review.remarks(town)
    if matrix is None:
        console.say(_("This town has no firewall policy: see docs/firewall.md."))
        return ERROR
    texts = review.rulesets(town)
    found = [*review.deviations(town, texts), *review.host_deviations(town)]
    if args.json:
        print_json(
            {
                "remarks": [asdict(r.problem) | {"level": r.level} for r in remarks],
                "deviations": list(map(str, found)),
                "matrix": [asdict(row) for row in rows(matrix)],
            }
        )
    else:
        console.remarks(remarks)
        console.failures(list(map(str, found)))
        if args.matrix:
            print_matrix(rows(matrix))
        text = _("{count} connections looked at on {gateways} gateways, {wrong} deviate.")
        counts = {"count": matrix.size, "gateways": len(texts), "wrong": len(found)}
        console.say(text.format(**counts))
        if hosts := [h.name for h in town.hosts.values() if "windows" in h.groups]:
            console.say(
                _("Windows hosts looked at as well: {hosts}.").format(hosts=", ".join(hosts))
            )
    return ERROR if found or any(remark.level == "error" for remark in remarks) else OK


def print_matrix(rows: Iterable[Row]) -> None:
    """Print who may reach what through the firewalls."""
    table = Table(_("from"), _("to"), _("family"), _("services"), show_edge=False)
    for row in rows:
        names = [*row.services, *(_("{name} (in part)").format(name=n) for n in row.partly)]
        names += [_("{name} (published)").format(name=n) for n in row.published]
        table.add_row(row.source, row.to, f"IPv{row.family}", ", ".join(names) or "–")
    console.OUT.print(table)
