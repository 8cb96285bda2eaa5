"""Feeds: where each comes from, and what it looks like."""

from __future__ import annotations

import gzip
import io
import tarfile
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kahya.errors import FeedError
from kahya.feeds.entries import Entries, read
from kahya.i18n import _

CHUNK = 1 << 16
MEGABYTE = 1_000_000
UT1 = ("domains", "urls")  # the files of a category


@dataclass(frozen=True)
class Limits:
    """What a feed may be: ``shrink``, ``grow`` and ``rejected`` in percent; its size and time."""

    shrink: int = 20
    grow: int = 100
    rejected: int = 10
    megabytes: int = 300
    seconds: int = 300


@dataclass(frozen=True)
class Feed:
    """One feed of feeds.yml.

    ``format`` is "usom" (one text, whose lines are domains, addresses and URLs) or "ut1" (an
    archive with a folder for each category, which holds such texts called domains and urls).
    """

    name: str
    format: str
    url: str
    categories: tuple[str, ...]
    limits: Limits

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of its lists."""
        return self.categories or (self.name,)


def feeds(settings: Mapping[str, Any]) -> tuple[Feed, ...]:
    """Return the feeds of feeds.yml, which was checked against its schema."""
    common = settings.get("limits", {})
    return tuple(
        Feed(
            name,
            about["format"],
            about["url"],
            tuple(about.get("categories", ())),
            Limits(**common | about.get("limits", {})),
        )
        for name, about in settings["feeds"].items()
    )


def download(feed: Feed) -> bytes:
    """Return the feed as it is at its URL (http, https or file).

    Raises:
        FeedError: it can't be had, or not within its limits of size and time.
    """
    if urlsplit(feed.url).scheme not in ("http", "https", "file"):
        raise _error(feed, _("{url} is neither http, https nor file").format(url=feed.url))
    import urllib.request  # most commands fetch nothing
    from http.client import HTTPException

    end, size, parts = time.monotonic() + feed.limits.seconds, 0, []
    try:
        with urllib.request.urlopen(feed.url, timeout=feed.limits.seconds) as answer:  # noqa: S310 - of these schemes
            while part := answer.read1(CHUNK):  # what is there: read() would wait for a whole chunk
                size += len(part)
                _bounded(feed, size)
                parts.append(part)
                if time.monotonic() > end:
                    raise TimeoutError(_("not within {n} s").format(n=feed.limits.seconds))
            promised = int(answer.headers.get("Content-Length", size))
    except (OSError, ValueError, HTTPException) as error:  # urllib's own are OSErrors
        raise _error(feed, f"{feed.url}: {error}") from error
    if size != promised:
        raise _error(feed, _("{url} broke off").format(url=feed.url))
    return b"".join(parts)


def parse(feed: Feed, raw: bytes) -> dict[str, Entries]:
    """Return what the feed names, by the name of its list.

    Raises:
        FeedError: it isn't what its format says, or lacks a category.
    """
    if feed.format == "usom":
        return {feed.name: read(raw)}
    texts: dict[str, list[bytes]] = {}
    size = 0
    try:
        for category, data in _members(feed, raw):
            size += len(data)
            _bounded(feed, size)
            texts.setdefault(category, []).append(data)
    except (tarfile.TarError, OSError, EOFError, ValueError, zlib.error) as error:
        raise _error(feed, _("is no archive: {error}").format(error=error)) from error
    if missing := [name for name in feed.categories if name not in texts]:
        raise _error(feed, _("it has no {names}").format(names=", ".join(missing)))
    return {name: read(b"\n".join(texts[name])) for name in feed.categories}


def _members(feed: Feed, raw: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield category and text of the files that are asked for.

    What is unpacked counts before tarfile looks at it: it would unpack all, asked for or not.
    """
    limit = feed.limits.megabytes * MEGABYTE
    with gzip.GzipFile(fileobj=io.BytesIO(raw)) as packed:
        unpacked = packed.read(limit + 1)
    _bounded(feed, len(unpacked))
    with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:") as archive:
        for member in archive:
            *_folders, category, name = ("", "", *Path(member.name).parts)
            wanted = member.isfile() and name in UT1 and category in feed.categories
            if wanted and (file := archive.extractfile(member)):
                _bounded(feed, member.size)
                yield category, file.read()


def _bounded(feed: Feed, size: int) -> None:
    if size > feed.limits.megabytes * MEGABYTE:
        raise _error(feed, _("it is larger than {n} MB").format(n=feed.limits.megabytes))


def _error(feed: Feed, text: str) -> FeedError:
    return FeedError(
        _("feed {name}: {text}").format(name=feed.name, text=text),
        _("Its lists stay as they are; see feeds.yml."),
    )
