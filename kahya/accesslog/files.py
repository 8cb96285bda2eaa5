"""The files of an access log, from a folder or from a gateway. docs/accesslog.md has their form."""

from __future__ import annotations

import gzip
import re
import shlex
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO

from kahya.errors import KahyaError
from kahya.i18n import _

FOLDER = "/var/lib/accesslog"
NAME = re.compile(r"(\d{6})-(\d{4}-\d\d-\d\d)\.(open|jsonl|jsonl\.gz|tsr)")
GREW = 1  # tar's code where a file was written to while it was read
Days = Callable[[date], bool]


class AccessLogError(KahyaError):
    """An access log can't be read."""


@dataclass(frozen=True)
class LogFile:
    """One file: ``text`` is unpacked, ``seal`` its RFC 3161 reply, ``open`` still written to."""

    name: str
    text: bytes
    seal: bytes | None = None

    @property
    def number(self) -> int:
        """Return its place in the chain, from 1."""
        return int(self.name[:6])

    @property
    def day(self) -> date:
        """Return the day on which it was begun, by the gateway's own clock and zone."""
        return date.fromisoformat(self.name[7:17])

    @property
    def open(self) -> bool:
        """Return whether the gateway still writes to it."""
        return self.name.endswith(".open")


def from_paths(paths: Sequence[Path]) -> Iterator[LogFile]:
    """Yield the log files at ``paths`` (files, or folders of them) in the order of the chain.

    Raises:
        AccessLogError: there is none, or one can't be read.
    """
    every = [file for path in paths for file in (path.iterdir() if path.is_dir() else [path])]
    named = ((match, p) for p in sorted(every) if (match := NAME.fullmatch(p.name)))
    # One that is just being packed lies there in both forms.
    texts: dict[str, Path] = {}
    for match, path in named:
        if match[3] != "tsr":
            other = texts.setdefault(path.name[:17], path)
            if other.parent != path.parent:
                raise AccessLogError(
                    _("{one}, {other}: files of two logs").format(one=other, other=path),
                    _("Name the files or the folder of one gateway."),
                )
            texts[path.name[:17]] = path
    if not texts:
        where = ", ".join(map(str, paths))
        raise AccessLogError(
            _("{where}: no file of an access log").format(where=where),
            _("Name files such as 000007-2026-11-27.jsonl.gz, or their folder."),
        )
    for stem, path in sorted(texts.items()):
        seal = path.with_name(f"{stem}.tsr")
        yield _file(path.name, path.read_bytes(), seal.read_bytes() if seal.exists() else None)


def from_host(config: Path, host: str, days: Days = lambda _day: True) -> Iterator[LogFile]:
    """Yield the log files of a gateway, read over ssh, in the order of the chain.

    Args:
        config: the OpenSSH configuration that knows the host.
        host: its name.
        days: which days are wanted.

    Raises:
        AccessLogError: the gateway could not be read.
    """
    found = _ask(config, host, f"ls {FOLDER}").decode().split()
    known = [match for name in found if (match := NAME.fullmatch(name))]
    wanted = sorted({f"{m[1]}-{m[2]}" for m in known if days(date.fromisoformat(m[2]))})
    if not wanted:
        return
    # Patterns, not names: meanwhile a file may have been closed or packed.
    names = " ".join(f"{stem}.[ojt]*" for stem in wanted)  # no half-made ones
    words = f"cd {FOLDER} && tar --ignore-failed-read --warning=none -cf - {names}"
    with tempfile.TemporaryFile() as told, _open(config, host, words, told) as process:
        assert process.stdout  # noqa: S101 - for mypy
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                yield from _pairs(archive)
            while process.stdout.read(1 << 16):  # tar fills its last block up
                pass
            wrong = ""
        except tarfile.TarError as error:
            wrong = str(error)
        process.stdout.close()
        code = process.wait()
        if wrong or code not in {0, GREW}:
            told.seek(0)
            raise _unread(host, told.read() or wrong.encode() or b"ssh: %d" % code)


def _pairs(archive: tarfile.TarFile) -> Iterator[LogFile]:
    """Put each file and its seal together: they lie side by side, maybe with a torn line's rest."""
    name, text, seal = "", b"", None
    for member in archive:
        if not NAME.fullmatch(member.name):
            continue
        file = archive.extractfile(member)
        content = file.read() if file else b""
        if member.name.endswith(".tsr"):
            seal = content
            continue
        if name and name[:17] != member.name[:17]:
            yield _file(name, text, seal)
            seal = None
        name, text = member.name, content
    if name:
        yield _file(name, text, seal)


def _file(name: str, content: bytes, seal: bytes | None) -> LogFile:
    if name.endswith(".gz"):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error):  # damaged: what is left of it is told line by line
            content = b""
    return LogFile(name, content, seal)


def _open(config: Path, host: str, words: str, told: IO[bytes] | int) -> subprocess.Popen[bytes]:
    command = ["ssh", "-F", str(config), host, f"sudo -n sh -c {shlex.quote(words)}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told)


def _ask(config: Path, host: str, words: str) -> bytes:
    with _open(config, host, words, subprocess.PIPE) as process:
        out, err = process.communicate()
    if process.returncode:
        raise _unread(host, err)
    return out


def _unread(host: str, told: bytes) -> AccessLogError:
    reason = told.decode(errors="replace").strip()
    return AccessLogError(
        _("{host}: its access log can't be read: {reason}").format(host=host, reason=reason),
        _("kahya plan --system accesslog tells whether it is set up."),
    )


def lines(file: LogFile) -> list[bytes]:
    """Return the lines of a file, the last also when it is torn."""
    found = file.text.split(b"\n")
    return found if found[-1] else found[:-1]
