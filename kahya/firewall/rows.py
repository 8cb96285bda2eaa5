"""The matrix in words: what each zone may reach of each other, by the names of the services."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kahya.firewall.matrix import Matrix


@dataclass(frozen=True)
class Row:
    """What one zone may reach of another in one family of addresses.

    ``services`` are reached between any two places of theirs that packets can go between,
    ``partly`` between some, ``published`` are the programs at a gateway's outer address.
    """

    source: str
    to: str
    family: int
    services: tuple[str, ...]
    partly: tuple[str, ...] = ()
    published: tuple[str, ...] = ()


def rows(matrix: Matrix) -> list[Row]:
    """Return who may reach what, zone by zone, with the names of the services."""
    found: dict[tuple[str, str, int], list[set[str]]] = {}
    programs: dict[tuple[str, str, int], set[str]] = {}
    for source, to in matrix.pairs():
        key = (source.zone, to.zone, to.address.version)
        verdicts = matrix.verdicts(source, to)
        shut = {n for k, arrives in verdicts.items() if not arrives for n in matrix.knocks[k]}
        opened = {name for k in verdicts for name in matrix.knocks[k]} - shut
        pairs = found.setdefault(key, [])
        if not matrix.unreachable(source, to):
            pairs.append(opened)
        fits = (matrix.published(source, to, k) for k, arrives in verdicts.items() if arrives)
        programs.setdefault(key, set()).update(program.name for program in fits if program)
    return [_row(key, pairs, programs[key]) for key, pairs in found.items()]


def _row(key: tuple[str, str, int], pairs: Iterable[set[str]], programs: Iterable[str]) -> Row:
    every: set[str] = set.intersection(*pairs) if pairs else set()
    some = set().union(*pairs) - every
    return Row(*key, *(tuple(sorted(names)) for names in (every, some, programs)))
