"""Signatures by ``ssh-keygen -Y``: with a key file, ssh-agent or a hardware key alike."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kahya.approvers import Approver
from kahya.errors import PlanError
from kahya.i18n import _
from kahya.model import Approval, Plan, canonical
from kahya.scratch import scratch

FORM = "%Y-%m-%dT%H:%M:%SZ"
SKEW = timedelta(minutes=5)
"""How far the clocks of two people's machines may be apart."""


def moment(text: str) -> datetime:
    """Return the time that a plan or approval names; only their one form is known.

    Raises:
        ValueError: ``text`` has another form.
    """
    return datetime.strptime(text, FORM).replace(tzinfo=UTC)


def sign(statement: bytes, key: Path, namespace: str) -> str:
    """Return the armoured signature of ``statement``.

    ``key`` is a private key, or a public one whose private half is in ssh-agent. ssh-keygen asks
    for a passphrase or a touch on the terminal itself.

    Raises:
        PlanError: the key can't be used.
    """
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", namespace]
    done = _run(command, statement, stderr=None)
    if done.returncode:
        raise PlanError(
            _("{key} could not sign").format(key=key),
            _("See above. A public key needs its private half in ssh-agent: ssh-add."),
        )
    return done.stdout.decode("ascii")


def approve(plan: Plan, who: Approver, key: Path, blind_spots: Sequence[str] = ()) -> Approval:
    """Sign ``plan`` as ``who`` and return the approval.

    Raises:
        PlanError: the key can't be used.
    """
    at = datetime.now(UTC).strftime(FORM)
    unsigned = Approval(plan.seal, who.name, at, tuple(blind_spots), "")
    return replace(unsigned, signature=sign(unsigned.statement, key, "kahya-plan"))


def verify(
    statement: bytes, signature: str, signer: Approver, namespace: str, moments: Sequence[datetime]
) -> str:
    """Return "" if ``signer`` signed ``statement`` and might do so at all of ``moments``.

    Else the answer is why not, in ssh-keygen's words.
    """
    with scratch() as folder:
        allowed, signed = folder / "approvers", folder / "signature"
        # This one line and no other: the signature counts for whom the line says, with their roles.
        allowed.write_text(signer.allowed + "\n", encoding="utf-8")
        signed.write_text(signature, encoding="utf-8")
        command = ["ssh-keygen", "-Y", "verify", "-f", str(allowed), "-s", str(signed)]
        command += ["-I", signer.name, "-n", namespace]
        for moment in moments:
            when = f"verify-time={moment.astimezone(UTC):%Y%m%d%H%M%SZ}"
            done = _run([*command, "-O", when], statement, stderr=subprocess.PIPE)
            if done.returncode:
                # Never "": that would mean that it is valid. The reason may be on either.
                said = (done.stderr + done.stdout).decode(errors="replace").splitlines()
                return said[0].removeprefix(f"{allowed}:1: ") if said else command[0]
    return ""


def fault(
    approval: Approval,
    seal: str,
    created: datetime,
    approvers: Sequence[Approver],
    now: datetime,
) -> str:
    """Return why ``approval`` is none of the plan ``seal``, made at ``created``; or "".

    It must be of this plan, by someone in ``approvers`` whose key was and still is allowed.
    """
    if approval.seal != seal:
        return _("{name} signed another plan").format(name=approval.approver)
    signer = find(approval.approver, approvers)
    if signer is None:
        return _("{name} is not among the approvers").format(name=approval.approver)
    try:
        at = moment(approval.at)
    except ValueError:
        return _("{name}: {at} is no time").format(name=approval.approver, at=repr(approval.at))
    if not created - SKEW <= at <= now + SKEW:
        return _("{name} signed at {at}: before the plan was made, or after now").format(
            name=approval.approver, at=approval.at
        )
    if said := verify(approval.statement, approval.signature, signer, "kahya-plan", (at, now)):
        return _("the signature of {name} is not valid: {said}").format(
            name=approval.approver, said=said
        )
    return ""


def review_statement(number: int, entry_digest: str, reviewer: str, at: str) -> bytes:
    """Return the bytes that are signed to review an entry of the journal."""
    fields = {"entry": number, "digest": entry_digest, "reviewer": reviewer, "at": at}
    return canonical({"kahya": "review", **fields})


def find(address: str, approvers: Sequence[Approver]) -> Approver | None:
    """Return the approver whose mail address this is."""
    return next((a for a in approvers if a.is_one_of([address])), None)


@contextmanager
def signing_key(key: Path | None, approvers: Sequence[Approver]) -> Iterator[tuple[Approver, Path]]:
    """Find who signs, and lend the file for ``sign``.

    Without ``key`` it is what ssh-agent offers, if exactly one of its keys is an approver's.

    Raises:
        PlanError: the key can't be read or is nobody's, or the agent offers none or several.
    """
    owners = {approver.fingerprint: approver for approver in approvers}
    if key is not None:
        mark = _fingerprint(key)
        if mark not in owners:
            raise PlanError(
                _("{key} ({mark}) is nobody's key in approvers").format(key=key, mark=mark),
                _("Use the key that stands there, or have yours added: docs/approval.md."),
            )
        yield owners[mark], key
        return
    with scratch() as folder:
        offered = []
        for number, line in enumerate(_run(["ssh-add", "-L"]).stdout.decode().splitlines()):
            file = folder / f"{number}.pub"
            file.write_text(line + "\n", encoding="utf-8")
            if (owner := owners.get(_fingerprint(file))) is not None:
                offered.append((owner, file))
        if len(offered) != 1:
            message = _("ssh-agent offers {count} keys of approvers").format(count=len(offered))
            raise PlanError(message, _("Name yours with --key."))
        yield offered[0]


def _fingerprint(key: Path) -> str:
    done = _run(["ssh-keygen", "-l", "-f", str(key)], stderr=subprocess.PIPE)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or done.stdout.decode().strip()
        raise PlanError(
            _("{key} is not a key: {said}").format(key=key, said=said),
            _("Name a private key, or its .pub file when the private half is in ssh-agent."),
        )
    return done.stdout.decode().split()[1]


def _run(
    command: list[str], text: bytes = b"", stderr: int | None = subprocess.DEVNULL
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            command, input=text, stdout=subprocess.PIPE, stderr=stderr, check=False
        )
    except FileNotFoundError as error:
        message = _("{tool} is not installed").format(tool=command[0])
        raise PlanError(message, _("Install Debian's openssh-client.")) from error
