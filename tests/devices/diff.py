"""The differences that devices print, each in its platform's own form."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

Path = tuple[str, ...]


def unified(before: list[str], after: list[str], name: str) -> str:
    """Return EOS's ``show session-config diffs``."""
    files = ("system:/running-config", f"session:/{name}-session-config")
    return "\n".join(difflib.unified_diff(before, after, *files, n=3, lineterm=""))


def paths(text: str) -> list[Path]:
    """Return each line of ``text`` below its section. It is read as text: nothing is understood.

    So a line that the device would never show, because it is a default, is a difference to IOS.
    """
    found: list[Path] = []
    depths: list[tuple[int, str]] = []
    lines = iter(text.splitlines())
    for line in lines:
        bare = line.strip()
        if not bare or bare == "end" or bare.startswith(("!", "version ")):
            continue
        if re.match(r"banner \S+ \S", bare):
            bare = _banner(bare, lines)
        depth = len(line) - len(line.lstrip())
        depths = [(d, words) for d, words in depths if d < depth] + [(depth, bare)]
        found.append(tuple(words for _, words in depths))
    return found


def contextual(before: str, after: str) -> list[str]:
    """Return IOS's ``show archive config differences``: what is added, then what is removed.

    Lines whose order matters (access lists) count as different where they stand elsewhere.
    """
    old, new = _placed(paths(before)), _placed(paths(after))
    return [*_with_sections("+", new, set(old)), *_with_sections("-", old, set(new))]


def incremental(running: str, merge: str) -> list[str]:
    """Return IOS's ``incremental-diffs``: the commands of ``merge`` that change something."""
    there = set(paths(running))
    out: list[str] = []
    shown: Path = ()
    for path in paths(merge):
        *section, line = path
        is_there = (*section, line.removeprefix("no ")) in there
        if path in there or (line.startswith("no ") and not is_there):
            continue
        if section and tuple(section) != shown[: len(section)]:
            out += [" " * depth + word for depth, word in enumerate(section)]
        shown = path
        out.append(" " * len(section) + line)
    return out


def _banner(first: str, lines: Iterator[str]) -> str:
    mark = "^C" if "^C" in first else first.split(maxsplit=2)[2][0]
    while first.count(mark) < 2:
        first += "\n" + next(lines, mark)
    return first


def _placed(found: list[Path]) -> list[Path]:
    """Mark each line of an access list with the one before it: its place is part of it."""
    out: list[Path] = []
    last: Path = ()
    for path in found:
        ordered = len(path) > 1 and path[0].startswith("ip access-list")
        before = last[1] if ordered and last[:1] == path[:1] and len(last) > 1 else ""
        out.append((*path, f"after {before}") if ordered else path)
        last = path
    return out


def _with_sections(sign: str, lines: list[Path], other: set[Path]) -> Iterator[str]:
    shown: Path = ()
    for marked in lines:
        path = marked[:2] if marked[-1].startswith("after ") and len(marked) > 2 else marked
        if marked in other:
            continue
        for depth in range(1, len(path)):
            if path[:depth] in other and path[:depth] != shown[:depth]:
                yield " " * (depth - 1) + path[depth - 1]
        shown = path
        yield " " * (len(path) - 1) + sign + path[-1]
