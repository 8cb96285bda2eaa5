"""Hardening rules of network devices: read from data, held against a configuration.

A rule is a few patterns for whole statements (see statements), written as data: docs/compliance.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kahya.errors import InventoryError
from kahya.i18n import _
from kahya.statements import Statement

TOPICS = "compliance.yml"  # what is asked and why, beside the platforms' folders


@dataclass(frozen=True)
class Rule:
    """What must or must not stand in a configuration; patterns are for whole statements.

    ``section`` is a heading; each one that matches is looked at by itself, without it the whole
    device is. ``when`` and ``unless`` say in which sections the rule holds, by a statement that
    is there or not. ``instead`` is a statement that makes up for it on the whole device. ``write``
    tells people what to write.
    """

    id: str
    title: Mapping[str, str]
    why: Mapping[str, str]
    write: str
    reference: tuple[str, ...] = ()
    section: str = ""
    when: str = ""
    unless: str = ""
    instead: str = ""
    must: tuple[str, ...] = ()
    must_not: tuple[str, ...] = ()


@dataclass(frozen=True)
class Violation:
    """A rule that does not hold in ``section`` ("": the device).

    ``lines`` are there and must not be. ``missing``: something is not there that must be.
    """

    rule: Rule
    section: str
    lines: tuple[str, ...] = field(repr=False)  # may hold secrets
    missing: bool = False


def load(folder: Path, platform: str) -> tuple[Rule, ...]:
    """Return the rules of ``platform`` from ``folder``, in the order of its file.

    Raises:
        InventoryError: there are none, or they are not written as docs/compliance.md says.
    """
    file = folder / platform / TOPICS
    try:
        topics = yaml.safe_load((folder / TOPICS).read_text(encoding="utf-8"))
        rules = yaml.safe_load(file.read_text(encoding="utf-8"))
        return tuple(_rule(name, topics[name], about) for name, about in rules.items())
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError, re.error) as error:
        message = _("{file}: not a rule: {error}").format(file=file, error=error)
        raise InventoryError(message, _("docs/compliance.md says how to write one.")) from error


def _rule(name: str, topic: Mapping[str, Any], about: Mapping[str, Any]) -> Rule:
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in about.items()}
    given["reference"] = (*given.get("reference", ()), *topic["reference"])
    rule = Rule(name, topic["title"], topic["why"], **given)
    for pattern in (rule.section, rule.when, rule.unless, rule.instead, *rule.must, *rule.must_not):
        re.compile(pattern)
    return rule


def check(rule: Rule, configuration: list[Statement]) -> Iterator[Violation]:
    """Yield each section in which ``rule`` does not hold."""
    if rule.instead and any(re.fullmatch(rule.instead, " ".join(s)) for s in configuration):
        return
    sections = _sections(rule.section, configuration)
    if rule.must and not sections and not rule.when:
        yield Violation(rule, "", (), missing=True)
    for name, lines in sections.items():
        if rule.when and not _matching(rule.when, lines):
            continue
        if rule.unless and _matching(rule.unless, lines):
            continue
        wrong = [line for pattern in rule.must_not for line in _matching(pattern, lines)]
        missing = any(not _matching(pattern, lines) for pattern in rule.must)
        if wrong or missing:
            yield Violation(rule, name, tuple(dict.fromkeys(wrong)), missing)


def _matching(pattern: str, lines: list[str]) -> list[str]:
    return [line for line in lines if re.fullmatch(pattern, line)]


def _sections(heading: str, configuration: list[Statement]) -> dict[str, list[str]]:
    """Return the statements below each heading that matches, or those of the whole device."""
    if not heading:
        return {"": [" ".join(statement) for statement in configuration]}
    found: dict[str, list[str]] = {}
    for statement in configuration:
        for depth in range(1, len(statement) + 1):
            name = " ".join(statement[:depth])
            if re.fullmatch(heading, name):
                found.setdefault(name, []).append(" ".join(statement[depth:]))
                break
    return found
