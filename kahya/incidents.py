"""Write what is cut off: incidents.yml, and the block lists where these say it, too."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import yaml

from kahya.errors import InventoryError, KahyaError
from kahya.feeds import build
from kahya.feeds.store import PROPOSED
from kahya.i18n import _
from kahya.inventory import list_store, load
from kahya.inventory_check import check_file
from kahya.inventory_feeds import POINTER, pointed, write_pointer
from kahya.inventory_incidents import FILE, PARTS, TAKERS, kind_of, unseen
from kahya.model import Town

HEAD = """\
---
# Written by kahya block, isolate and lift: cut off until it is lifted (docs/runbooks/incident.md).
"""
Entry = dict[str, str]


class Written(NamedTuple):
    """What was written: its name and kind in ``files`` of ``town``, read without its lists."""

    name: str
    kind: str
    town: Town
    files: list[Path]

    @property
    def takers(self) -> list[str]:
        """The systems that cut such a thing off on some host of the town."""
        kept = filter(self.town.hosts_of, self.town.systems)
        return [system.name for system in kept if system.name in TAKERS[self.kind]]


def cut_off(directory: Path, part: str, what: str, about: Mapping[str, str]) -> Written:
    """Write that ``what`` is cut off.

    Args:
        directory: the town.
        part: "blocked" or "isolated".
        what: as somebody typed it.
        about: reason, by, since, until; of one that is there already, ``by`` and ``since`` stay.

    Raises:
        KahyaError: it would harm the town, or nothing there could do it. Nothing is changed.
    """
    kind, name = _named(part, what)
    if unseen(what):
        name = what  # to be told that it is, for the page without https:// is another
    with _alone(directory):
        data = _read(directory)
        before = data.setdefault(part, {}).get(name, {})
        first = {key: before[key] for key in ("by", "since") if before}
        data[part][name] = {key: text for key, text in {**about, **first}.items() if text}
        return _write(directory, kind, name, data)


def lift(directory: Path, what: str) -> Written:
    """Write that ``what`` is no longer cut off; see ``cut_off``.

    Raises:
        KahyaError: it isn't cut off.
    """
    with _alone(directory):
        data = _read(directory)
        for part in PARTS:
            kind, name = _named(part, what)
            if name in data.get(part, {}):
                del data[part][name]
                return _write(directory, kind, name, data)
    raise InventoryError(
        _("{what} is not cut off").format(what=what), _("kahya blocks lists what is.")
    )


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Let no other command write what is cut off until the end of the block."""
    folder = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _named(part: str, what: str) -> tuple[str, str]:
    """Return what kind of thing ``what`` is as an entry of ``part``, and how it is written."""
    kind, name = kind_of(what) if part == "blocked" else ("host", what)
    return kind, name or what


def _read(directory: Path) -> dict[str, dict[str, Entry]]:
    path = directory / FILE
    data, problems = check_file(path, "incidents") if path.exists() else (None, [])
    if problems:
        raise InventoryError("\n".join(map(str, problems)), _("Correct it by hand first."))
    return data or {}


def _write(
    directory: Path, kind: str, name: str, data: Mapping[str, Mapping[str, Entry]]
) -> Written:
    """Write the file, and bring the earlier one back if the inventory doesn't accept it."""
    path = directory / FILE
    before = path.read_text("utf-8") if path.exists() else None
    entries = {part: dict(found) for part, found in data.items() if found}
    text = yaml.safe_dump(entries, allow_unicode=True, sort_keys=False, width=1000)
    _replace(path, HEAD + text)
    try:
        town = load(directory, lists=False)
        return Written(name, kind, town, [path, *_propose_lists(town)])
    except KahyaError:
        _replace(path, before)
        raise


def _propose_lists(town: Town) -> list[Path]:
    """Bring the block lists to what incidents.yml says; return the files and folders that say so.

    ``town`` was loaded without its lists. What is new in feeds is left for a plan of its own.
    """
    settings, directory = town.settings.get("feeds"), Path(town.directory)
    current = pointed(directory)
    if settings is None or not (current or settings.get("incidents")):
        return []
    kept = list_store(town)
    snapshot = kept.snapshot(current) if current else build.build(settings, kept)
    if not write_pointer(directory, build.renew(snapshot, settings, kept).id):
        return []
    # A store beside feeds.yml is in git, too: without its texts lists.yml would name nothing.
    own = kept.folder.resolve().is_relative_to(directory.resolve())
    return [directory / POINTER, *(kept.folder / part for part in PROPOSED if own)]


def _replace(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink(missing_ok=True)
        return
    fresh = path.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
