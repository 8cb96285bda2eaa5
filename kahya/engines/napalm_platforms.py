"""What Kâhya knows of each platform (napalm_platforms.yml), as values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import yaml

from kahya.i18n import _

DATA = Path(__file__).with_suffix(".yml")
CANDIDATES = {"driver": "the driver", "file": "a file of its own", "session": "a session"}


def _any(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{p})" for p in patterns) or r"(?!)")


@dataclass(frozen=True)
class Rules:
    """What the lines of a platform's configuration mean; each is said in the data file.

    ``banner`` is how the text of one ends: ``delimiter``, ``EOF``, or empty for on its own line.
    """

    noise: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    defaults: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    ordered: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    banner: str = ""

    @cached_property
    def patterns(self) -> Mapping[str, re.Pattern[str]]:
        """Return one pattern for each property that is a question of yes or no."""
        names = ("noise", "own", "defaults", "empty", "ordered")
        return {name: _any(getattr(self, name)) for name in names}

    def says(self, name: str, line: str) -> bool:
        """Return whether ``line`` is, say, ``noise``."""
        return bool(self.patterns[name].fullmatch(line))

    def shown(self, line: str) -> str:
        """Return ``line`` without its secrets. Rather too much is hidden than too little."""
        for pattern in self.secrets:
            line = re.sub(pattern, r"\1 <removed>\2", line)
        return line


@dataclass(frozen=True)
class Platform:
    """One row of the table.

    ``candidate`` says where a candidate is: in the ``driver``, or as a ``file`` or ``session`` on
    the device; a file is shown as it was sent, the others as the device understood it.
    ``step_seconds`` is what the device's own timer counts in, ``needs`` the lines without which it
    can't be changed, ``ends`` the last line of a whole configuration, ``files`` the commands by
    which the device keeps its former configuration, ``refused`` why such devices are left alone.
    """

    name: str
    title: str
    driver: str
    refused: str = ""
    level: str = ""
    login: str = ""
    identity: str = ""
    candidate: Literal["driver", "file", "session"] = "driver"
    step_seconds: int = 60
    message: bool = False
    ends: str = ""
    needs: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    way_back: str = ""
    rules: Rules = Rules()

    def returns_in(self, seconds: int) -> int:
        """Return the seconds after which an unconfirmed device really returns."""
        return -(-seconds // self.step_seconds) * self.step_seconds

    @property
    def reversible(self) -> bool:
        """Return whether a change that was confirmed can be taken back on the device itself."""
        return self.message or bool(self.files)


def _rules(names: Iterable[str], known: Mapping[str, Any]) -> Rules:
    """Return the named sets of rules as one; what is special comes before what is common."""
    merged: dict[str, Any] = {}
    for name in reversed([*names]):
        for key, value in known[name].items():
            merged[key] = value if isinstance(value, str) else (*merged.get(key, ()), *value)
    return Rules(**merged)


def _load() -> dict[str, Platform]:
    data = yaml.safe_load(DATA.read_text(encoding="utf-8"))
    found = {}
    for name, row in data["platforms"].items():
        rules = _rules(row.pop("rules", ()), data["rules"])
        needs = tuple(row.pop("needs", ()))
        found[name] = Platform(name, rules=rules, needs=needs, **row)
    return found


PLATFORMS = _load()


def platform_of(name: str) -> Platform:
    """Return the platform of that name.

    Raises:
        ValueError: it isn't in the table, or Kâhya refuses to change such devices.
    """
    known = ", ".join(p.name for p in PLATFORMS.values() if not p.refused)
    if name not in PLATFORMS:
        text = _("platform {name} is not known; write one of {known}")
        raise ValueError(text.format(name=name, known=known))
    if PLATFORMS[name].refused:
        text = _("platform {name} is refused: {why}")
        raise ValueError(text.format(name=name, why=PLATFORMS[name].refused))
    return PLATFORMS[name]


def table() -> str:
    """Return the capabilities as two tables in Markdown, for docs/network.md."""
    rows = [("platform", "level", "log-in", "known by", "candidate in", "returns by itself after",
             "way back once confirmed")]  # fmt: skip
    refused = [("refused platform", "because")]
    for p in PLATFORMS.values():
        name = f"{p.title} (`{p.name}`)"
        unit = f"steps of {p.step_seconds} s, rounded up" if p.step_seconds > 1 else "whole seconds"
        if p.refused:
            refused.append((name, p.refused))
        else:
            rows.append(
                (name, p.level, p.login, p.identity, CANDIDATES[p.candidate], unit, p.way_back)
            )
    return _markdown(rows) + "\n\n" + _markdown(refused)


def _markdown(rows: Sequence[tuple[str, ...]]) -> str:
    head, *others = rows
    lines = [head, ("---",) * len(head), *others]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
