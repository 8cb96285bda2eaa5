"""Tell people at once that glass was broken: the system log, and the command of town.yml."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Sequence
from logging.handlers import SysLogHandler
from pathlib import Path

from kahya.i18n import _
from kahya.model import Town

LOG = Path("/dev/log")
TIMEOUT_SECONDS = 20


def sound(town: Town, number: int, plan: str, person: str, reason: str) -> None:
    """Raise the alarm about entry ``number`` of the journal; what can't be told doesn't stop it.

    ``alarm.command`` in town.yml, a list of words such as a mailer, gets the text on its standard
    input. The system log gets it as an alert in any case.
    """
    text = _("{town}: glass broken by {person}: {reason} (plan {plan}, journal {number})").format(
        town=town.title, person=person, reason=reason, plan=plan, number=number
    )
    log = logging.getLogger("kahya.alarm")
    handler = SysLogHandler(str(LOG)) if LOG.exists() else logging.StreamHandler()
    log.addHandler(handler)
    try:
        log.critical("kahya: %s", text)
        _tell(town.settings.get("alarm", {}).get("command", []), text, log)
    finally:
        log.removeHandler(handler)


def _tell(command: Sequence[str], text: str, log: logging.Logger) -> None:
    if not command:
        return
    try:
        subprocess.run(command, input=text + "\n", text=True, check=True, timeout=TIMEOUT_SECONDS)
    except (OSError, subprocess.SubprocessError):
        log.critical("kahya: the alarm command %s failed", command[0])
