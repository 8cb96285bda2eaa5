"""The canonical form of an FRR configuration: the same meaning always gives the same text.

Two texts are compared as trees of lines. The order of lines carries no meaning in FRR (whatever is
ordered has a sequence number), but people read texts, so the order of the device is kept.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

# Lines that say how the text was made, not how the router behaves.
NOISE = re.compile(
    r"Building configuration|Current configuration|frr version |frr defaults |"
    r"service integrated-vtysh-config$|end$|!|$"
)


@dataclass
class Block:
    """What belongs to one line: the lines inside it, and the line that closes it ("" for none)."""

    inside: "Tree" = field(default_factory=dict)
    closing: str = ""


Tree = dict[str, Block]
Path = tuple[str, ...]


def parse(text: str) -> Tree:
    """Read a text printed by FRR; its indentation tells what belongs to what."""
    root: Tree = {}
    opened: list[tuple[int, Block]] = [(-1, Block(root))]
    for raw in text.splitlines():
        line = raw.strip()
        if NOISE.match(line):
            continue
        indent = len(raw) - len(raw.lstrip())
        closes = line == "exit" or line.startswith("exit-")
        while opened[-1][0] >= indent + closes:
            opened.pop()
        if closes:
            opened[-1][1].closing = line
        else:
            block = opened[-1][1].inside.setdefault(line, Block())
            opened.append((indent, block))
    return _with_one_hostname(root)


def _with_one_hostname(root: Tree) -> Tree:
    """The daemons print the name they were started with, then vtysh prints the system's."""
    names = [line for line in root if line.startswith("hostname ")]
    others = {line: block for line, block in root.items() if line not in names}
    return {**{line: root[line] for line in names[-1:]}, **others}


def render(tree: Tree) -> str:
    """Write a tree as text that FRR can load again."""
    return "".join(f"{line}\n" for line in _lines(tree, 0))


def _lines(tree: Tree, depth: int) -> Iterator[str]:
    for line, block in tree.items():
        yield " " * depth + line
        yield from _lines(block.inside, depth + 1)
        if block.closing:
            yield " " * depth + block.closing
        if block.closing and depth == 0:
            yield "!"


def canonical(text: str) -> str:
    """Strip banners, versions and empty comments from a text printed by FRR."""
    return render(parse(text))


def in_order_of(model: Tree, tree: Tree) -> Tree:
    """Return `tree` with the lines it shares with `model` in the order of `model`.

    Two trees of equal meaning come out as equal texts.
    """
    shared = iter([line for line in model if line in tree])
    ordered = (next(shared) if line in model else line for line in tree)
    return {
        line: Block(
            in_order_of(model.get(line, Block()).inside, tree[line].inside), tree[line].closing
        )
        for line in ordered
    }


def paths(tree: Tree, context: Path = ()) -> Iterator[Path]:
    """Yield every line with the lines around it, outermost first."""
    for line, block in tree.items():
        yield (*context, line)
        yield from paths(block.inside, (*context, line))


def difference(one: str, other: str) -> list[str]:
    """Return the lines that only one of two texts has, readable; [] means equal in meaning."""
    differing = set(paths(parse(one))) ^ set(paths(parse(other)))
    return sorted(" / ".join(path) for path in differing)


def hostname(text: str) -> str | None:
    """Return the host name that a configuration asks for."""
    found = re.findall(r"^hostname (\S+)", text, re.MULTILINE)
    return found[-1] if found else None
