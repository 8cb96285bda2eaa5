"""The command language of a platform, read from a file in ``grammars/``.

A grammar has modes; a mode has rules, in the order in which the device shows them:

    interface:
      switchport mode = (access|trunk)  ; default access

Small words stand for themselves, and so do words in quotes; capitals are types (``words``);
``(a|b)`` is a choice and ``[a]`` may be left out. What stands before ``=`` says which line it is,
so that the next one of the same kind takes its place; without ``=`` the whole line does. ``no`` and
``default`` go before each, and need no more than that. ``{mode}`` is the mode that a line opens. An
empty line is where the device prints a ``!``. After ``;`` come the rule's properties, see ``Rule``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from devices.words import types

FOLDER = Path(__file__).with_name("grammars")


class CliError(Exception):
    """A line that the device doesn't take. ``at`` is the character where it stopped reading."""

    def __init__(self, kind: str, line: str, at: int = 0) -> None:
        super().__init__(f"{kind}: {line}")
        self.kind, self.line, self.at = kind, line, at


class Leaf(NamedTuple):
    """One word of a pattern: ``kind`` is a type, or empty for the word itself."""

    kind: str
    word: str
    key: bool


class Choice(NamedTuple):
    """Alternatives, each a pattern of its own."""

    ways: tuple[tuple[Leaf | Choice, ...], ...]


Pattern = tuple[Leaf | Choice, ...]


@dataclass(frozen=True)
class Rule:
    """One kind of line.

    Args:
        place: where the device shows it among the lines of its mode.
        default: the value, or ``on`` for a line that is set until it is negated, which isn't shown.
        sorted: the device sorts lines of this kind; else they stay as they were entered.
        sequence: the lines are numbered, ``shown`` or ``hidden``.
        absent: what the device shows in its place while it isn't set.
        ignored: it is understood and has no effect.
        wide: a ``deny`` is as wide as a ``permit``.
        many: it may name several things at once, ``vlan 10,20`` or a range of ports.
        block: text follows, on the line or below it, up to a delimiter.
        secret: a password in it is kept as a hash of this kind.
    """

    pattern: Pattern = field(hash=False)
    place: int
    group: int
    mode: str = ""
    default: str = ""
    sequence: str = ""
    absent: str = ""
    secret: str = ""
    flags: frozenset[str] = frozenset()


class Match(NamedTuple):
    """A line understood: canonical words, and those that say which line it is."""

    rule: Rule
    words: tuple[str, ...]
    key: tuple[str, ...]
    sign: str  # empty, no or default
    values: tuple[str, ...]  # the words that are of a type


State = tuple[Rule, Pattern, tuple[tuple[Leaf, str], ...]]
"""A rule that fits so far: what is left of its pattern, and the words."""


@cache
def heads(pattern: Pattern) -> tuple[tuple[Leaf | None, Pattern], ...]:
    """Return what may come first in ``pattern`` with what follows; None where it may end."""
    if not pattern:
        return ((None, ()),)
    first, rest = pattern[0], pattern[1:]
    if isinstance(first, Choice):
        return tuple(head for way in first.ways for head in heads(way + rest))
    return ((first, rest),)


class Grammar:
    """The modes of a platform. ``ports`` are the names of the physical interfaces."""

    def __init__(self, platform: str, ports: list[str]) -> None:
        self.modes: dict[str, list[Rule]] = {}
        self.ports = ports
        text = (FOLDER / f"{platform}.grammar").read_text(encoding="utf-8")
        self.indent = 1  # of a section's lines
        least = 2  # numbers that make a range
        self.always = [f"interface {port}" for port in ports]
        names: list[str] = []  # kinds of interfaces
        mode, group = "", 0
        for place, line in enumerate(text.splitlines()):
            if not line.strip():
                group += 1
            elif line.startswith("names:"):
                names = line.split()[1:]
            elif line.startswith("indent:"):
                self.indent = int(line.split()[1])
            elif line.startswith("ranges:"):
                least = int(line.split()[1])
            elif line.startswith("always:"):
                self.always.append(line.removeprefix("always:").strip())
            elif not line.startswith((" ", "#")):
                mode = line.strip().rstrip(":")
            elif line.startswith(" "):
                rules = self.modes.setdefault(mode, [])
                numbered = [r.place for r in rules if r.sequence and "; sequence" in line]
                rules.append(rule(line.strip(), (numbered or [place])[0], group))
        self.types = types(names, ports, least)

    def match(self, mode: str, line: str, *, abbreviate: bool = True) -> Match:
        """Understand ``line`` as a line of ``mode``, with a ``no`` before it or not.

        Raises:
            CliError: it is none; ``kind`` is invalid, ambiguous or incomplete.
        """
        try:
            return self._match(mode, line, sign="", abbreviate=abbreviate)
        except CliError as error:
            sign, _, rest = line.partition(" ")
            if sign not in ("no", "default"):
                raise
            try:
                return self._match(mode, rest, sign=sign, abbreviate=abbreviate)
            except CliError as inner:
                error.kind, error.at = inner.kind, inner.at + len(sign) + 1
                raise error from None

    def _match(self, mode: str, line: str, *, sign: str, abbreviate: bool) -> Match:
        alive: list[State] = [(rule, rule.pattern, ()) for rule in self.modes[mode]]
        for word in re.finditer(r"\S+", line):
            alive = self._step(alive, word[0], line, word.start(), abbreviate)
            if alive[0][2][-1][0].kind == "LINE":  # it took all that is left
                break
        for rule, pattern, got in alive:
            ends = any(not leaf or (sign and not leaf.key) for leaf, _ in heads(pattern))
            by_number = sign and rule.sequence and len(got) == 1 and got[0][1].isdigit()
            if ends or by_number:
                return Match(
                    rule,
                    tuple(word for _, word in got),
                    tuple(word for leaf, word in got if leaf.key),
                    sign,
                    tuple(word for leaf, word in got if leaf.kind),
                )
        raise CliError("incomplete", line, len(line))

    def _step(
        self, alive: list[State], word: str, line: str, at: int, abbreviate: bool
    ) -> list[State]:
        """Return what fits after ``word``: itself, or the rest of the line, a type, a beginning."""
        options = [(r, leaf, rest, got) for r, p, got in alive for leaf, rest in heads(p) if leaf]

        def take(value: Callable[[Leaf], str | None]) -> list[State]:
            return [
                (r, rest, (*got, (leaf, text)))
                for r, leaf, rest, got in options
                if (text := value(leaf)) is not None
            ]

        small = word.lower()
        exact = take(lambda leaf: _literal(leaf, leaf.word.lower() == small))
        if not exact and (rest := take(lambda leaf: line[at:] if leaf.kind == "LINE" else None)):
            return rest
        typed = take(lambda leaf: self.types[leaf.kind](word) if leaf.kind else None)
        if exact or typed:
            return exact + typed
        begun = take(
            lambda leaf: _literal(leaf, abbreviate and leaf.word.lower().startswith(small))
        )
        if not begun:
            raise CliError("invalid", line, at)
        if len({got[-1][1] for _, _, got in begun}) > 1:
            raise CliError("ambiguous", line, at)
        return begun


def _literal(leaf: Leaf, fits: bool) -> str | None:
    return leaf.word if fits and not leaf.kind else None


def rule(text: str, place: int = 0, group: int = 0) -> Rule:
    """Read one rule; see the module's text."""
    pattern, *properties = (part.strip() for part in text.split(";"))
    found = dict(p.partition(" ")[::2] for p in properties)
    pattern, _, mode = pattern.partition("{")
    key, equals, value = (part.strip() for part in pattern.partition(" = "))
    items = _parse(key, key=True) + (_parse(value, key=False) if equals else ())
    return Rule(
        items, place, group, mode.strip(" }"),
        *(found.get(name, "") for name in ("default", "sequence", "absent", "secret")),
        frozenset(found),
    )  # fmt: skip


def _parse(text: str, *, key: bool) -> Pattern:
    tokens = iter(re.findall(r"[][()|]|[^\s\[\]()|]+", text))

    def branch(end: str) -> Iterator[Pattern]:
        items: list[Leaf | Choice] = []
        for token in tokens:
            if token == end:
                break
            if token == "(":
                items.append(Choice(tuple(branch(")"))))
            elif token == "[":
                items.append(Choice((*branch("]"), ())))
            elif token == "|":
                yield tuple(items)
                items = []
            else:
                kind = token if token.isupper() and token[0] != "'" else ""
                items.append(Leaf(kind, token.strip("'"), key))
        yield tuple(items)

    return next(branch(""))
