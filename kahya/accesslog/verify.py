"""Is an access log whole? Which line was changed, removed, moved or put in, and what is missing."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from kahya.accesslog.files import LogFile, lines
from kahya.i18n import _

LINE = re.compile(rb'(\{"n":(\d{1,15}),.*,"prev":"([0-9a-f]{64})"),"hash":"([0-9a-f]{64})"\}')
BEGINNING = "0" * 64
SEALED_WITHIN = timedelta(days=2)
# OpenSSL writes English months in any language; strptime reads those of the language set.
STAMPED = re.compile(
    rb"^Time stamp: ([A-Z][a-z]{2}) +(\d+) (\d+):(\d\d):(\d\d)(?:\.\d+)? (\d{4}) GMT$", re.MULTILINE
)
MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Finding:
    """What is wrong with a file (``line`` 0) or a line of it, counted from 1.

    ``broken``: something was altered or is missing; otherwise it is only worth knowing.
    """

    file: str
    line: int
    text: str
    broken: bool = True

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}" if self.line else f"{self.file}: {self.text}"


@dataclass
class Report:
    """What verifying came to. ``n`` and ``hash`` are those of the last record that is whole.

    ``known``: the record that an earlier look found last was met.
    """

    findings: list[Finding] = field(default_factory=list)
    files: int = 0
    records: int = 0
    seals: int = 0
    n: int = 0
    hash: str = BEGINNING
    at: str = ""
    known: bool = False

    @property
    def sound(self) -> bool:
        """Return whether nothing was altered and nothing is missing."""
        return not any(finding.broken for finding in self.findings)


@dataclass(frozen=True)
class Record:
    """A line: ``whole`` says that it has the log's form, and its hash is that of its content."""

    line: int
    n: int
    prev: str
    hash: str
    whole: bool
    about: Mapping[str, Any]


def verify(
    files: Iterable[LogFile],
    ca: Path | None,
    keep_days: int | None = None,
    seen: tuple[int, str] | None = None,
    today: date | None = None,
) -> Report:
    """Verify the files of one gateway, in the order of the chain.

    Args:
        files: them.
        ca: the certificate (PEM) of the time-stamping authority; None leaves the seals unchecked.
        keep_days: how long they are kept, where ``files`` are all that there are.
        seen: number and hash of a record that an earlier look found last.
        today: the day to reckon from.
    """
    report, today, last = Report(), today or date.today(), None  # noqa: DTZ011 - the town's own day
    for file in files:
        report.files += 1
        report.findings += _order(file, last, keep_days, today)
        _chain(file, report, fresh=last is None or file.number != last.number + 1, seen=seen)
        report.findings += _seal(file, report, ca, today)
        last = file
    if seen and report.n < seen[0]:
        text = _("the log ends before record {n}, which was there at the last look")
        report.findings.append(Finding(last.name if last else "–", 0, text.format(n=seen[0])))
    elif seen and last and keep_days is not None and report.sound and not report.known:
        text = _("the log begins after record {n}, which was there at the last look")
        report.findings.append(Finding(last.name, 0, text.format(n=seen[0])))
    return report


def _order(
    file: LogFile, last: LogFile | None, keep_days: int | None, today: date
) -> Iterator[Finding]:
    """Tell which files are missing before this one."""
    first = last.number + 1 if last else 1
    if file.number == first or (last is None and keep_days is None):
        return
    if last is None and keep_days is not None and file.day <= today - timedelta(days=keep_days - 1):
        return  # what came before was kept long enough
    gone = _gaps(first - 1, file.number)
    yield Finding(file.name, 0, _("missing before it: file {numbers}").format(numbers=gone))


def _chain(file: LogFile, report: Report, *, fresh: bool, seen: tuple[int, str] | None) -> None:
    """Follow the chain through a file. ``fresh``: what it continues isn't known."""
    records = [record(raw, number) for number, raw in enumerate(lines(file), 1)]
    torn = bool(file.text) and not file.text.endswith(b"\n")
    if torn:
        records[-1] = None
    there = {one.n for one in records if one and one.whole}
    n, mark, sure = report.n, report.hash, not fresh or file.number == 1
    blamed = False  # the line before is told already
    for number, one in enumerate(records, 1):
        if one is None or not one.whole:
            n += 1
            mark = one.hash if one else ""
            blamed, text = True, _("this line was changed, or is none of the log's")
            if torn and number == len(records):
                text = _("the last line is torn")
            # Power may be lost in the middle of a line; a closed file's end was on the disk.
            lost = file.open and torn and number == len(records)
            report.findings.append(Finding(file.name, number, text, broken=not lost))
            continue
        if sure or number > 1:
            report.findings += _step(file, one, (n, mark), there, blamed=blamed)
        blamed, n, mark = False, one.n, one.hash
        report.records += 1
        report.known |= seen == (one.n, one.hash)
        if seen and one.n == seen[0] and one.hash != seen[1]:
            text = _("record {n} is another one than at the last look").format(n=one.n)
            report.findings.append(Finding(file.name, number, text))
        report.findings += _remark(file, one, report)
    if not records:
        report.findings.append(Finding(file.name, 0, _("it is empty, or damaged beyond reading")))
    first = next((one for one in records if one and one.whole), None)
    if first and abs(datetime.fromisoformat(first.about["at"]).date() - file.day) > DAY:
        text = _("its name has another day than its first record")
        report.findings.append(Finding(file.name, first.line, text))
    report.n, report.hash = n, mark


def record(raw: bytes, line: int = 0) -> Record | None:
    """Read a line; None where it hasn't even the form of one."""
    found = LINE.fullmatch(raw)
    if not found:
        return None
    try:
        about = json.loads(found[1] + b"}")
        datetime.fromisoformat(about["at"])
        formed = isinstance(about["what"], str)
    except (ValueError, KeyError, TypeError, RecursionError):
        about, formed = {}, False
    mark = found[4].decode()
    whole = formed and hashlib.sha256(found[1]).hexdigest() == mark
    return Record(line, int(found[2]), found[3].decode(), mark, whole, about)


def _step(
    file: LogFile, one: Record, before: tuple[int, str], there: set[int], *, blamed: bool
) -> Iterator[Finding]:
    """Compare a record with the one before it."""
    n, mark = before
    if one.n <= n:
        text = _("record {n} stands after record {last}: moved, or put in twice")
        yield Finding(file.name, one.line, text.format(n=one.n, last=n))
    elif one.n > n + 1 and (gone := _gaps(n, one.n, there)):
        text = _("missing before it: record {numbers}").format(numbers=gone)
        yield Finding(file.name, one.line, text)
    elif one.n == n + 1 and one.prev != mark and not blamed:
        text = _("this line was put in place of another: the next one doesn't continue it")
        if one.line == 1:
            text = _("it doesn't continue the file before, whose end was replaced")
        yield Finding(file.name, max(one.line - 1, 1), text)


def _remark(file: LogFile, one: Record, report: Report) -> Iterator[Finding]:
    """Tell where nothing was recorded, though nobody altered anything."""
    at, what = one.about["at"], one.about["what"]
    if what == "start" and report.at:
        text = _("nothing was recorded from {begin} to {end}: the recorder did not run")
        yield Finding(file.name, one.line, text.format(begin=report.at, end=at), broken=False)
    if what == "lost":
        text, why = _("{count} records were lost: {why}"), str(one.about.get("why", "?"))
        whys = {"disk": _("the disk was full or failed"), "kernel": _("the kernel was faster")}
        text = text.format(count=one.about.get("count", "?"), why=whys.get(why, why))
        yield Finding(file.name, one.line, text, broken=False)
    report.at = at


def _seal(file: LogFile, report: Report, ca: Path | None, today: date) -> Iterator[Finding]:
    if file.open or ca is None:
        return
    if file.seal is None:
        late = file.day < today - SEALED_WITHIN
        yield Finding(file.name, 0, _("it is not sealed"), broken=late)
        return
    at = sealed_at(file)
    if reason := _unsealed(file, ca, at):
        text = _("its seal is not for this text: {reason}").format(reason=reason)
        yield Finding(file.name, 0, text)
        return
    report.seals += 1
    if at and at.date() > file.day + SEALED_WITHIN:
        # Not broken: for so long there may have been no authority.
        text = _("it was sealed late, on {day}: until then it could have been altered")
        yield Finding(file.name, 0, text.format(day=at.date()), broken=False)


def _unsealed(file: LogFile, ca: Path, at: datetime | None) -> str:
    """Return why a seal doesn't fit, "" where it does. OpenSSL judges it: openssl-ts(1ssl)."""
    if at is None:
        return _("it is no time stamp")
    digest = hashlib.sha256(file.text).hexdigest()
    # The authority's own certificate ends some day: it had to be valid when it stamped.
    words = ["-digest", digest, "-CAfile", str(ca), "-attime", str(int(at.timestamp()))]
    done = _openssl("-verify", *words, reply=file.seal or b"")
    if done.returncode == 0:
        return ""
    told = done.stderr.decode(errors="replace").splitlines()
    reasons = [line.split(":")[5] for line in told if line.count(":") > 5]  # noqa: PLR2004 - the reason is the sixth
    return ", ".join(dict.fromkeys(filter(None, reasons))) or "openssl ts -verify"


def sealed_at(file: LogFile) -> datetime | None:
    """Return the time that a file's seal says, None where it has none; nothing is verified."""
    done = _openssl("-reply", "-text", reply=file.seal or b"")
    found = STAMPED.search(done.stdout)
    if not found:
        return None
    day, hour, minute, second, year = map(int, found.groups()[1:])
    try:
        month = MONTHS.index(found[1]) + 1
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:  # such as the year 0
        return None


def _openssl(*words: str, reply: bytes) -> subprocess.CompletedProcess[bytes]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(reply)
        file.flush()
        command = ["openssl", "ts", *words, "-in", file.name]
        environment = os.environ | {"LC_ALL": "C"}
        return subprocess.run(command, capture_output=True, check=False, env=environment)


def _gaps(low: int, high: int, there: Iterable[int] = ()) -> str:
    """Return the numbers between ``low`` and ``high`` that aren't ``there``, such as 3–5, 9."""
    between = [low, *sorted(number for number in there if low < number < high), high]
    gaps = [(a + 1, b - 1) for a, b in pairwise(between) if b - a > 1]
    return ", ".join(str(a) if a == b else f"{a}–{b}" for a, b in gaps)
