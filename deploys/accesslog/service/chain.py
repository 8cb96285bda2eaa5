"""A log that can't be altered unnoticed: each line holds the SHA-256 of the one before.

The files of a folder are one chain. The one being written is called ``000007-2026-11-27.open``:
its number and the day on which it was begun. Closed it is ``.jsonl``, later ``.jsonl.gz``.
"""

import gzip
import hashlib
import json
import os
import re
import sys
import time
from contextlib import suppress
from datetime import datetime
from itertools import count
from pathlib import Path

LINE = re.compile(rb'(\{"n":(\d+),.*),"hash":"([0-9a-f]{64})"\}')
NOTHING = "0" * 64  # what the very first line continues


def moment(at: float) -> str:
    """Return a Unix time as ISO 8601 in the host's own time zone, to the microsecond."""
    return datetime.fromtimestamp(at).astimezone().isoformat(timespec="microseconds")


def read(line: bytes) -> tuple[int, str] | None:
    """Return number and hash of a line, None where it is none or was altered."""
    found = LINE.fullmatch(line)
    if not found or hashlib.sha256(found[1]).hexdigest() != found[3].decode():
        return None
    return int(found[2]), found[3].decode()


class Log:
    """The chain in ``folder``, taken up where it ended.

    A file is full with ``limit`` bytes beyond ``base``, with which it began.
    ``torn`` is the number of bytes that a loss of power left behind the last whole line; they are
    put aside as ``.torn1`` and so on. A record that can't be written (the disk is full) is counted,
    and the count is the first thing written once there is room; ``holed`` is set then.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self.torn = self.lost = self.written = self.base = 0
        self.holed = False
        self.at = 0.0  # when something was last written
        self._dirty, self._synced = False, time.monotonic()
        files = sorted(p for p in folder.iterdir() if p.suffix in {".open", ".jsonl", ".gz"})
        self.number = int(files[-1].name[:6]) if files else 0
        self.n, self.hash = 0, NOTHING
        last = files.pop() if files and files[-1].suffix == ".open" else None
        if files:
            packed = files[-1].suffix == ".gz"
            text = (gzip.open if packed else open)(files[-1], "rb").read()
            self.n, self.hash = _last(text)[0] or (0, NOTHING)
        self._path = last
        if last:
            self._take_up(last)

    @property
    def new(self) -> bool:
        """Whether nothing was ever written."""
        return self.n == 0

    def _take_up(self, path: Path) -> None:
        text = path.read_bytes()
        found, end = _last(text)
        if found:
            self.n, self.hash = found
        self.torn = len(text) - end
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        if self.torn:
            aside = (path.with_suffix(f".torn{number}") for number in count(1))
            try:
                next(file for file in aside if not file.exists()).write_bytes(text[end:])
            except OSError as error:  # the disk is full: the log goes on without
                print(f"{path.name}: torn line not kept: {error}", file=sys.stderr, flush=True)
            os.ftruncate(self._fd, end)
        self.written = end

    def due(self) -> bool:
        """Return whether the file is to be closed: it is full, or another day's."""
        if self._path is None:
            return False
        return (
            self.written - self.base > self.limit
            or self._path.name[7:17] != moment(time.time())[:10]
        )

    def put(self, what: str, at: float | None = None, **fields: object) -> None:
        """Write one record; after ``sync`` it outlasts a loss of power."""
        if self.lost and self._put("lost", time.time(), {"count": self.lost, "why": "disk"}):
            print(f"recording again; {self.lost} records were lost", file=sys.stderr, flush=True)
            self.lost = 0
        if self.lost or not self._put(what, at or time.time(), fields):
            self.lost += 1

    def _put(self, what: str, at: float, fields: dict[str, object]) -> bool:
        record = {"n": self.n + 1, "at": moment(at), "what": what, **fields, "prev": self.hash}
        body = json.dumps(record, ensure_ascii=False, separators=(",", ":"))[:-1].encode()
        mark = hashlib.sha256(body).hexdigest()
        line = b'%s,"hash":"%s"}\n' % (body, mark.encode())
        try:
            if self._path is None:
                self._begin()
            whole = os.write(self._fd, line) == len(line)
            why = "no room for a whole line"
        except OSError as error:
            whole, why = False, str(error)
        if not whole:
            if self._path is not None:
                with suppress(OSError):
                    os.ftruncate(self._fd, self.written)
            self._tell(why)
            return False
        self.holed |= what == "lost"
        self.n, self.hash, self.written = self.n + 1, mark, self.written + len(line)
        self.at, self._dirty = time.monotonic(), True
        return True

    def _tell(self, why: str) -> None:
        if not self.lost:
            print(f"NOT RECORDED: {why}", file=sys.stderr, flush=True)

    def _begin(self) -> None:
        path = self.folder / f"{self.number + 1:06d}-{moment(time.time())[:10]}.open"
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        self._path, self.number, self.written, self.base = path, self.number + 1, 0, 0
        self._sync_folder()

    def sync(self, seconds: float = 0.0) -> None:
        """Bring what was written to the disk, if the last time is ``seconds`` ago."""
        if self._dirty and time.monotonic() - self._synced >= seconds:
            self._dirty, self._synced = False, time.monotonic()
            self._bring(self._fd)

    def _bring(self, fd: int) -> None:
        """Bring a file or folder to the disk; what may never get there counts as lost."""
        try:
            os.fsync(fd)
        except OSError as error:
            self._tell(str(error))
            self.lost = self.lost or 1

    def close(self) -> None:
        """Close the file; the next record begins another."""
        if self._path is None or not self.written:
            return
        self.sync()
        os.close(self._fd)
        self._path.rename(self._path.with_suffix(".jsonl"))
        self._path = None
        self._sync_folder()

    def _sync_folder(self) -> None:
        folder = os.open(self.folder, os.O_RDONLY)
        self._bring(folder)
        os.close(folder)


def _last(text: bytes) -> tuple[tuple[int, str] | None, int]:
    """Return number and hash of the last whole line, and where it ends."""
    end = text.rfind(b"\n") + 1
    while end:
        begin = text.rfind(b"\n", 0, end - 1) + 1
        if found := read(text[begin : end - 1]):
            return found, end
        end = begin
    return None, 0
