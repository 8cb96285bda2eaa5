"""A device's configuration as statements, each with the headings above it.

Platforms write headings in two ways: IOS, EOS and FRR indent what is below them, Junos puts it into
braces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

IOS_BANNER = re.compile(r"banner \S+ (\^C|[^\w\s])(.*)")  # IOS: from one sign to the next
EOS_BANNER = re.compile(r"banner \S+")  # EOS: until a line EOF
BRACED = re.compile(r"(?:inactive: )?(.*?) ?([{;])(?:\s*##.*)?")

Statement = tuple[str, ...]
"""A statement under its headings, such as ("interface Vlan1", "shutdown")."""


def statements(text: str) -> list[Statement]:
    """Return a configuration's statements, each with the headings above it; texts of banners not.

    A heading is a statement, too. What Junos calls inactive is left out.
    """
    braced = re.search(r"^\}$", text, re.MULTILINE)
    return list(_braced(text) if braced else _indented(text))


def _indented(text: str) -> Iterator[Statement]:
    above: list[tuple[int, str]] = []
    lines = iter(text.splitlines())
    for line in lines:
        words = line.strip()
        if not words or words.startswith("!"):
            continue
        indent = len(line) - len(line.lstrip())
        above = [(depth, heading) for depth, heading in above if depth < indent]
        if (found := IOS_BANNER.fullmatch(words)) or EOS_BANNER.fullmatch(words):
            words, end = " ".join(words.split()[:2]), found[1] if found else "EOF"
            ended = found and end in found[2]
            while not ended:
                text = next(lines, end)
                ended = end in text if found else text == end
        above.append((indent, words))
        yield tuple(heading for _depth, heading in above)


def _braced(text: str) -> Iterator[Statement]:
    above: list[tuple[str, bool]] = []
    for line in text.splitlines():
        words = line.strip()
        if words == "}":
            above.pop()
        elif found := BRACED.fullmatch(words):
            off = words.startswith("inactive: ") or any(off for _heading, off in above)
            if not off:
                yield (*(heading for heading, _off in above), found[1])
            if found[2] == "{":
                above.append((found[1], off))
