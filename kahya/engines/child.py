"""Programs that an engine runs: they end with Kâhya, however it ends, and so do their children."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

# The kernel tells the shell when the thread that started it is gone; it then ends all of its
# process group. Its own standard input is handed on, for the shell gives "&" an empty one.
GUARD = (
    *("setpriv", "--pdeathsig", "TERM", "sh", "-c"),
    'exec 3<&0; trap "kill -KILL 0" TERM; "$@" <&3 3<&- & wait $!',
    "kahya-engine",
)


@contextmanager
def running(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Start ``command`` in a process group of its own and end all of it afterwards.

    Args:
        command: program and arguments.
        options: as for subprocess.Popen.
    """
    process = subprocess.Popen([*GUARD, *command], start_new_session=True, **options)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
