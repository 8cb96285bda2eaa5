"""How a device differs from what is intended, and whether the device says so as well.

Three questions are answered here, on text alone: which resources differ (``changes_between``), what
to send to a device so that only those differ (``blend``), and whether the device's own diff tells
the same (``disagreement``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import unified_diff
from itertools import pairwise

from kahya.engines.napalm_meaning import Config, Node, grouped, lines_of, meaning, parse
from kahya.engines.napalm_platforms import Platform, Rules
from kahya.i18n import _
from kahya.model import Change, Host, System, Town
from kahya.redact import redact


def blend(running: str, intended: str, rules: Rules) -> str:
    """Return the whole text to load: what means the same in the device's very own words.

    So the device's own diff tells what differs in meaning and no more, and what belongs to the
    device itself (its certificates, its licence) stays.
    """
    now, then = grouped(running, rules), grouped(intended, rules)
    chosen = {}
    for name in dict.fromkeys([*now, *then]):
        old, new = now.get(name, []), then.get(name, [])
        own = [node for node in old if rules.says("own", node.line)]
        if lines_of(old, rules) == lines_of(new, rules):
            chosen[name] = old
        else:
            chosen[name] = own + [node for node in new if not rules.says("own", node.line)]
    order = [name for name in now if chosen[name]]
    for before, name in pairwise(["", *then]):
        if name not in order and chosen[name]:
            order.insert(order.index(before) + 1 if before in order else len(order), name)
    whole = {name for name, nodes in chosen.items() if nodes == now.get(name)}
    texts = (_text(node, whole, then) for name in order for node in chosen[name])
    return "\n!\n".join(dict.fromkeys(texts)) + "\n!\nend\n"


def _text(node: Node, whole: set[str], then: Mapping[str, list[Node]]) -> str:
    """Return a node's text; a line that says several things is split where one of them changed."""
    new = {n.raw for name in node.also for n in then.get(name, ())}
    if new == {node.raw} or whole.issuperset(node.also):
        return "\n".join(node.raw)
    return "\n".join((node.line, *node.raw[1:]))


def changes_between(
    before: Config, after: Config, platform: Platform, town: Town, system: System, host: Host
) -> Iterator[Change]:
    """Yield one Change for each resource that differs, with every secret hidden."""
    seconds = platform.returns_in(town.confirm_seconds)
    then = f"unless it is confirmed the device returns by itself after {seconds} s"
    for name in dict.fromkeys([*before, *after]):
        old, new = [*before.get(name, ())], [*after.get(name, ())]
        if old == new:
            continue
        action = "create" if not old else "delete" if not new else "update"
        old, new = _shown(old, new, platform.rules)
        diff = redact("\n".join([*unified_diff(old, new, lineterm="", n=9)][3:]), town.secrets)
        effect = redact({"from": old, "to": new}, town.secrets)
        resource = redact(platform.rules.shown(name), town.secrets)
        yield Change(
            host.name, host.building, system.name, "napalm", resource, action, diff, effect,
            risk=("cuts-path",), reversible=platform.reversible, then=(then,),
        )  # fmt: skip


def _shown(old: list[str], new: list[str], rules: Rules) -> tuple[list[str], list[str]]:
    """Return what may be shown of both sides; that a hidden value differs is said."""
    after = [rules.shown(line) for line in new]
    before = []
    for line in old:
        shown = rules.shown(line)
        other = shown != line and line not in new and shown in after
        before.append(f"{shown} (another)" if other else shown)
    return before, after


def disagreement(diff: str, running: str, candidate: str, rules: Rules) -> str:
    """Return in what the device's own diff doesn't fit the two texts, "" where it does.

    A line that is in neither text is no difference but something else that the device said.
    """
    old, new = _words(running), _words(candidate)
    added: set[str] = set()
    removed: set[str] = set()
    for raw in diff.splitlines():
        sign, line = _signed(raw)
        if not line or line.startswith(("!", "@@", "---", "+++")):
            continue
        if line not in {"+": new, "-": old, "": old | new}[sign]:
            return _("the device says: {words}").format(words=rules.shown(line))
        (added if sign == "+" else removed if sign == "-" else set()).add(line)
    fresh, gone = _told(candidate, rules) - old, _told(running, rules) - new
    if silent := sorted((fresh - added) | (gone - removed)):
        text = _("the device's own diff doesn't tell of: {words}")
        return text.format(words="; ".join(rules.shown(line) for line in silent[:3]))
    same = meaning(running, rules) == meaning(candidate, rules)
    if same and added | removed:
        return _("the device's own diff tells of a difference that is none in meaning")
    if not same and not added | removed:
        return _("the device's own diff is empty, but something differs")
    return ""


def _words(text: str) -> set[str]:
    return {" ".join(line.split()) for line in text.splitlines()}


def _told(text: str, rules: Rules) -> set[str]:
    """Return the lines that a diff must tell of: not those of banners, nor what says nothing."""
    found, todo = set(), [*parse(text, rules)]
    while todo:
        node = todo.pop()
        todo += node.inside
        if not node.line.startswith("|") and not rules.says("noise", node.line):
            found.add(" ".join(node.raw[0].split()) if node.raw else node.line)
    return found


def _signed(raw: str) -> tuple[str, str]:
    line = raw.strip()
    sign = line[0] if line.startswith(("+", "-")) else ""
    return sign, " ".join(line.removeprefix(sign).split())
