"""A bare git repository that only Kâhya writes: files go in whole commits, or not at all."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kahya.errors import BackupError
from kahya.i18n import _

BRANCH = "main"
COMMITTER = "Kâhya <kahya@localhost>"


@dataclass(frozen=True)
class Commit:
    """Files to keep, and on whose word they are as they are.

    ``author`` is a mail address or a plain word, ``at`` and ``now`` are seconds since 1970,
    ``files`` the text by path.
    """

    author: str
    message: str
    at: int
    now: int
    files: Mapping[str, str]

    def stream(self, first: str) -> bytes:
        """Return it in the language of ``git fast-import``; ``first``: what it begins from."""
        head = (
            f"commit refs/heads/{BRANCH}\n"
            f"author {self.author} <{self.author}> {self.at} +0000\n"
            f"committer {COMMITTER} {self.now} +0000\n"
        )
        parts = [head.encode(), _data(self.message), first.encode()]
        for path, text in self.files.items():
            parts += [f"M 100644 inline {path}\n".encode(), _data(text)]
        return b"".join(parts)


class Repository:
    """The repository in ``folder``.

    Raises:
        BackupError: git can't do what is asked; the message holds its words.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self) -> None:
        """Make it, unless it is there."""
        if not (self.folder / "HEAD").is_file():
            if self.folder.exists() and any(self.folder.iterdir()):
                raise BackupError(
                    _("{folder} is not a bare git repository").format(folder=self.folder),
                    _("Name an empty folder or a bare repository as backup.repository."),
                )
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._git("init", "--quiet", "--bare", f"--initial-branch={BRANCH}")

    def read(self, path: str, revision: str = BRANCH) -> str | None:
        """Return the text of a file, or None where that revision doesn't have it."""
        found = self._ask("cat-file", "blob", f"{revision}:{path}")
        return None if found is None else found.decode()

    def commit(self, revision: str) -> str | None:
        """Return the full name of a commit, or None where there is none."""
        words = ("--verify", "--quiet", "--end-of-options", revision + "^{commit}")
        return (self._ask("rev-parse", *words) or b"").decode().strip() or None

    def paths(self, revision: str) -> list[str]:
        """Return the paths of all files as of a revision."""
        names = self._git("ls-tree", "-r", "-z", "--name-only", "--full-tree", revision)
        return names.decode().split("\0")[:-1]

    def trailer(self, name: str, path: str) -> str:
        """Return what the last commit of a file or folder says at its end under ``name``, or ""."""
        words = (f"--format=%(trailers:key={name},valueonly)", BRANCH, "--", path)
        return (self._ask("log", "-1", *words) or b"").decode().strip()

    def add(self, commits: Sequence[Commit]) -> None:
        """Add ``commits``: all of them are there afterwards, or none."""
        first = f"from refs/heads/{BRANCH}^0\n" if self.commit(BRANCH) else ""
        stream = b"".join(c.stream("" if n else first) for n, c in enumerate(commits))
        self._git("fast-import", "--quiet", "--done", given=stream + b"done\n")

    def _git(self, *words: str, given: bytes = b"") -> bytes:
        done = self._run(words, given)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise BackupError(
                f"{self.folder}: git {words[0]}: {said}",
                _("What was backed up before is as it was."),
            )
        return done.stdout

    def _ask(self, *words: str) -> bytes | None:
        done = self._run(words)
        return None if done.returncode else done.stdout

    def _run(self, words: Sequence[str], given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        # Not the settings of a hook or of the checkout we were called from.
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        command = ["git", f"--git-dir={self.folder}", *words]
        try:
            return subprocess.run(command, input=given, capture_output=True, check=False, env=clean)
        except OSError as error:
            raise BackupError(f"git: {error.strerror}", _("Install git.")) from error


def _data(text: str) -> bytes:
    content = text.encode()
    return b"data %d\n%b\n" % (len(content), content)
