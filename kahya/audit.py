"""Devices held against the hardening rules of their platforms: what is told of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from kahya.finding import waiver_of
from kahya.hardening import Rule, Violation, check
from kahya.i18n import _
from kahya.model import Host, Level, System, Waiver
from kahya.redact import MASK, redact
from kahya.statements import statements

# A second net, for what a driver does not know to be secret. Rather too much than too little.
SECRETS = {
    r"\b(password|secret|passphrase|community|key|key-string|md5)((?: \d| sha512)?) \S.*":
        rf"\1\2 {MASK}",
    r"\b((?:auth|priv) \S+) \S.*": rf"\1 {MASK}",
    r"(snmp-server host .*(?:version )?\b(?:1|2c)) \S+.*": rf"\1 {MASK}",
    r'"?\$\w+\$\S+': MASK,
}  # fmt: skip


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
    host: Host,
    system: System,
    rules: Sequence[Rule],
    raw: str,
    clean: str,
    secrets: tuple[str, ...],
) -> list[Breach]:
    """Return every rule that does not hold in a configuration.

    Args:
        host: the device.
        system: what sets it up.
        rules: those of its platform.
        raw: its configuration.
        clean: the same, sanitized by its driver.
        secrets: those of the vault.

    Raises:
        ValueError: the two are not of the same lines, so it is not known what to hide.
    """
    whole, shown = statements(raw), statements(clean)
    if len(whole) != len(shown):
        raise ValueError(_("it changed while it was read: read it again"))
    hidden = {a[-1]: b[-1] for a, b in zip(whole, shown, strict=True) if a[-1] != b[-1]}

    def told(found: Violation) -> Breach:
        lines = tuple(_masked(line, hidden, secrets) for line in found.lines)
        about = (found.rule, redact(found.section, secrets), lines, found.missing)
        return Breach(host.name, system.name, system.level, *about)

    return [told(found) for rule in rules for found in check(rule, whole)]


def _masked(line: str, hidden: Mapping[str, str], secrets: tuple[str, ...]) -> str:
    for end in sorted(hidden, key=len, reverse=True):
        if line.endswith(end):
            line = line.removesuffix(end) + hidden[end]
            break
    for pattern, instead in SECRETS.items():
        line = re.sub(pattern, instead, line)
    return str(redact(line, secrets))


def waive(breaches: Iterable[Breach], waivers: Sequence[Waiver], today: str) -> tuple[Breach, ...]:
    """Return ``breaches`` with the waivers that cover them."""
    return tuple(
        Breach(**{**vars(b), "waiver": waiver, "expired": expired})
        for b in breaches
        for waiver, expired in [waiver_of(b, waivers, today)]
    )
