"""Devices held against the hardening rules of their platforms: what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from kahya.finding import waiver_of
from kahya.hardening import Rule, Violation, check
from kahya.model import Host, Level, System, Waiver
from kahya.statements import statements


@dataclass(frozen=True)
class Breach:
    """A rule that does not hold on a device.

    ``lines`` (secrets masked) must go. ``missing``: something must be there that isn't. A waiver
    that ``expired`` excuses nothing.
    """

    host: str
    system: str
    level: Level
    rule: Rule
    section: str
    lines: tuple[str, ...]
    missing: bool
    waiver: Waiver | None = None
    expired: bool = False

    @property
    def resource(self) -> str:
        """Return the name by which it may be waived."""
        return f"rule {self.rule.id}" + (f": {self.section}" if self.section else "")

    @property
    def waived(self) -> bool:
        """Return whether somebody answers for it today."""
        return self.waiver is not None and not self.expired

    @property
    def document(self) -> dict[str, Any]:
        """Return it as plain data."""
        rule, told = asdict(self.rule), ("title", "why", "reference", "write")
        waiver = asdict(self.waiver) | {"expired": self.expired} if self.waiver else None
        about = ("host", "system", "level", "resource", "section", "missing")
        return {
            **{name: getattr(self, name) for name in about},
            "rule": self.rule.id,
            **{name: rule[name] for name in told},
            "lines": list(self.lines),
            "waiver": waiver,
        }


@dataclass(frozen=True)
class Audit:
    """What was found; ``checked`` counts rules by host, ``unread`` says why by host."""

    breaches: tuple[Breach, ...] = ()
    checked: Mapping[str, int] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)

    @property
    def open(self) -> tuple[Breach, ...]:
        """Return what nobody answers for."""
        return tuple(breach for breach in self.breaches if not breach.waived)


def examine(
    host: Host, system: System, rules: Sequence[Rule], text: str, shown: Callable[[str], str]
) -> list[Breach]:
    """Return every rule that does not hold in a configuration.

    Args:
        host: the device.
        system: what sets it up.
        rules: those of its platform.
        text: its configuration.
        shown: masks the secrets of a line.
    """
    whole = statements(text)

    def told(found: Violation) -> Breach:
        lines = tuple(map(shown, found.lines))
        about = (found.rule, shown(found.section), lines, found.missing)
        return Breach(host.name, system.name, system.level, *about)

    return [told(found) for rule in rules for found in check(rule, whole)]


def waive(breaches: Iterable[Breach], waivers: Sequence[Waiver], today: str) -> tuple[Breach, ...]:
    """Return ``breaches`` with the waivers that cover them."""
    return tuple(
        Breach(**{**vars(b), "waiver": waiver, "expired": expired})
        for b in breaches
        for waiver, expired in [waiver_of(b, waivers, today)]
    )


def together(breaches: Iterable[Breach]) -> list[tuple[Breach, tuple[str, ...]]]:
    """Return what is told alike once, with all its sections: a switch has many ports."""
    found: dict[object, list[Breach]] = {}
    for b in breaches:
        found.setdefault((b.host, b.rule.id, b.lines, b.missing, b.waiver), []).append(b)
    return [(same[0], tuple(b.section for b in same if b.section)) for same in found.values()]
