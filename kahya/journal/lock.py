"""Who holds a town: one apply at a time, and a lock that nobody removes unseen."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from kahya.errors import LockError
from kahya.i18n import _

PROC = Path("/proc")
START_TIME = 19  # the field of /proc/PID/stat, counted from behind the command's name


@dataclass(frozen=True)
class Holder:
    """A running apply: ``person`` runs the plan ``run`` in the process ``pid`` of ``host``.

    ``boot`` is the kernel's id of this boot and ``started`` its clock ticks when the process
    began: a number is used again, these three together are not.
    """

    person: str
    host: str
    pid: int
    boot: str
    started: str
    run: str

    @classmethod
    def here(cls, person: str, run: str) -> Holder:
        """Return this process as a holder."""
        pid = os.getpid()
        return cls(person, socket.gethostname(), pid, _boot(), _started(pid), run)

    @property
    def running(self) -> bool | None:
        """Return whether its process still runs; None where this can't be seen from here."""
        if self.host != socket.gethostname():
            return None
        return self.boot == _boot() and self.started == _started(self.pid) != ""


@dataclass(frozen=True)
class Lock:
    """Whose a town is, ``since`` and ``until`` when, as of ``now``: UTC of the database."""

    town: str
    holder: Holder
    since: str
    until: str
    now: str

    @property
    def expired(self) -> bool:
        """Return whether its time is over. It is still a lock."""
        return self.until < self.now

    def __str__(self) -> str:
        """Return all that a person needs to judge it, in sentences."""
        holder = self.holder
        text = _(
            "{town} is locked by {person} on {host} (process {pid}) for plan {run},"
            " since {since} until {until}."
        ).format(**vars(holder) | vars(self))
        if self.since > self.now:
            more = _("That is in the future, here it is {now}: a clock was or is wrong.")
            text += " " + more.format(now=self.now)
        elif self.expired:
            text += " " + _("It has expired.")
        seen = {
            True: _("The process is still running."),
            False: _("The process is no longer running."),
            None: _("Only {host} can tell whether the process is still running."),
        }
        return text + " " + seen[holder.running].format(host=holder.host)

    def refuse(self) -> LockError:
        """Return the error for everybody else who wants the town."""
        hint = _(
            "kahya status tells how far it is; then kahya resume or kahya abort."
            " kahya unlock removes the lock alone."
        )
        return LockError(str(self), hint)


def _boot() -> str:
    return (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _started(pid: int) -> str:
    """Return when the process began, or "" where there is none (or only its remains)."""
    try:
        fields = (PROC / str(pid) / "stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in "ZX" else fields[START_TIME]
