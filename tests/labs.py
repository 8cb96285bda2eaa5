"""Bring up a small lab of its own for a test, from an inventory of its own.

    with lab_of(Path("tests/e2e/towns/one_router")) as lab:
        lab("exec", "gw-depo", "hostname")

Folders of inventories that are up at the same time need different names.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class SmallLab:
    """The lab of one inventory."""

    inventory: Path

    def command(self, *arguments: str) -> list[str]:
        """Return the call of scripts/lab with these arguments."""
        return [str(ROOT / "scripts/lab"), "-i", str(self.inventory), *arguments]

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Run scripts/lab, expect it to end with ``code``, and return what it printed."""
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, check=False)
        said = f"{arguments} ended {done.returncode}:\n{done.stdout}{done.stderr}"
        assert done.returncode == code, said
        return done.stdout

    @property
    def files(self) -> Path:
        """The folder with its key, known_hosts and blueprint."""
        return ROOT / ".kahya" / "labs" / self.inventory.name


@contextmanager
def lab_of(inventory: Path) -> Iterator[SmallLab]:
    """Bring up the lab of ``inventory`` and remove it afterwards, whatever happens."""
    lab = SmallLab(inventory.resolve())
    try:
        lab("up")
        yield lab
    finally:
        lab("down")
