"""What an engine started ends with it, whatever happens to Kâhya."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kahya.engines.child import running

PARENT = """
import sys
from kahya.engines.child import running
with running(["sh", "-c", "sleep 987 & echo $! $$; wait"]) as process:
    process.wait()
"""


def alive(number):
    """Return whether a process runs; one that is dead and not yet buried does not."""
    try:
        status = Path(f"/proc/{number}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def gone(numbers, seconds=2.0):
    until = time.monotonic() + seconds
    while any(map(alive, numbers)):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def test_children_and_theirs_die_with_a_killed_kahya():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    numbers = parent.stdout.readline().split()
    assert all(map(alive, numbers))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert gone(numbers)


def test_children_and_theirs_are_ended_when_nobody_waits_for_them():
    command = ["sh", "-c", "sleep 987 & echo $! $$; wait"]
    with running(command, stdout=subprocess.PIPE, text=True) as process:
        numbers = process.stdout.readline().split()
        assert all(map(alive, numbers))
    assert gone(numbers)


@pytest.mark.parametrize("code", [0, 3])
def test_input_output_and_exit_status_are_the_programs_own(code):
    command = ["sh", "-c", f"cat; exit {code}"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with running(command, **pipes, text=True) as process:
        assert process.communicate("a question\n") == ("a question\n", None)
        assert process.returncode == code
