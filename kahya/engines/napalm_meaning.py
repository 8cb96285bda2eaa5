"""What a configuration means: the same meaning gives the same lines, whatever the text.

The rules of each platform are data (napalm_platforms.yml).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from kahya.engines.napalm_platforms import Rules

Config = Mapping[str, tuple[str, ...]]
"""What a configuration means: for each resource its lines, those inside others indented."""

BANNER = re.compile(r"(banner \S+) +(\^C|\S)(.*)")


class Node(NamedTuple):
    """A line, what is inside it, and for a line at the top the text it was read from.

    ``also`` are other lines that the same text says, as ``vlan 10,20`` does.
    """

    line: str
    inside: tuple[Node, ...] = ()
    raw: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


def parse(text: str, rules: Rules) -> Iterator[Node]:
    """Yield the lines at the top of a configuration, each with what is indented below it."""
    lines = [line.rstrip() for line in text.splitlines()]
    start = 0
    while start < len(lines):
        end, node = _banner(lines, start, rules) or _section(lines, start)
        start = end
        if one := re.fullmatch(r"vlan ([\d,-]+)", node.line):
            each = tuple(f"vlan {number}" for number in sorted(numbers(one[1])))
            yield from (Node(line, node.inside, node.raw, each) for line in each)
        elif node.line:
            yield node


def _section(lines: list[str], start: int) -> tuple[int, Node]:
    end = start + 1
    while end < len(lines) and (lines[end].startswith(" ") or not lines[end]):
        end += 1
    raw = tuple(line for line in lines[start:end] if line)
    return end, Node(" ".join(lines[start].split()), _tree(raw[1:]), raw)


def _tree(lines: tuple[str, ...]) -> tuple[Node, ...]:
    """Return indented lines as a tree; what is further in than a line belongs to it."""
    found, start = [], 0
    depth = [len(line) - len(line.lstrip()) for line in lines]
    while start < len(lines):
        end = start + 1
        while end < len(lines) and depth[end] > depth[start]:
            end += 1
        found.append(Node(" ".join(lines[start].split()), _tree(lines[start + 1 : end])))
        start = end
    return tuple(found)


def _banner(lines: list[str], start: int, rules: Rules) -> tuple[int, Node] | None:
    """Read a banner, whose text is anything up to its end: the text is kept as it stands."""
    if rules.banner == "EOF" and lines[start].startswith("banner ") and "EOF" in lines[start:]:
        end = lines.index("EOF", start)
        text, head = lines[start + 1 : end], " ".join(lines[start].split())
    elif rules.banner == "delimiter" and (one := BANNER.fullmatch(lines[start])):
        head, mark, first = one.groups()
        rest = [first, *lines[start + 1 :]]
        last = next((n for n, line in enumerate(rest) if mark in line), None)
        if last is None:
            return None
        text = [*rest[:last], rest[last].partition(mark)[0]]
        end = start + last
        text = text[1:] if not text[0] else text
        text = text[:-1] if text and not text[-1] else text
    else:
        return None
    raw = tuple(lines[start : end + 1])
    return end + 1, Node(head, tuple(Node(f"|{line}") for line in text), raw)


def numbers(text: str) -> set[int]:
    """Return the numbers that ``1-3,7`` stands for."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        low, _dash, high = part.partition("-")
        found |= set(range(int(low), int(high or low) + 1))
    return found


def _listed(found: set[int]) -> str:
    """Return ``{1, 2, 3, 7}`` as ``1-3,7``."""
    starts = sorted(n for n in found if n - 1 not in found)
    ends = sorted(n for n in found if n + 1 not in found)
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True))


def grouped(text: str, rules: Rules) -> dict[str, list[Node]]:
    """Return the lines at the top by the resource that they are about, in order."""
    found: dict[str, list[Node]] = {}
    for node in parse(text, rules):
        if not rules.says("noise", node.line):
            found.setdefault(_resource(node, rules), []).append(node)
    return found


def _resource(node: Node, rules: Rules) -> str:
    line = node.line.removeprefix("no ")
    names = (re.fullmatch(pattern, line) for pattern in rules.resources)
    found = next((name[1] for name in names if name), "")
    return found or (line if node.inside else line.split()[0])


@lru_cache(maxsize=128)  # a plan asks several times about the same texts
def meaning(text: str, rules: Rules) -> Config:
    """Return what a configuration means, without what belongs to the device itself."""
    found = {name: lines_of(nodes, rules) for name, nodes in grouped(text, rules).items()}
    return {name: lines for name, lines in found.items() if lines}


def lines_of(nodes: list[Node], rules: Rules) -> tuple[str, ...]:
    """Return what these lines at the top mean together."""
    mine = [node for node in nodes if not rules.says("own", node.line)]
    return tuple(_canonical(tuple(mine), (), rules))


def _canonical(nodes: tuple[Node, ...], above: tuple[str, ...], rules: Rules) -> Iterator[str]:
    """Yield lines in one form: no defaults, nothing that a later ``no`` undoes, sorted by name.

    Where the order of lines means something they stay as they are.
    """
    kept: list[tuple[str, list[str]]] = []
    for node in _joined(nodes, above, rules):
        where = " / ".join((*above, node.line))
        if node.line.startswith("|"):  # a banner's own text
            kept.append((node.line, []))
            continue
        if rules.says("noise", node.line):
            continue
        if node.line.startswith("no "):
            gone = node.line.removeprefix("no ")
            kept = [k for k in kept if k[0] != gone and not k[0].startswith(gone + " ")]
        inside = [" " + x for x in _canonical(node.inside, (*above, node.line), rules)]
        if not rules.says("defaults", where) and (inside or not rules.says("empty", node.line)):
            kept.append((node.line, inside))
    if rules.says("ordered", above[0] if above else ""):
        kept = _unnumbered(kept)
    elif not any(line.startswith("|") for line, _inside in kept) and not _in_order(kept, rules):
        kept = sorted(dict(kept).items())
    for line, inside in kept:
        yield line
        yield from inside


def _in_order(kept: list[tuple[str, list[str]]], rules: Rules) -> bool:
    """Return whether these are the lines of a list that has no section, as access-list 10."""
    return bool(kept) and all(rules.says("ordered", line) and not inside for line, inside in kept)


def _unnumbered(kept: list[tuple[str, list[str]]]) -> list[tuple[str, list[str]]]:
    """Put numbered entries in their order and leave the numbers away: only the order counts."""
    found = [re.fullmatch(r"(\d+) (.+)", line) for line, _inside in kept]
    if all(found):
        pairs = sorted(zip(found, kept, strict=True), key=lambda p: int(p[0][1]) if p[0] else 0)
        kept = [k for _number, k in pairs]
    return [(re.sub(r"^\d+ ", "", line), inside) for line, inside in kept]


def _joined(nodes: tuple[Node, ...], above: tuple[str, ...], rules: Rules) -> Iterator[Node]:
    """Yield nodes, each line once; long lists that devices break into several lines are one."""
    lists: dict[str, set[int]] = {}
    found: dict[str, Node] = {}
    place = " / ".join(above) + " / " if above else ""
    for node in nodes:
        names = (re.fullmatch(pattern, place + node.line) for pattern in rules.lists)
        if one := next((name for name in names if name), None):
            lists.setdefault(one[1].removeprefix(place), set()).update(numbers(one[2]))
        elif node.line.startswith("|"):
            yield node
        else:
            before = found.pop(node.line, Node(""))
            found[node.line] = Node(node.line, before.inside + node.inside)
    yield from found.values()
    for line, listed in lists.items():
        yield Node(f"{line} {_listed(listed)}")
