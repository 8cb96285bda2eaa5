"""A configuration: lines and sections as the device holds them, shown in its own order."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from devices.grammar import CliError, Grammar, Match, Rule
from devices.passwords import seal
from devices.words import numbers, ranges

Key = tuple[int, tuple[str, ...]]
ALL_VLANS = "1-4094"
STEP = 10  # between two numbered lines


@dataclass
class Node:
    """A line, with the lines below it when it opens a section."""

    rule: Rule | None = None
    text: str = ""
    children: dict[Key, Node] = field(default_factory=dict)
    number: int = 0


class Config:
    """What a device is told; what is always there, such as its ports, is from the beginning."""

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar
        self.root = Node()
        for line in grammar.always:
            Cursor(self).enter(line)

    def clone(self) -> Config:
        """Return a copy of its own."""
        other = copy.copy(self)
        other.root = copy.deepcopy(self.root, {id(self.grammar): self.grammar})
        return other

    def load(self, text: str) -> list[CliError]:
        """Take ``text`` line by line, as typed; return the lines that were refused."""
        cursor, errors = Cursor(self), []
        more = iter(text.splitlines())
        for line in more:
            try:
                cursor.enter(line, more)
            except CliError as error:
                errors.append(error)
        return errors

    def lines(self) -> list[str]:
        """Return it as ``show running-config`` prints it, without head and end."""
        return list(self._lines(self.root, "config", 0))

    def find(self, pattern: str) -> list[tuple[re.Match[str], list[str]]]:
        """Return the top-level lines that match ``pattern``, each with the lines below it."""
        return [
            (found, [child.text for child in node.children.values()])
            for node in self.root.children.values()
            if (found := re.fullmatch(pattern, node.text))
        ]

    __hash__ = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Config) and self.lines() == other.lines()

    def _lines(self, node: Node, mode: str, depth: int) -> Iterator[str]:
        shown = [*node.children.values()]
        there = {child.rule.place for child in shown if child.rule}
        shown += [
            Node(rule, rule.absent)
            for rule in self.grammar.modes.get(mode, [])
            if rule.absent and rule.place not in there
        ]
        last: Rule | None = None
        for child in sorted(shown, key=_order):
            rule = child.rule
            assert rule
            if last and (rule.group != last.group or rule.mode or last.mode):
                yield " " * (depth * self.grammar.indent) + "!"
            number = f"{child.number} " if rule.sequence == "shown" else ""
            text = child.text.replace("deny ", "deny   ", 1) if "wide" in rule.flags else child.text
            first, *more = (number + text).split("\n")
            yield " " * (depth * self.grammar.indent) + first
            yield from more  # a banner is printed as it was given
            yield from self._lines(child, rule.mode, depth + 1)
            last = rule


class Cursor:
    """Where somebody who types a configuration stands in it."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.stack: list[tuple[str, list[Node]]] = [("config", [config.root])]

    @property
    def mode(self) -> str:
        """The mode that the next line is read in."""
        return self.stack[-1][0]

    def enter(
        self, line: str, more: Iterator[str] | None = None, *, abbreviate: bool = True
    ) -> None:
        """Take one line; ``more`` is what follows, for texts of several lines.

        A line that the section doesn't know is tried in the sections around it, as devices do.

        Raises:
            CliError: it is known nowhere.
        """
        line = re.sub(r"(?<=\d) *([-,]) *(?=\w)", r"\1", line.strip()) if _is_range(line) else line
        line = line.strip()
        if not line or line.startswith("!"):
            return
        if line == "exit" or line.startswith("exit-"):
            self.stack = self.stack[:-1] or self.stack
            return
        if line == "end":
            del self.stack[1:]
            return
        errors = []
        for depth in reversed(range(len(self.stack))):
            mode, nodes = self.stack[depth]
            try:
                match = self.config.grammar.match(mode, line, abbreviate=abbreviate)
            except CliError as error:
                errors.append(error)
                continue
            del self.stack[depth + 1 :]
            self._take(match, nodes, more or iter(()))
            return
        raise max(errors, key=lambda error: error.at)

    def _take(self, match: Match, nodes: list[Node], more: Iterator[str]) -> None:
        rule, inside = match.rule, []
        if "ignored" in rule.flags:
            return
        if match.sign:
            for words in _targets(match):
                for node in nodes:
                    self._negate(node, match, (rule.place, words[: len(match.key)]))
            return
        text = _block(match, more) if "block" in rule.flags else ""
        for words in _targets(match):
            for node in nodes:
                if rule.sequence:
                    _number(node, match)
                    continue
                key = (rule.place, _key(match, words))
                child = self._set(node, key, match, text or self._value(node, key, words, match))
                inside.append(child)
        if rule.mode:
            self.stack.append((rule.mode, inside))

    def _set(self, node: Node, key: Key, match: Match, text: str) -> Node:
        rule = match.rule
        value = "" if rule.default == "on" else f" {rule.default}"
        hidden = " ".join(key[1]) + value
        if rule.default and text == hidden:
            node.children.pop(key, None)
            return node
        child = node.children.setdefault(key, Node(rule))
        child.text = text
        return child

    def _value(self, node: Node, key: Key, words: tuple[str, ...], match: Match) -> str:
        """Return the line as the device keeps it."""
        if match.rule.secret:
            return " ".join(seal(words, match.rule.secret))
        verb = words[len(key[1])] if len(words) > len(key[1]) else ""
        if verb in ("add", "remove"):
            before = node.children[key].text.split()[-1] if key in node.children else ALL_VLANS
            old = set() if before == "none" else numbers(before)
            given = numbers(words[-1])
            left = self.config.grammar.types["VLANS"](
                ranges(old | given if verb == "add" else old - given)
            )
            return " ".join([*key[1], "all" if left == ALL_VLANS else left or "none"])
        return " ".join(words)

    def _negate(self, node: Node, match: Match, key: Key) -> None:
        rule = match.rule
        if rule.sequence:
            number = match.words[0] if match.words[0].isdigit() else ""
            text = " ".join(match.words[1:] if number else match.words)
            for other, child in list(node.children.items()):
                if child.text == text or (number and not text and str(child.number) == number):
                    del node.children[other]
            return
        if " ".join(key[1]) in self.config.grammar.always:  # a port is there for good
            node.children[key].children.clear()
            return
        node.children.pop(key, None)
        if rule.default == "on" and match.sign == "no":
            node.children[key] = Node(rule, "no " + " ".join(key[1]))


def _is_range(line: str) -> bool:
    return line.lstrip().startswith(("interface ", "int ", "vlan "))


def _targets(match: Match) -> Iterable[tuple[str, ...]]:
    """Yield the words of the line for each thing that it names."""
    if "many" not in match.rule.flags:
        return [match.words]
    *words, last = (word for word in match.words if word != "range")
    names = map(str, sorted(numbers(last))) if last[0].isdigit() else last.split(",")
    return [(*words, name) for name in names]


def _key(match: Match, words: tuple[str, ...]) -> tuple[str, ...]:
    return words if "many" in match.rule.flags else match.key


def _number(node: Node, match: Match) -> None:
    """Put a numbered line in its place; a line that is there already stays where it is."""
    has_number = match.words[0].isdigit()
    text = " ".join(match.words[1:] if has_number else match.words)
    if any(child.text == text for child in node.children.values()):
        return
    last = max((child.number for child in node.children.values()), default=0)
    number = int(match.words[0]) if has_number else last + STEP
    node.children[match.rule.place, (str(number),)] = Node(match.rule, text, number=number)


def _block(match: Match, more: Iterator[str]) -> str:
    """Return the line with its text: up to a delimiter on the line, else up to EOF."""
    head, rest = " ".join(match.key), " ".join(match.words[len(match.key) :])
    mark = "\nEOF\n" if not rest else "^C" if rest.startswith("^C") else rest[0]
    text = rest.removeprefix(mark)
    while mark not in text + "\n":
        try:
            text += "\n" + next(more)
        except StopIteration:
            raise CliError("unfinished", f"{head} {rest}") from None
    text = (text + "\n").partition(mark)[0]
    return f"{head} ^C{text}^C" if rest else f"{head}{text}\nEOF"


def _order(node: Node) -> tuple[int, list[tuple[int, str]]]:
    assert node.rule
    parts = re.findall(r"(\d+)|(\D+)", node.text) if "sorted" in node.rule.flags else []
    return node.rule.place, [(node.number, "")] + [
        (int(digits or 0), text) for digits, text in parts
    ]
