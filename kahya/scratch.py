"""Private folders for passing files: gone afterwards, even those of processes that were killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "kahya-run-"  # short: ssh's control sockets allow about 100 letters
IN_USE = "in-use"


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a private, empty folder; it is removed afterwards, by the next one if we are killed."""
    _forget()
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        fresh = Path(folder, "new")
        with fresh.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            fresh.rename(Path(folder, IN_USE))  # whoever sees it finds it locked
            yield Path(folder)


def _forget() -> None:
    """Remove this user's folders that processes left behind when they were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            if folder.lstat().st_uid != os.getuid():  # what another put there may be anything
                continue
            with (folder / IN_USE).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
        except OSError:  # in use, or just begun
            continue
