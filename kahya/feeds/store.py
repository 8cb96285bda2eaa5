"""Where lists are kept: each under the digest of its text, so that whoever names it gets just that.

sources/<feed>         the feed as it was taken last: a line of JSON, from where and when; its text
lists/<sha256>         a list: sorted lines
snapshots/<id>.json    the lists that belong together, and what they were made from
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from kahya.errors import FeedError
from kahya.i18n import _

PROPOSED = ("snapshots", "lists")
"""The folders with all that a name of a snapshot leads to."""


@dataclass(frozen=True)
class Source:
    """A feed as it was taken. ``fetched`` is in UTC, ISO 8601; ``counts``: see guard.counts."""

    url: str
    fetched: str
    sha256: str
    size: int
    counts: Mapping[str, int]
    rejected: int


@dataclass(frozen=True)
class Snapshot:
    """Lists that belong together.

    ``lists`` has digest and number of entries by name; ``sources``, by feed, what they were made
    from; ``own`` is the digest of the town's own lists that were used. When something was fetched
    doesn't belong to the ``id``: the same lists from the same sources are the same snapshot.
    """

    lists: Mapping[str, tuple[str, int]]
    own: str
    sources: Mapping[str, Source] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Return its name, 64 hex digits."""
        made_from = {name: source.sha256 for name, source in self.sources.items()}
        return digest({"lists": dict(self.lists), "own": self.own, "sources": made_from})


def digest(value: Any) -> str:
    """Return the SHA-256 of plain data, in hex."""
    return sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def text_of(lines: Iterable[bytes]) -> bytes:
    """Return the text of a list."""
    return b"".join(line + b"\n" for line in sorted(lines))


class Store:
    """The store in ``folder``, which is made when something is written.

    Raises:
        FeedError: something that is named isn't there, or isn't what its name says.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep_source(self, name: str, raw: bytes, about: Source) -> None:
        """Keep a feed as it was taken, in one file: text and origin are always of one fetch."""
        self._write(f"sources/{name}", json.dumps(asdict(about)).encode() + b"\n" + raw)

    def source(self, name: str) -> Source | None:
        """Return what is known of a feed as it was taken last, or None if it never was."""
        path = f"sources/{name}"
        return self._about(path, self._read(path)) if (self.folder / path).exists() else None

    def taken(self, name: str) -> tuple[Source, bytes]:
        """Return what is known of a feed as it was taken last, and its text."""
        path = f"sources/{name}"
        data = self._read(path)
        about, raw = self._about(path, data), data.partition(b"\n")[2]
        if sha256(raw).hexdigest() != about.sha256:
            raise self._error(path)
        return about, raw

    def _about(self, path: str, data: bytes) -> Source:
        try:
            return Source(**json.loads(data.partition(b"\n")[0]))
        except (ValueError, TypeError) as error:
            raise self._error(path) from error

    def keep_list(self, lines: Iterable[bytes]) -> tuple[str, int]:
        """Keep a list, and return its digest and how many lines it has."""
        ordered = sorted(lines)
        text = text_of(ordered)
        name = sha256(text).hexdigest()
        if not (self.path(name).is_file() and self.path(name).read_bytes() == text):
            self._write(f"lists/{name}", text)
        return name, len(ordered)

    def keep(self, snapshot: Snapshot) -> None:
        """Keep a snapshot, unless it is there: it was first made from what it says."""
        try:
            self.snapshot(snapshot.id)
        except FeedError:
            data = json.dumps(asdict(snapshot), indent=1).encode()
            self._write(f"snapshots/{snapshot.id}.json", data)

    def snapshot(self, name: str) -> Snapshot:
        """Return a snapshot, all of whose lists are there."""
        try:
            data = json.loads(self._read(f"snapshots/{name}.json"))
            lists = {key: (text, count) for key, (text, count) in data["lists"].items()}
            sources = {key: Source(**about) for key, about in data["sources"].items()}
            found = Snapshot(lists, data["own"], sources)
        except (ValueError, KeyError, TypeError) as error:
            raise self._error(f"snapshots/{name}.json") from error
        missing = [text for text, _count in lists.values() if not self.path(text).is_file()]
        if missing or found.id != name:
            raise self._error(f"lists/{missing[0]}" if missing else f"snapshots/{name}.json")
        return found

    def snapshots(self) -> list[str]:
        """Return the names of all snapshots, the newest first."""
        files = (self.folder / "snapshots").glob("*.json")
        return [f.stem for f in sorted(files, key=lambda f: f.stat().st_mtime, reverse=True)]

    def path(self, name: str) -> Path:
        """Return the file of a list."""
        return self.folder / "lists" / name

    def _read(self, path: str) -> bytes:
        try:
            return (self.folder / path).read_bytes()
        except OSError as error:
            raise self._error(path) from error

    def _error(self, path: str) -> FeedError:
        return FeedError(
            _("{path} is missing, or isn't what it was").format(path=self.folder / path),
            _("Bring it over from where it was made, or remove it and run kahya feeds fetch."),
        )

    def _write(self, path: str, data: bytes) -> None:
        """Write a whole file, or none."""
        target = self.folder / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, fresh = tempfile.mkstemp(dir=target.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(fresh).replace(target)
