"""Talk to FRR through vtysh. Configuration goes in by stdin: arguments are public, secrets not."""

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from . import text

TIMEOUT = 120  # seconds; vtysh hangs when a daemon does
STARTUP = Path("/etc/frr/frr.conf")


class Rejection(NamedTuple):
    """A line FRR did not take: its number in the loaded text (from 1), and FRR's words."""

    number: int
    words: str


def show(command: str) -> str:
    """Return what one show command prints."""
    return subprocess.run(
        ["vtysh", "-c", command], text=True, capture_output=True, check=True, timeout=TIMEOUT
    ).stdout


def running() -> str:
    """Return the running configuration in canonical form."""
    return text.canonical(show("show running-config"))


def load(config: str) -> list[Rejection]:
    """Execute configuration lines; return those that were rejected.

    FRR goes on after a bad line, and its exit status is that of the last line only: the messages
    are the truth.
    """
    done = subprocess.run(
        ["stdbuf", "-oL", "vtysh", "-f", "/dev/stdin"],  # line-buffered keeps messages in order
        input=config,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=TIMEOUT,
        check=False,
    )
    return read_rejections(config, done.stdout)


def read_rejections(config: str, output: str) -> list[Rejection]:
    """Find the rejected lines in vtysh's output.

    A daemon's own words come first, without a number; then "line N: ..." from vtysh. Lines that
    are checked together as one transaction are only named, as "- the line".
    """
    lines = [line.strip() for line in config.splitlines()]
    found, words = [], list[str]()
    for message in filter(None, map(str.strip, output.splitlines())):
        numbered = re.match(r"line (\d+): (.*)", message)
        if numbered:
            said = words if numbered[2].startswith("Failure to communicate") and words else []
            found.append(Rejection(int(numbered[1]), " ".join(said) or numbered[2]))
            words = []
        elif message.startswith("- ") and message[2:] in lines:
            found.append(Rejection(lines.index(message[2:]) + 1, _reason(words)))
        else:
            words.append(message)
    return sorted(set(found))


def _reason(words: list[str]) -> str:
    described = [w for w in words if w.startswith("Error description: ")]
    return described[-1].removeprefix("Error description: ") if described else "refused"


def write_startup() -> None:
    """Make the running configuration the startup configuration; see what was written."""
    subprocess.run(
        ["vtysh", "-c", "write memory"], capture_output=True, check=False, timeout=TIMEOUT
    )
