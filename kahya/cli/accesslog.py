"""Commands about the access log of the gateways (law 5651): accesslog verify, accesslog who."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from kahya import console
from kahya.accesslog import town as logs
from kahya.accesslog.files import AccessLogError, LogFile, from_host, from_paths
from kahya.accesslog.verify import Report, sealed_at, verify
from kahya.accesslog.who import Connection, recorded
from kahya.cli.common import DIFFERENT, ERROR, OK, UNKNOWN, Add, path, print_json, town_directory
from kahya.i18n import _
from kahya.inventory import load
from kahya.model import Town

WITHIN_SECONDS = 2
Row = tuple[str, str, str | int | None]


def register(add: Add) -> None:
    """Add the commands of this file."""
    group = add("accesslog", _verify, _("the access log of the gateways (law 5651)"))
    parts = group.add_subparsers(metavar="COMMAND", required=True)
    check = add("verify", _verify, _("check that nothing was altered or removed"), to=parts)
    check.add_argument(
        "--since", type=_day, metavar="DAY", help=_("only what was begun since a day")
    )
    asked = add("who", _who, _("tell who was behind a public address at a time"), to=parts)
    asked.add_argument("public", type=_public, metavar="ADDRESS:PORT")
    asked.add_argument("at", type=_moment, metavar="TIME", help=_("such as 2026-11-27T14:05:31"))
    asked.add_argument(
        "--within",
        type=int,
        default=WITHIN_SECONDS,
        metavar="SECONDS",
        help=_("how far the clocks may be apart (default: 2)"),
    )
    for command in (check, asked):
        command.add_argument(
            "--host", action="append", default=[], help=_("a gateway; may be repeated")
        )
        command.add_argument(
            "files", type=path, nargs="*", metavar="FILE", help=_("files or folders of a log")
        )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _wrong(text, "2026-11-27") from None


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise _wrong(text, "2026-11-27T14:05:31") from None


def _public(text: str) -> str:
    """Return address and port in the log's own form: one address can be written in many ways."""
    host, _colon, port = text.rpartition(":")
    try:
        address = ip_address(host.strip("[]"))
        number = int(port)
    except ValueError:
        raise _wrong(text, "198.51.100.7:40123, [2001:db8::7]:40123") from None
    return f"{address}:{number}" if address.version == 4 else f"[{address}]:{number}"  # noqa: PLR2004 - IPv4


def _wrong(text: str, expected: str) -> argparse.ArgumentTypeError:
    message = _("{text} is not understood (write {expected})")
    return argparse.ArgumentTypeError(message.format(text=repr(text), expected=expected))


def _verify(args: argparse.Namespace) -> int:
    town = load(town_directory(args))
    found: dict[str, Report | AccessLogError] = {}
    with logs.access(town) as reach:
        if args.files:
            ca = reach.ca(logs.gateways(town, args.host)[0])
            found[""] = verify(from_paths(args.files), ca)
        else:
            for host in logs.gateways(town, args.host):
                try:
                    found[host.name] = logs.check(reach, host, args.since)
                except AccessLogError as error:
                    found[host.name] = error
    if args.json:
        print_json({name: _document(report) for name, report in found.items()})
    else:
        for name, report in found.items():
            _show(name, report)
    if any(isinstance(report, AccessLogError) for report in found.values()):
        return UNKNOWN
    return OK if all(isinstance(r, Report) and r.sound for r in found.values()) else ERROR


def _document(report: Report | AccessLogError) -> dict[str, object]:
    if isinstance(report, AccessLogError):
        return {"unknown": str(report)}
    return vars(report) | {"sound": report.sound, "findings": [vars(f) for f in report.findings]}


def _show(name: str, report: Report | AccessLogError) -> None:
    if isinstance(report, AccessLogError):
        console.error(report)
        return
    for finding in report.findings:
        console.line(f"{'✗' if finding.broken else '◇'} {name} {finding}".replace("  ", " "))
    text = _("{name}: {files} files, {records} records, {seals} seals verified: {verdict}.")
    verdict = _("whole") if report.sound else _("NOT whole")
    counts = {"files": report.files, "records": report.records, "seals": report.seals}
    console.say(text.format(name=name or _("these files"), verdict=verdict, **counts))


def _who(args: argparse.Namespace) -> int:
    town = load(town_directory(args))
    answers, whole, read = list[logs.Answer](), True, True
    with logs.access(town) as reach:
        for name, ca, files in _sources(args, town, reach):
            try:
                kept = list(files)
            except AccessLogError as error:
                console.error(error)
                read = False
                continue
            at, within = _in_zone(args.at, town), timedelta(seconds=args.within)
            found = logs.ask(kept, name, town, args.public, at, within)
            answers += found
            if not found and not recorded(kept, at, within):
                text = _("{name}: nothing was recorded at that time")
                console.error(AccessLogError(text.format(name=name or _("these files"))))
                read = False
            report = verify(kept, ca)
            whole &= report.sound
            for finding in report.findings if not args.json else ():
                console.line(f"✗ {name} {finding}" if finding.broken else f"◇ {name} {finding}")
    shown = [_answer(answer, args.public) for answer in answers]
    if args.json:
        told = [{key: value for key, _label, value in answer} for answer in shown]
        print_json({"whole": whole, "read": read, "answers": told})
    else:
        _print(shown, whole=whole, read=read)
    return UNKNOWN if not read else ERROR if not whole else OK if answers else DIFFERENT


def _sources(
    args: argparse.Namespace, town: Town, reach: logs.Access
) -> Iterator[tuple[str, Path, Iterable[LogFile]]]:
    if args.files:
        yield "", reach.ca(logs.gateways(town, args.host)[0]), from_paths(args.files)
        return
    first, last = logs.around(_in_zone(args.at, town))
    asked = args.public.rpartition(":")[0].strip("[]")
    for host in logs.gateways(town, args.host) if args.host else logs.behind(town, asked):
        files = from_host(reach.config, host.name, lambda day: first <= day <= last)
        yield host.name, reach.ca(host), files


def _in_zone(at: datetime, town: Town) -> datetime:
    """Read a time without a zone as the town's own."""
    return at.replace(tzinfo=at.tzinfo or logs.zone(logs.gateways(town)[0]))


def _answer(answer: logs.Answer, public: str) -> list[Row]:
    """Return what is known in the order in which it is asked for: key, label, value."""
    one, sealed = answer.connection, sealed_at(answer.file)
    return [
        ("gateway", _("Gateway"), answer.gateway),
        ("public", _("Public address and port"), public),
        ("internal", _("Internal address and port"), one.source),
        ("mac", _("Hardware address (MAC)"), one.mac),
        ("name", _("Name by DHCP"), one.name),
        ("host", _("Host in the inventory"), answer.host),
        ("protocol", _("Protocol"), one.protocol),
        ("destination", _("Destination"), one.destination),
        ("began", _("Began"), _began(one)),
        ("ended", _("Ended"), one.end.isoformat() if one.end else _("not in these files")),
        ("sent", _("Bytes sent"), one.sent),
        ("received", _("Bytes received"), one.received),
        ("record", _("Record of the log"), f"{one.file}, {one.record}"),
        ("sha256", _("SHA-256 of the file"), hashlib.sha256(answer.file.text).hexdigest()),
        ("sealed", _("Sealed at"), sealed.isoformat() if sealed else _("not yet")),
    ]


def _began(one: Connection) -> str:
    if one.begin:
        return one.begin.isoformat()
    if one.after:
        return _("after {time}, while nothing was recorded").format(time=one.after.isoformat())
    return _("before these files")


def _print(shown: list[list[Row]], *, whole: bool, read: bool) -> None:
    for answer in shown:
        for _key, label, value in answer:
            console.line(f"{label:28} {'–' if value in {'', None} else value}")
        console.line("")
    if not whole:
        console.line(_("The log is NOT whole: what is told above may be false."), "red")
    if shown or read:  # else nobody knows
        console.say(_("{count} connections were found.").format(count=len(shown)))
