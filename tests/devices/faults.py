"""What a test has the device do wrong: ``faults.json`` in its folder, read at each command."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

KINDS = ("say", "partial", "prompt", "slow", "drop", "paging", "full", "host-key")


class DroppedError(Exception):
    """The connection ends here."""


class Faults:
    """The faults in ``path``, a list of ``{"fault": …, "command": REGEX, …}``; see README.md."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.used: dict[str, int] = {}

    def find(self, kind: str, command: str = "") -> dict[str, Any] | None:
        """Return the fault of this kind that ``command`` meets now, if there is one."""
        for fault in self._read():
            if fault["fault"] == kind and re.search(fault.get("command", ""), command):
                name = json.dumps(fault, sort_keys=True)
                self.used[name] = self.used.get(name, 0) + 1
                if self.used[name] <= fault.get("times", self.used[name]):
                    return fault
        return None

    def _read(self) -> list[dict[str, Any]]:
        try:
            faults: list[dict[str, Any]] = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            self.used.clear()
            return []
        for fault in faults:
            if fault["fault"] not in KINDS:
                raise ValueError(f"{self.path}: no fault is called {fault['fault']}: {KINDS}")
        return faults
