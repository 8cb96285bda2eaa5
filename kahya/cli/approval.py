"""Commands about signatures: approve, verify, review."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from kahya import approvers, console
from kahya.approvers import Approver
from kahya.cli.common import ERROR, OK, Add, open_journal, path, town_directory
from kahya.emergency import hindrances
from kahya.errors import KahyaError, PlanError
from kahya.i18n import _
from kahya.inventory import load
from kahya.journal import Entry, Journal
from kahya.model import Plan, Town
from kahya.plan import gate, policy, signature, store, verify


def register(add: Add) -> None:
    """Add the commands of this file."""
    approve = add("approve", _approve, _("sign a plan, so that it may be applied"))
    approve.add_argument("file", type=path)
    approve.add_argument(
        "--allow-blind",
        action="append",
        default=[],
        metavar="ID",
        help=_("sign for a blind spot, too; 'all' is all of the plan; may be repeated"),
    )
    add("verify", _verify, _("check that a plan file is whole, and who signed it")).add_argument(
        "file", type=path
    )
    review = add("review", _review, _("sign off what was applied without approvals"))
    review.add_argument("number", type=int, help=_("of the break-glass entry in the journal"))
    for command in (approve, review):
        command.add_argument(
            "--key",
            type=path,
            metavar="FILE",
            help=_("your SSH key; a .pub file when it is in ssh-agent (default: ssh-agent's)"),
        )
        command.add_argument("--yes", action="store_true", help=_("don't ask"))


def _approve(args: argparse.Namespace) -> int:
    town, journal, people = _open(args)
    plan = store.read(args.file)
    now = datetime.now(UTC)
    console.plan(plan, town)
    if against := gate.obstacles(plan, town, now, _used(journal)):
        raise PlanError("\n".join(against), _("This plan can't be approved."))
    others, faults = policy.check(plan, people, store.read_approvals(args.file), now)
    for fault in faults:
        console.say(fault)
    with signature.signing_key(args.key, people) as (who, key):
        # A second signature takes the place of one's first, and must not say less.
        before = [spot for s in others if s.approver == who for spot in s.blind_spots]
        spots = tuple(sorted({*_blind_spots(plan, args.allow_blind), *before}))
        signers = [s for s in others if s.approver != who]
        signers.append(policy.Signer(who, frozenset(spots)))
        urgent = not hindrances(plan, town, journal)
        if reasons := policy.never_counts(signers[-1], plan, town, emergency=urgent):
            raise PlanError("\n".join(reasons), _("Someone else has to approve this plan."))
        _explain(plan, who, spots)
        tell_missing(policy.missing(plan, town, signers, emergency=urgent))
        ask(args)
        signed = signature.approve(plan, who, key, spots)
    created = signature.moment(plan.created)
    if fault := signature.fault(signed, plan.seal, created, people, datetime.now(UTC)):
        raise PlanError(fault, _("See approvers: namespaces, valid-after, valid-before."))
    journal.record("approved", plan.id, asdict(signed) | {"blind_spots": list(spots)})
    console.say(_("Signed: {path}").format(path=store.write_approval(signed, args.file)))
    return OK


def _explain(plan: Plan, who: Approver, spots: Sequence[str]) -> None:
    """Say what the signature means: an approver reads this, not the code."""
    console.say(
        _(
            "{name} signs that exactly this may be done, until {expires}: {changes} changes,"
            " {spots} of {all} blind spots. Seal {seal}."
        ).format(
            name=who.name,
            expires=plan.expires,
            changes=len(plan.changes),
            spots=len(spots),
            all=len(policy.blind_spots(plan)),
            seal=plan.seal,
        )
    )


def tell_missing(missing: Sequence[str]) -> None:
    """Say what has to stand under a plan besides a signature that is about to be made."""
    if not missing:
        console.say(_("With this signature the plan may be applied."))
    for need in missing:
        console.say(_("Still missing after it, {need}").format(need=need))


def _blind_spots(plan: Plan, allowed: Sequence[str]) -> set[str]:
    there = {spot.id for spot in policy.blind_spots(plan)}
    if "all" in allowed:
        return there
    if unknown := set(allowed) - there:
        raise PlanError(
            _("the plan has no blind spot {ids}").format(ids=", ".join(sorted(unknown))),
            _("It has: {ids}").format(ids=", ".join(sorted(there)) or "–"),
        )
    return set(allowed)


def _verify(args: argparse.Namespace) -> int:
    try:
        content = args.file.read_bytes()
    except OSError as error:
        message = _("{path} can't be read: {error}").format(path=args.file, error=error.strerror)
        raise PlanError(message) from error
    failures, signers = verify.plan_file(content), list[str]()
    if not failures:
        people = approvers.load(town_directory(args) / "approvers")
        document = json.loads(content)
        signers, failures = verify.approvals(args.file, document, people, datetime.now(UTC))
    console.failures(failures)
    if failures:
        return ERROR
    console.say(_("The plan is whole. Seal {seal}.").format(seal=document["seal"]))
    names = ", ".join(signers) or _("nobody")
    console.say(_("Signed by: {names}.").format(names=names))
    return OK


def _review(args: argparse.Namespace) -> int:
    _town, journal, people = _open(args)
    entry = _to_review(journal, args.number)
    console.say(
        _("{at}: {by} applied plan {plan} without approvals: {reason}").format(
            at=entry.at, by=entry.data["by"], plan=entry.plan, reason=entry.data["reason"]
        )
    )
    with signature.signing_key(args.key, people) as (who, key):
        if who.is_one_of([entry.data["by"]]):
            raise KahyaError(
                _("{name} broke the glass, so someone else has to review it").format(name=who.name),
                _("Ask another approver."),
            )
        console.say(
            _("{name} signs that this was looked at and is in order.").format(name=who.name)
        )
        ask(args)
        now = datetime.now(UTC)
        at = now.strftime(signature.FORM)
        statement = signature.review_statement(entry.number, entry.digest, who.name, at)
        signed = signature.sign(statement, key, "kahya-review")
    if said := signature.verify(statement, signed, who, "kahya-review", (now,)):
        raise KahyaError(
            _("the signature of {name} is not valid: {said}").format(name=who.name, said=said),
            _("See approvers: namespaces, valid-after, valid-before."),
        )
    data = {"entry": entry.number, "digest": entry.digest, "reviewer": who.name, "at": at}
    journal.record("reviewed", entry.plan, data | {"signature": signed})
    console.say(_("Entry {number} is reviewed.").format(number=entry.number))
    return OK


def _to_review(journal: Journal, number: int) -> Entry:
    done = {entry.data["entry"] for entry in journal.entries("reviewed")}
    open_ = {e.number: e for e in journal.entries("break-glass") if e.number not in done}
    if number not in open_:
        raise KahyaError(
            _("entry {number} is no break-glass that waits for a review").format(number=number),
            _("These do: {numbers}").format(numbers=", ".join(map(str, open_)) or "–"),
        )
    return open_[number]


def _open(args: argparse.Namespace) -> tuple[Town, Journal, tuple[Approver, ...]]:
    town = load(town_directory(args))
    people = approvers.load(Path(town.directory) / "approvers", town.buildings)
    return town, open_journal(town), people


def _used(journal: Journal) -> Callable[[str], bool]:
    return lambda seal: any(e.data["seal"] == seal for e in journal.entries("started"))


def ask(args: argparse.Namespace) -> None:
    """Go on only if the person at the terminal says so.

    Raises:
        KahyaError: they don't, or there is no terminal to ask at.
    """
    if args.yes:
        return
    if not sys.stdin.isatty():
        raise KahyaError(_("there is no terminal to ask at"), _("Say --yes if you have read it."))
    if input(_("Sign? [y/n] ")).strip().casefold() not in (_("y"), "y"):
        raise KahyaError(_("Nothing was signed."))
