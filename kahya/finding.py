"""What a look at reality found, and what each difference means."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from kahya.i18n import N_, Translate
from kahya.model import Change, Plan, Waivable, Waiver

Kind = Literal["drift", "pending"]
NEVER = N_("never applied yet")
AGREED = N_("matches the repository now, but was never applied")
BOTH = N_("the repository has changed it since, too")
UNCOMPARED = N_("can't be compared with what was applied")
RESTORED = N_("an older configuration was restored here, and the inventory is another")


@dataclass(frozen=True)
class Authority:
    """On whose word something was carried out: plan, time (UTC, ISO 8601) and who signed.

    ``break_glass`` is the reason why it did not wait for signatures, or "".
    """

    plan: str
    at: str
    approvers: tuple[str, ...]
    break_glass: str = ""


@dataclass(frozen=True)
class Finding:
    """One difference between a host and the inventory.

    ``kind``: ``drift`` where reality left what was applied, ``pending`` where the repository is
    ahead of it. ``since`` is the time of the first look that has shown it ever since (UTC, ISO
    8601), ``approved_by`` on whose word the resource was last changed, ``note`` what else is to be
    said, in English. A waiver that ``expired`` excuses nothing.
    """

    change: Change
    kind: Kind
    since: str
    approved_by: Authority | None = None
    waiver: Waiver | None = None
    expired: bool = False
    note: str = ""

    @property
    def waived(self) -> bool:
        """Return whether somebody answers for it today."""
        return self.waiver is not None and not self.expired

    @property
    def document(self) -> dict[str, Any]:
        """Return it as plain data."""
        waiver = asdict(self.waiver) | {"expired": self.expired} if self.waiver else None
        about = ("id", "host", "system", "resource")
        return {
            **{name: getattr(self.change, name) for name in about},
            "kind": self.kind,
            "since": self.since,
            "approved_by": asdict(self.approved_by) if self.approved_by else None,
            "waiver": waiver,
            "note": self.note,
        }


def sentences(finding: Finding, _: Translate, clock: Callable[[str], str]) -> list[str]:
    """Return what is to be said of ``finding``, in the language of ``_``, times by ``clock``."""
    found = [_("since {time}").format(time=clock(finding.since)), _word(finding, _, clock)]
    if finding.note:
        found.append(_(finding.note))
    if finding.waiver:
        found.append(excuse(finding.waiver, _, expired=finding.expired))
    return found


def excuse(waiver: Waiver, _: Translate, *, expired: bool) -> str:
    """Return who answers for something until when, or that nobody does any more."""
    text = _("waived until {until} by {owner}: {reason}")
    if expired:
        text = _("the waiver of {owner} ended on {until}: renew it or repair this ({reason})")
    return text.format(**asdict(waiver))


def waiver_of(found: Waivable, waivers: Iterable[Waiver], today: str) -> tuple[Waiver | None, bool]:
    """Return the waiver that covers ``found``, the one that lasts longest, and if it expired."""
    about = sorted((w for w in waivers if w.covers(found)), key=lambda w: w.until)
    return (about[-1], about[-1].until < today) if about else (None, False)


def _word(finding: Finding, _: Translate, clock: Callable[[str], str]) -> str:
    word = finding.approved_by
    if word is None:
        return _("nobody approved this")
    text = _("last approved by {people}, {time}, plan {plan}")
    if word.break_glass:
        text = _("last changed by breaking the glass, {people}, {time}, plan {plan}: {why}")
    people = ", ".join(word.approvers)
    return text.format(people=people, time=clock(word.at), plan=word.plan, why=word.break_glass)


@dataclass(frozen=True)
class Look:
    """What was found: the plan of its repair, and what each difference means.

    ``doubts`` say why some could not be compared with what was applied.
    """

    plan: Plan
    findings: tuple[Finding, ...]
    doubts: tuple[str, ...] = ()

    def of(self, kind: Kind) -> tuple[Finding, ...]:
        """Return what nobody answers for, of one kind."""
        return tuple(f for f in self.findings if f.kind == kind and not f.waived)

    @property
    def waived(self) -> tuple[Finding, ...]:
        """Return what somebody answers for."""
        return tuple(f for f in self.findings if f.waived)

    @property
    def expired(self) -> tuple[Waiver, ...]:
        """Return the waivers that ended though what they were for is still there."""
        found = [f.waiver for f in self.findings if f.waiver and f.expired]
        return tuple(dict.fromkeys(found))

    @property
    def document(self) -> dict[str, Any]:
        """Return what ``kahya drift --json`` and the journal add to the plan."""
        return {
            "findings": [finding.document for finding in self.findings],
            "waived": [finding.change.id for finding in self.waived],
            "doubts": list(self.doubts),
        }
