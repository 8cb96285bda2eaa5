"""The last entry's name in a file of its own, so that a removed tail is missed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kahya.errors import JournalError
from kahya.i18n import _


class HeadFile:
    """A file with "number:digest" of the last entry that this machine has written.

    It may stay behind (two programs that write at once, a loss of power: it is not synced, for
    that would double the cost of an entry), but is never ahead: that would look like a removed
    entry.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> str:
        """Return what it holds, "" where there is none.

        Raises:
            JournalError: it can't be read.
        """
        with explained(self.path):
            # Zeros are what a loss of power may leave of a file.
            return self.path.read_text("latin-1").strip("\0\n") if self.path.exists() else ""

    @contextmanager
    def following(self) -> Iterator[Callable[[str], None]]:
        """Give a function that prepares the next head; it is the head if the block ends well.

        All that needs room on the disk is done before the entry is committed, so that there is
        no entry without its head.

        Raises:
            JournalError: it can't be written.
        """
        with explained(self.path):
            descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix="journal.head-")
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:

                def prepare(head: str) -> None:
                    with explained(self.path):
                        file.write(head + "\n")
                        file.flush()

                yield prepare
            with explained(self.path):
                Path(name).replace(self.path)
        finally:
            Path(name).unlink(missing_ok=True)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the system says of ``path`` into a JournalError."""
    try:
        yield
    except OSError as error:
        message = _("{path} can't be used: {error}").format(path=path, error=error.strerror)
        hint = _("Check that there is room on the disk, and who may write there.")
        raise JournalError(message, hint) from error
