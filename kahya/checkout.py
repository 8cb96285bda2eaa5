"""The checkout as git knows it: which commit it is, who wrote it, and how it was before."""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kahya.errors import CheckoutError
from kahya.i18n import _
from kahya.scratch import scratch

NO_COMMIT = "none"
# What Kâhya reads. A new file elsewhere, such as a plan that was written here, changes nothing.
READ = (
    "inventories", "roles", "deploys", "templates", "probes", "kahya", "drivers", "systems.yml",
    "ansible.cfg",
)  # fmt: skip


def commit(root: Path) -> str:
    """Return the commit of the checkout in ``root``, or "none" outside a git repository.

    Where files that Kâhya reads differ from it, ``+`` and 8 hex digits follow: a digest over those
    files, new ones included, but not what git ignores.

    Raises:
        CheckoutError: git can't say what differs.
    """
    head = commit_of(root, "HEAD")
    if head is None:
        return NO_COMMIT
    options = ("--porcelain", "-z", "--no-renames", "--untracked-files=all")
    # Names alone come from git: how it prints a diff depends on the settings of whoever asks.
    lines = _git(root, "--no-optional-locks", "status", *options, "--", *READ).split(b"\0")
    if not any(lines):
        return head
    files = hashlib.sha256()
    top = root / _ask(root, "rev-parse", "--show-cdup").decode().strip()
    for name in sorted({line[3:] for line in lines if line}):
        files.update(b"%b\0%b\0" % (name, _content(top / os.fsdecode(name))))
    return f"{head}+{files.hexdigest()[:8]}"


def _content(path: Path) -> bytes:
    """Return what tells one state of a file from another: its content, and if it can be run."""
    if path.is_symlink():
        return b"link " + os.fsencode(path.readlink())
    if not path.is_file():
        return b"gone"
    kind = b"program " if path.stat().st_mode & 0o100 else b"file "
    return kind + hashlib.sha256(path.read_bytes()).digest()


def record(root: Path, paths: Sequence[Path], message: str) -> None:
    """Commit these files and nothing else, unless they are committed as they are.

    Raises:
        CheckoutError: git can't.
    """
    names = [str(path) for path in paths]
    _git(root, "add", "--", *names)
    if _git(root, "status", "--porcelain", "--", *names):
        _git(root, "commit", "--quiet", "--only", "--message", message, "--", *names)


def changed(root: Path, since: str) -> list[str] | None:
    """Return which of the files that Kâhya reads differ from those of a commit, new ones included.

    None where that can't be told: the commit isn't known here, or it was never committed whole.
    """
    if "+" in since or commit_of(root, since) is None:
        return None
    names = _git(root, "diff", "--name-only", "-z", "--relative", since, "--", *READ)
    new = _git(root, "ls-files", "-z", "--others", "--exclude-standard", "--", *READ)
    return sorted(os.fsdecode(name) for name in (names + new).split(b"\0") if name)


def authors(root: Path, since: str | None) -> tuple[str, ...]:
    """Return who wrote what a plan would newly carry out, as mail addresses in lower case.

    Args:
        root: the checkout.
        since: the commit that was applied last. Without one, or where it is this very commit or
            is not known here, the answer is about this commit alone.

    Returns:
        Authors and committers of the commits after ``since``, and the ``user.email`` of whoever
        makes the plan; nobody outside a git repository.
    """
    if commit_of(root, "HEAD") is None:
        return ()
    base = commit_of(root, since.partition("+")[0]) if since else None
    names = _git(root, "log", "--format=%ae%n%ce", f"{base}..HEAD") if base else b""
    names = names or _git(root, "log", "--max-count=1", "--format=%ae%n%ce")
    names += _ask(root, "config", "user.email")
    return tuple(sorted({name.strip() for name in names.decode().lower().splitlines()} - {""}))


def person(root: Path) -> str:
    """Return who works here: the mail address that git is set to, else user@machine."""
    name = _ask(root, "config", "user.email").decode().strip().lower()
    return name or f"{getpass.getuser()}@{socket.gethostname()}"


def commit_of(root: Path, name: str) -> str | None:
    """Return the full name of a commit, or None where this repository doesn't have it."""
    # The end of the options stands before: a name is never taken for one.
    words = ("--verify", "--quiet", "--end-of-options", name + "^{commit}")
    return _ask(root, "rev-parse", *words).decode().strip() or None


@contextmanager
def at_commit(root: Path, name: str) -> Iterator[Path]:
    """Yield a private folder with the files as of a commit; it is gone afterwards.

    What git ignores but Kâhya needs is there, too: ``.kahya``, and files of ``inventories/`` such
    as the password of a vault, both as links to those of the checkout.

    Raises:
        CheckoutError: the repository doesn't have this commit, or it was never committed whole.
    """
    if commit_of(root, "HEAD") is None:
        raise CheckoutError(
            _("{folder} has no history").format(folder=root),
            _("Keep the town in a git repository, and apply what was committed."),
        )
    if "+" in name or commit_of(root, name) is None:
        raise CheckoutError(
            _("commit {commit} can't be had any more").format(commit=_short(name)),
            _("Apply from a clean checkout, and fetch the whole history."),
        )
    with scratch() as private:
        whole = private / "files"
        files = whole / _ask(root, "rev-parse", "--show-prefix").decode().strip()
        index = {**os.environ, "GIT_INDEX_FILE": f"{private}/index"}
        _git(root, "read-tree", name, env=index)
        _git(root, "checkout-index", "--all", f"--prefix={whole}/", env=index)
        ignored = ("--others", "--ignored", "--exclude-standard", "--directory")
        kept = _git(root, "ls-files", "-z", *ignored, "--", "inventories")
        for item in [b".kahya", *filter(None, kept.split(b"\0"))]:
            link = files / os.fsdecode(item.rstrip(b"/"))
            if link.parent.is_dir() and not link.exists():
                link.symlink_to((root / os.fsdecode(item)).resolve())
        yield files


def _short(name: str) -> str:
    head, plus, rest = name.partition("+")
    return f"{head[:12]}{plus}{rest}"


def _git(root: Path, *words: str, env: dict[str, str] | None = None) -> bytes:
    """Return what git prints.

    Raises:
        CheckoutError: it failed; the message holds its words.
    """
    command = ["git", "-C", str(root), *words]
    done = subprocess.run(command, capture_output=True, check=False, env=env)
    if done.returncode:
        raise CheckoutError(f"{root}: git {words[0]}: {done.stderr.decode().strip()}")
    return done.stdout


def _ask(root: Path, *words: str) -> bytes:
    """Return what git prints, or nothing where it has no answer."""
    return subprocess.run(["git", "-C", str(root), *words], capture_output=True, check=False).stdout
