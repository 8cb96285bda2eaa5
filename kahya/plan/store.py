"""Plan files: written whole or not at all, readable by their owner only, never changed."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kahya.errors import PlanError
from kahya.i18n import _
from kahya.model import Approval, Plan
from kahya.plan.document import from_document, to_document

APPROVAL = ".approval"


def write(plan: Plan, path: Path) -> None:
    """Write ``plan`` to ``path``.

    Raises:
        PlanError: the file exists already or can't be written.
    """
    _write(to_document(plan), path, replace=False)


def write_approval(approval: Approval, plan_file: Path) -> Path:
    """Write ``approval`` beside the plan, in place of an earlier one of the same person.

    Raises:
        PlanError: the file can't be written.
    """
    path = plan_file.with_name(f"{plan_file.name}.{approval.approver}{APPROVAL}")
    _write(asdict(approval) | {"blind_spots": list(approval.blind_spots)}, path, replace=True)
    return path


def _write(document: dict[str, Any], path: Path, *, replace: bool) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent)  # mkstemp makes it 0600
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(as_text(document))
                file.flush()
                os.fsync(file.fileno())
            if replace:
                temporary.replace(path)
            else:
                path.hardlink_to(temporary)  # unlike rename, never in place of a plan there
        finally:
            temporary.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    except FileExistsError as error:
        raise PlanError(
            _("{path} exists already").format(path=path),
            _("A plan is never overwritten; name another."),
        ) from error
    except OSError as error:
        message = _("{path} can't be written: {error}").format(path=path, error=error.strerror)
        raise PlanError(message) from error


def as_text(document: object) -> str:
    """Return what the file that holds ``document`` says, byte for byte."""
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def read(path: Path) -> Plan:
    """Read the plan in ``path``.

    Raises:
        PlanError: it can't be read, isn't a plan, or was altered.
    """
    return from_document(_read(path, _("Make one with kahya plan --out.")))


def approval_files(plan_file: Path) -> list[Path]:
    """Return the approvals that lie beside a plan."""
    start = plan_file.name + "."
    return sorted(
        file
        for file in plan_file.parent.iterdir()
        if file.name.startswith(start) and file.name.endswith(APPROVAL)
    )


def read_approvals(plan_file: Path) -> tuple[Approval, ...]:
    """Read all approvals beside a plan; whether they count is for the gate to say.

    Raises:
        PlanError: one can't be read or isn't an approval.
    """
    return tuple(map(read_approval, approval_files(plan_file)))


def read_approval(path: Path) -> Approval:
    """Read one approval.

    Raises:
        PlanError: it can't be read or isn't an approval.
    """
    hint = _("Delete it, and have the plan signed again with kahya approve.")
    document = _read(path, hint)
    spots = document.pop("blind_spots", None)
    texts = [*document.values(), *(spots if isinstance(spots, list) else [None])]
    try:
        if not all(isinstance(text, str) for text in texts):
            raise TypeError  # noqa: TRY301 - the same as a missing or unknown key
        return Approval(blind_spots=tuple(spots or ()), **document)
    except TypeError as error:
        message = _("{path} is not an approval").format(path=path)
        raise PlanError(message, hint) from error


def _read(path: Path, hint: str) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        as_text(document).encode()  # JSON can spell half a letter, which no digest is made of
    except OSError as error:
        message = _("{path} can't be read: {error}").format(path=path, error=error.strerror)
        raise PlanError(message) from error
    except (ValueError, RecursionError) as error:
        message = _("{path} is not JSON: {error}").format(path=path, error=error)
        raise PlanError(message, hint) from error
    if not isinstance(document, dict):
        raise PlanError(_("{path} holds no JSON object").format(path=path), hint)
    return document
