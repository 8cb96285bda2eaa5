"""Take FRR from its running configuration to a wanted one, line by line.

Remove what is too much, read again, add what is missing, read again. FRR's "no" forms are not
regular, so only the final state counts; what still differs after some rounds is removed as a whole
stanza and written anew (and reported, since that resets, for example, a BGP session).
"""

import socket
from collections.abc import Iterator

from . import daemons, text, vtysh
from .text import Block, Path, Tree

ROUNDS = 3
CRASHES = 2  # of a daemon on the way, after which it is begun anew
SHORTEST = 2  # words: "no" and one more
# vtysh did not understand the line: a shorter "no ..." may do. Anything else is a real refusal.
NOT_UNDERSTOOD = ("% Unknown command", "% Command incomplete", "% Ambiguous command")


def converge(target: str) -> list[str]:
    """Make the running configuration equal to `target` (canonical text).

    Returns the lines that still differ: [] means done. Some changes make a daemon of FRR 8.4 crash
    (the type of a busy OSPF link): once FRR has started it again, the rest is done.
    """
    left: list[str] = []
    for _ in range(CRASHES + 1):
        before = daemons.awaited()
        left = approach(target)
        if daemons.processes() == before:
            return left
    return left or ["a daemon crashes again and again"]


def approach(target: str) -> list[str]:
    """Do the same with daemons that nobody would start again."""
    if name := text.hostname(target):
        set_hostname(name)
    want = text.parse(target)
    for round_number in range(ROUNDS + 1):
        have = text.parse(vtysh.running())
        if round_number < ROUNDS:
            remove(removals(have, want))
        else:
            remove((line,) for line in _differing_stanzas(have, want))
        missing = list(additions(text.parse(vtysh.running()), want))
        if missing:
            vtysh.load("\n".join(missing) + "\n")
        left = text.difference(vtysh.running(), target)
        if not left:
            break
    return left


def set_hostname(name: str) -> None:
    """Set the system's host name: it is what FRR prints, whatever was configured."""
    if name != socket.gethostname():
        socket.sethostname(name)


def is_link(line: str) -> bool:
    """Tell whether a line is the stanza of an existing link, which FRR refuses to remove."""
    if not line.startswith("interface "):
        return False
    try:
        return bool(socket.if_nametoindex(line.split()[1]))
    except OSError:
        return False


def removals(have: Tree, want: Tree, context: Path = ()) -> list[Path]:
    """Return the lines to remove, each after the lines inside it, last printed first."""
    return list(reversed(list(_removals(have, want, context))))


def _removals(have: Tree, want: Tree, context: Path) -> Iterator[Path]:
    for line, block in have.items():
        here = (*context, line)
        if line in want:
            yield from _removals(block.inside, want[line].inside, here)
        elif line.startswith("interface "):  # its lines are kept by several daemons: one by one
            if not is_link(line):
                yield here
            yield from _removals(block.inside, {}, here)
        elif not line.startswith("hostname "):
            yield here


def additions(have: Tree, want: Tree) -> Iterator[str]:
    """Yield the lines to add, with the lines that lead into and out of their context."""
    for line, block in want.items():
        inside = list(additions(have.get(line, Block()).inside, block.inside))
        if line not in have or inside:
            yield line
            yield from inside
            if block.closing or inside:
                yield block.closing or "exit"


def _differing_stanzas(have: Tree, want: Tree) -> list[str]:
    return [
        line
        for line, block in have.items()
        if block.closing
        and not is_link(line)
        and set(text.paths(block.inside)) != set(text.paths(want.get(line, Block()).inside))
    ]


def negate(line: str) -> str:
    """Return the line that undoes a line."""
    return line[3:] if line.startswith("no ") else f"no {line}"


def remove(lines: Iterator[Path] | list[Path]) -> None:
    """Undo lines in their contexts.

    A form that FRR does not know is tried again without its last word, as ``no description some
    text`` must become ``no description``.
    """
    todo = [(path[:-1], negate(path[-1]).split()) for path in lines]
    while todo:
        script, owner = [], dict[int, int]()
        for index, (context, words) in enumerate(todo):
            script += [*context, " ".join(words)]
            owner[len(script)] = index
            script += ["exit"] * len(context)
        rejected = vtysh.load("\n".join(script) + "\n")
        again = [
            todo[owner[r.number]]
            for r in rejected
            if r.number in owner and r.words.startswith(NOT_UNDERSTOOD)
        ]
        todo = [(context, words[:-1]) for context, words in again if len(words) > SHORTEST]
