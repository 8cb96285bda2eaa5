"""Plan files: written whole or not at all, readable by their owner only, never changed."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from kahya.errors import PlanError
from kahya.i18n import _
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
            _("{path} exists already").format(path=path),
            _("A plan is never overwritten; name another."),
        ) from error
    except OSError as error:
        message = _("{path} can't be written: {error}").format(path=path, error=error.strerror)
        raise PlanError(message) from error


def read(path: Path) -> Plan:
    """Read the plan in ``path``.

    Raises:
        PlanError: it can't be read, isn't a plan, or was altered.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = _("{path} can't be read: {error}").format(path=path, error=error.strerror)
        raise PlanError(message) from error
    except ValueError as error:
        raise PlanError(
            _("{path} is not a plan: {error}").format(path=path, error=error),
            _("Make one with kahya plan --out."),
        ) from error
    if not isinstance(document, dict):
        message = _("{path} is not a plan").format(path=path)
        raise PlanError(message, _("Make one with kahya plan --out."))
    return from_document(document)
