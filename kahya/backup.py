"""Backups of the devices' configurations, in a git repository where blame tells who approved.

docs/network.md describes the repository, docs/adr/0018 why secrets are kept as keyed digests.
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from kahya import ssh
from kahya.drift import authority
from kahya.engines.base import Progress
from kahya.engines.napalm_platforms import PLATFORMS
from kahya.errors import BackupError
from kahya.finding import Authority
from kahya.i18n import _
from kahya.inventory import project_root, state_folder
from kahya.journal import Journal
from kahya.mask import Config, Fill, Mask
from kahya.model import Host, HostPlan, Plan, System, Town
from kahya.repository import BRANCH, Commit, Repository
from kahya.scratch import scratch

UNKNOWN = "unknown"
KEY_BYTES = 32
Restores = Mapping[str, str]
"""By device, the commit of the repository that it gets back."""

NOTHING: Restores = {}


@dataclass(frozen=True)
class Cause:
    """Why devices differ from their last backup.

    ``words`` has each apply since, as the number of its first entry in the journal and on whose
    word it was; none where nobody applied it, and then it is about one ``device`` alone.
    ``failed``: the last apply since that failed there, for it may have left something, or 0.
    ``first``: there was no backup before.
    """

    first: bool
    words: tuple[tuple[int, Authority], ...] = ()
    device: str = ""
    failed: int = 0

    @property
    def people(self) -> tuple[str, ...]:
        """Return who approved it, each once."""
        return tuple(dict.fromkeys(who for _run, word in self.words for who in word.approvers))


@dataclass(frozen=True)
class Backup:
    """What was backed up: who was read, who was not and why, and the devices of each commit."""

    read: tuple[str, ...]
    unread: tuple[HostPlan, ...]
    saved: Mapping[Cause, tuple[str, ...]]


def devices(town: Town) -> dict[str, tuple[Host, System]]:
    """Return the devices that NAPALM keeps, each with its system."""
    systems = (system for system in town.systems if system.engine == "napalm")
    return {host.name: (host, system) for system in systems for host in town.hosts_of(system)}


def changed(plan: Plan) -> tuple[str, ...]:
    """Return the devices that ``plan`` changes."""
    return tuple(dict.fromkeys(c.host for c in plan.changes if c.engine == "napalm"))


def take(town: Town, journal: Journal, names: Iterable[str], progress: Progress) -> Backup:
    """Back up the devices called ``names``. One that can't be read keeps its last backup.

    Raises:
        BackupError: the repository can't be written; it is as it was.
        LockError: an apply is under way, so what devices have now may not last.
    """
    repository = _repository(town)
    repository.make()
    journal.refuse_if_locked(town.name)
    head = journal.head()  # what is recorded from now on is the next backup's business
    every = devices(town)
    chosen = {name: every[name] for name in names}
    read, unread = list[str](), list[HostPlan]()
    causes: dict[Cause, dict[str, dict[str, str]]] = {}
    for found in _texts(town, list(chosen.values()), progress):
        if isinstance(found, HostPlan):
            unread.append(found)
            continue
        name, texts = found
        host, system = chosen[name]
        read.append(name)
        folder = f"{host.building}/{name}"
        files = {f"{folder}/{kind}": text for kind, text in texts.items()}
        if files := {path: text for path, text in files.items() if repository.read(path) != text}:
            cause = _cause(repository, journal, (name, system.name), folder)
            causes.setdefault(cause, {})[name] = files
    if causes:
        repository.add([_commit(cause, causes[cause], head) for cause in causes])
    return Backup(tuple(read), tuple(unread), {c: tuple(files) for c, files in causes.items()})


def _texts(
    town: Town, chosen: Sequence[tuple[Host, System]], progress: Progress
) -> Iterator[HostPlan | tuple[str, dict[str, str]]]:
    """Yield what may be kept of each device, by name and kind, or why it could not be read."""
    from kahya.engines.napalm import Job
    from kahya.engines.napalm_read import configurations, read

    jobs = [Job(town, system, host, progress) for host, system in chosen]
    with scratch() as folder:
        config = ssh.write_ssh_config(town, folder)
        for job, found in zip(jobs, read(config, jobs, configurations), strict=True):
            name, system, mask = job.host.name, job.system.name, _mask(town, job.host.name)
            if found.value is None:
                yield HostPlan(name, system, found.status, reason=found.reason)
                continue
            raw, clean = found.value
            try:
                yield name, {kind: mask.hide(text, clean[kind]) for kind, text in raw.items()}
            except ValueError as error:
                yield HostPlan(name, system, "error", reason=str(error))


def _cause(repository: Repository, journal: Journal, pair: tuple[str, str], folder: str) -> Cause:
    """Tell from the journal what was applied to a device and system since its last backup."""
    told = repository.trailer("Journal", folder)
    known = bool(told) and journal.holds(told)
    since = journal.entries(
        "outcome", "reverted", after=int(told.partition(":")[0]) if known else 0
    )
    done = [entry.data for entry in since if (entry.data["host"], entry.data["system"]) == pair]
    back = {d["run"] for d in done if d["status"] == "reverted"}
    kept = [d["run"] for d in done if d["status"] == "applied" and d["applied"]]
    runs = [run for run in dict.fromkeys(kept) if run not in back]
    # Without an earlier backup, all that was ever applied would have to be named.
    begun = filter(None, map(journal.find, runs if known else runs[-1:]))
    words = ((entry.number, authority(entry, entry)) for entry in begun)
    found = tuple((run, word) for run, word in words if word)
    left = [d["run"] for d in done if known and d["status"] in ("failed", "unreachable")]
    return Cause(not told, found, "" if found else pair[0], 0 if found else max(left, default=0))


def _commit(cause: Cause, files: Mapping[str, Mapping[str, str]], head: str) -> Commit:
    names, now = ", ".join(files), int(time.time())
    whole = {path: text for own in files.values() for path, text in own.items()}
    trailers = f"Journal: {head}\n"
    if not cause.words:
        about = "first backup" if cause.first else "changed, and nobody applied it"
        if cause.failed:
            about = f"changed, after an apply that failed there (journal entry {cause.failed})"
        return Commit(UNKNOWN, f"{names}: {about}\n\n{trailers}", now, now, whole)
    lines = []
    for run, word in cause.words:
        how = "glass broken by" if word.break_glass else "approved by"
        lines.append(f"Plan {word.plan}, journal entry {run}, {how} {', '.join(word.approvers)}.\n")
    plans = ", ".join(dict.fromkeys(word.plan for _run, word in cause.words))
    first, *others = cause.people
    trailers = "".join(f"Co-authored-by: {who} <{who}>\n" for who in others) + trailers
    at = int(datetime.fromisoformat(cause.words[-1][1].at).timestamp())
    return Commit(first, f"{names}: plan {plans}\n\n{''.join(lines)}\n{trailers}", at, now, whole)


def revision(town: Town, device: str, name: str) -> str:
    """Return the full name of the commit ``name``, which has a backup of ``device``.

    Raises:
        BackupError: there is no such commit, or the device isn't in it.
    """
    return _kept(town, device, name)[0]


def gone(town: Town, restores: Restores) -> list[str]:
    """Return what ``restores`` names and the repository no longer has."""
    found = []
    for device, commit in restores.items():
        try:
            _kept(town, device, commit)
        except BackupError as error:
            found.append(f"{error}. {error.hint}")
    return found


def fills(town: Town, restores: Restores) -> dict[str, Fill]:
    """Return, by device, what makes the backup whole that it gets back.

    It raises BackupError where the repository doesn't have it any more: what is asked of other
    devices, or to bring this one back, needs no backup.
    """
    return {device: partial(_fill, town, device, commit) for device, commit in restores.items()}


def _fill(town: Town, device: str, commit: str, raw: Config, clean: Config) -> str:
    return _mask(town, device).fill(_kept(town, device, commit)[1], raw, clean)


def _kept(town: Town, device: str, name: str) -> tuple[str, str]:
    """Return the full name of the commit ``name``, and what it keeps of ``device``."""
    repository = _repository(town)
    commit = repository.commit(name) or ""
    # It may have stood in another building then.
    paths = repository.paths(commit) if commit else []
    path = next((p for p in paths if p.endswith(f"/{device}/running")), "")
    text = repository.read(path, commit) if path else None
    if text is None:
        raise BackupError(
            _("{folder} has no backup of {device} at {name}").format(
                folder=repository.folder, device=device, name=name
            ),
            _("git log there tells what it has: docs/runbooks/restore.md."),
        )
    return commit, text


def _repository(town: Town) -> Repository:
    folder = town.settings.get("backup", {}).get("repository", "")
    root = project_root(Path(town.directory))
    return Repository(root / folder if folder else state_folder(town) / "backups.git")


def _mask(town: Town, device: str) -> Mask:
    # A device that the town no longer has, or of an unknown platform, is never read.
    about = town.hosts[device].vars if device in town.hosts else {}
    platform = PLATFORMS.get(about.get("platform", ""))
    return Mask(device, _key(town), town.secrets, platform.rules.shown if platform else str)


def _key(town: Town) -> bytes:
    """Return the key of the masks; it is made at first use, and never leaves this machine."""
    path = state_folder(town) / "backup.key"
    hint = _("Put your copy back, or move the repository away and begin a new one.")
    if not path.exists() and _repository(town).commit(BRANCH):
        text = _("{file} is missing: without it no secret could be told from another")
        raise BackupError(text.format(file=path), hint)
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(file.name)  # never in place of one that another process made
        except FileExistsError:
            pass
        finally:
            Path(file.name).unlink()
    found = path.read_text(encoding="utf-8").strip()
    if not re.fullmatch(f"[0-9a-f]{{{2 * KEY_BYTES}}}", found):  # with none, all could be guessed
        text = _("{file} is damaged: it has no {count} hexadecimal digits")
        raise BackupError(text.format(file=path, count=2 * KEY_BYTES), hint)
    return bytes.fromhex(found)
