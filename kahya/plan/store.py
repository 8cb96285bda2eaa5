"""Plan files: written whole or not at all, readable by their owner only, never changed."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from kahya.errors import PlanError
from kahya.model import Plan
from kahya.plan.document import from_document, to_document


def write(plan: Plan, path: Path) -> None:
    """Write ``plan`` to ``path``.

    Raises:
        PlanError: the file exists already or can't be written.
    """
    text = json.dumps(to_document(plan), ensure_ascii=False, indent=1) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent)  # mkstemp makes it 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.link(temporary, path)  # unlike rename, link never replaces a plan that is there
        finally:
            Path(temporary).unlink()
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    except FileExistsError as error:
        raise PlanError(
            f"{path} exists already", "A plan is never overwritten; name another."
        ) from error
    except OSError as error:
        raise PlanError(f"{path} can't be written: {error.strerror}") from error


def read(path: Path) -> Plan:
    """Read the plan in ``path``.

    Raises:
        PlanError: it can't be read, isn't a plan, or was altered.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlanError(f"{path} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise PlanError(
            f"{path} is not a plan: {error}", "Make one with kahya plan --out."
        ) from error
    if not isinstance(document, dict):
        raise PlanError(f"{path} is not a plan", "Make one with kahya plan --out.")
    return from_document(document)
