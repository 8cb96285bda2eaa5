"""Who may approve: a town's ``approvers``, an allowed_signers file, and the rules about them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from kahya.errors import InventoryError
from kahya.i18n import _
from kahya.inventory_check import Problem, line_in, one_of, relative

NAMESPACES = ("kahya-plan", "kahya-review")
KEY_TYPES = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
)
WORD = re.compile(r'(?:[^\s"]|"[^"]*")+')
OPTION = re.compile(r'([a-z-]+)="([^"\\]*)"', re.IGNORECASE)
# No pattern and nothing that a file name can't hold: an approval is kept under this name.
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
MOMENT = re.compile(r"\d{8}(\d{4}(\d\d)?)?Z?")


@dataclass(frozen=True)
class Approver:
    """One person, by their mail addresses (``principals``).

    ``buildings`` are those they speak for, all when it is empty; ``line`` is where they stand in
    the file, ``allowed`` what ssh-keygen reads of it.
    """

    principals: tuple[str, ...]
    roles: tuple[str, ...]
    buildings: tuple[str, ...]
    line: int
    allowed: str

    @property
    def name(self) -> str:
        """Return the address under which this person signs."""
        return self.principals[0]

    @property
    def fingerprint(self) -> str:
        """Return what ``ssh-keygen -l`` calls the key."""
        blob = base64.b64decode(self.allowed.split()[-1])
        return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")

    def is_one_of(self, addresses: Collection[str]) -> bool:
        """Return whether any of ``addresses`` is this person's; case doesn't matter."""
        return not {a.casefold() for a in addresses}.isdisjoint(
            p.casefold() for p in self.principals
        )

    def speaks_for(self, building: str) -> bool:
        """Return whether this person may approve changes in ``building``."""
        return not self.buildings or building in self.buildings


def load(file: Path, buildings: Collection[str] | None = None) -> tuple[Approver, ...]:
    """Read the approvers in ``file``; see ``read``.

    Raises:
        InventoryError: anything in it is wrong; the message lists every problem.
    """
    found, problems = read(file, buildings)
    if problems:
        hint = _("Correct these {count} and run kahya validate.").format(count=len(problems))
        raise InventoryError("\n".join(map(str, problems)), hint)
    return found


def read(
    file: Path, buildings: Collection[str] | None = None
) -> tuple[tuple[Approver, ...], list[Problem]]:
    """Return the approvers in ``file`` and all that is wrong there.

    ``buildings`` are those of the town; without them their names aren't checked.
    """
    shown = relative(str(file))
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        expected = _("the public key of each person who may approve; see docs/approval.md")
        return (), [Problem(shown, 0, file.name, _("no such file"), expected)]
    except UnicodeDecodeError:
        return (), [Problem(shown, 0, file.name, _("is not UTF-8 text"))]
    found: list[Approver] = []
    problems: list[Problem] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            approver = _approver(line, number, buildings)
            _only_once(approver, found)
            found.append(approver)
        except _Wrong as wrong:
            problems.append(Problem(shown, number, *wrong.args))
    if not found and not problems:
        problems.append(Problem(shown, 0, file.name, _("nobody may approve"), _("one line each")))
    return tuple(found), problems


class _Wrong(Exception):  # noqa: N818 - never leaves this module
    """What is wrong in a line: key, message, expected."""


def _approver(line: str, number: int, buildings: Collection[str] | None) -> Approver:
    words = WORD.findall(line)
    if line.count('"') % 2 or len(words) < 3:  # noqa: PLR2004 - address, key type, key
        example = '<address> namespaces="kahya-plan" ssh-ed25519 <key> roles=<role>'
        raise _Wrong("line", _("is not a line of allowed_signers"), example)
    principals = tuple(words.pop(0).split(","))
    for address in principals:
        if not ADDRESS.fullmatch(address):
            message = _("{value} is not valid").format(value=repr(address))
            raise _Wrong("address", message, _("mail addresses without patterns, joined by commas"))
    options = "" if words[0].startswith(("ssh-", "ecdsa-", "sk-")) else words.pop(0)
    _check_options(options)
    kind, key, *comment = [*words, ""]
    _check_key(kind, key)
    about = _about(list(filter(None, comment)))
    for building in about["buildings"]:
        if buildings is not None and building not in buildings:
            message = _("no building is called {name}").format(name=repr(building))
            raise _Wrong("buildings", message, one_of(buildings))
    allowed = f"{','.join(principals)} {options} {kind} {key}"
    return Approver(principals, about["roles"], about["buildings"], number, allowed)


def _check_options(text: str) -> None:
    options = {name.lower(): value for name, value in OPTION.findall(text)}
    expected = 'namespaces="' + ",".join(NAMESPACES) + '"'
    if OPTION.sub("", text).strip(",") or not options.keys() <= {
        "namespaces",
        "valid-after",
        "valid-before",
    }:
        raise _Wrong("options", _("{value} is not valid").format(value=repr(text)), expected)
    if "namespaces" not in options:
        raise _Wrong("namespaces", _("is missing"), expected)
    for namespace in options.pop("namespaces").split(","):
        if namespace not in NAMESPACES:
            message = _("{value} is not valid").format(value=repr(namespace))
            raise _Wrong("namespaces", message, expected)
    for name, moment in options.items():
        if not MOMENT.fullmatch(moment):
            message = _("{value} is not valid").format(value=repr(moment))
            raise _Wrong(name, message, _("a moment such as 20271231Z"))


def _check_key(kind: str, key: str) -> None:
    if kind not in KEY_TYPES:
        message = _("no key type is called {name}").format(name=repr(kind))
        raise _Wrong("key", message, one_of(KEY_TYPES))
    try:
        blob = base64.b64decode(key, validate=True)
    except binascii.Error:
        blob = b""
    if not blob.startswith(len(kind).to_bytes(4, "big") + kind.encode()):
        message = _("is not a key of type {kind}").format(kind=kind)
        raise _Wrong("key", message, _("a line of ssh-keygen's .pub file"))


def _about(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    about: dict[str, tuple[str, ...]] = {"roles": (), "buildings": ()}
    for word in words:
        name, _equals, value = word.partition("=")
        names = tuple(value.split(","))
        if name not in about or about[name] or not all(names):
            close = get_close_matches(name, about, n=1)
            expected = f"{close[0]}=…" if close else "roles=… buildings=…"
            raise _Wrong(name, _("{value} is not valid").format(value=repr(word)), expected)
        about[name] = names
    return about


def _only_once(approver: Approver, others: Sequence[Approver]) -> None:
    """One person, one line: two keys or two names would count as two people."""
    for other in others:
        if other.is_one_of(approver.principals):
            message = _("{name} stands in line {line} already").format(
                name=approver.name, line=other.line
            )
            raise _Wrong("address", message, _("one line for each person"))
        if other.fingerprint == approver.fingerprint:
            message = _("is the key of {name} in line {line}").format(
                name=other.name, line=other.line
            )
            raise _Wrong("key", message, _("a key of their own"))


def check_rules(
    file: Path,
    rules: Sequence[Mapping[str, Any]],
    approvers: Sequence[Approver],
    names: Mapping[str, Collection[str]],
) -> Iterator[Problem]:
    """Find rules of town.yml that could never match, or never be met.

    ``names`` are the systems, engines, hosts, buildings and groups that there are, by matcher.
    """
    node = yaml.compose(file.read_text(encoding="utf-8"), yaml.SafeLoader)
    roles = {role for approver in approvers for role in approver.roles}

    def problem(index: int, key: str, message: str, expected: str) -> Problem:
        line = line_in(node, ["approval", "rules", index, *key.split(".")])
        shown = relative(str(file))
        return Problem(shown, line, f"approval.rules[{index}].{key}", message, expected)

    for index, rule in enumerate(rules):
        if ("ask" in rule) == ("refuse" in rule):
            message = _("a rule either asks or refuses")
            yield problem(index, "name", message, "ask: {…} / refuse: …")
        for key in rule["when"].keys() & names.keys():
            for pattern in listed(rule["when"][key]):
                if not any(fnmatchcase(name, pattern) for name in names[key]):
                    message = _("{value} matches nothing").format(value=repr(pattern))
                    yield problem(index, f"when.{key}", message, one_of(sorted(names[key])))
        ask = rule.get("ask", {})
        for role in set(ask.get("roles", ())) - roles:
            message = _("nobody has the role {role}").format(role=repr(role))
            yield problem(index, "ask.roles", message, one_of(sorted(roles)))
        if ask.get("approvals", 1) > len(approvers):
            message = _("only {count} people may approve").format(count=len(approvers))
            yield problem(index, "ask.approvals", message, _("no more than that"))


def check_emergency(
    file: Path,
    approval: Mapping[str, Any],
    approvers: Sequence[Approver],
    systems: Collection[str],
) -> Iterator[Problem]:
    """Find what ``approval.emergency`` of town.yml names in vain."""
    node = yaml.compose(file.read_text(encoding="utf-8"), yaml.SafeLoader)
    roles = {role for approver in approvers for role in approver.roles}
    known = {"systems": systems, "roles": roles}
    for key, names in known.items():
        for name in approval.get("emergency", {}).get(key, ()):
            if name not in names:
                path = ["approval", "emergency", key]
                message = _("{value} matches nothing").format(value=repr(name))
                where = relative(str(file)), line_in(node, path), ".".join(path)
                yield Problem(*where, message, one_of(sorted(names)))


def listed(value: str | list[str]) -> list[str]:
    """Return a matcher of a rule as a list: ``vpn`` and ``[vpn]`` mean the same."""
    return value if isinstance(value, list) else [value]
