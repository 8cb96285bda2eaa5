"""Run the tools that the lab is made of, and say which of them are missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from kahya.errors import KahyaError

PACKAGES = {
    "apt-cacher-ng": "apt-cacher-ng",
    "git": "git",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "nsenter": "util-linux",
    "podman": "podman",
    "runc": "runc",
    "socat": "socat",
    "ssh-keygen": "openssh-client",
    "sysctl": "procps",
    "tcpdump": "tcpdump",
}
"""Each tool that the lab runs, and the Debian package that brings it."""


class LabError(KahyaError):
    """The lab cannot do what it was asked; nothing of the town itself is meant."""


def missing() -> list[str]:
    """Return the Debian packages that the lab needs and this machine has not, sorted."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    return sorted({p for tool, p in PACKAGES.items() if not shutil.which(tool, path=path)})


def run(
    command: Sequence[str],
    text: str | bytes | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run ``command`` with ``text`` on its standard input and return what it printed.

    Raises:
        LabError: it isn't installed or failed; the message holds what it said.
    """
    data = text.encode() if isinstance(text, str) else text
    try:
        done = subprocess.run(command, input=data, capture_output=True, env=env, check=False)
    except FileNotFoundError as error:
        hint = "Run scripts/lab deps --install."
        raise LabError(f"{command[0]} is not installed", hint) from error
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise LabError(f"{' '.join(command)} ended {done.returncode}:\n{said}")
    return done.stdout.decode(errors="replace")


def owner() -> tuple[int, int]:
    """Return user and group id of the person at the keyboard, also under sudo."""
    return (
        int(os.environ.get("SUDO_UID", os.getuid())),
        int(os.environ.get("SUDO_GID", os.getgid())),
    )


def own(path: Path) -> Path:
    """Give ``path`` to the person at the keyboard, and return it."""
    os.chown(path, *owner())
    return path


def processes(*words: str) -> Iterator[int]:
    """Yield the ids of processes whose command line holds all of ``words`` as arguments."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                arguments = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended while we looked
            if set(words) <= set(arguments):
                yield int(entry.name)
