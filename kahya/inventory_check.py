"""Find everything that is wrong in an inventory, with file, line, key and the expected form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from kahya.i18n import _
from kahya.inventory_formats import FORMATS, VALIDATOR
from kahya.inventory_reader import RawHost, RawInventory, origin

INTERFACE_NAME_MAX = 15
JSON_TYPES = {
    "str": "string", "path": "string", "int": "integer", "float": "number", "bool": "boolean",
    "list": "array", "dict": "object",
}  # fmt: skip


Locate = Callable[[Sequence[str | int]], tuple[str, int]]
"""Returns the file and line where the value at a path of keys was written."""


@dataclass(frozen=True, order=True)
class Problem:
    """One thing to correct: where it is, which key, what is wrong, what to write instead."""

    file: str
    line: int
    key: str
    message: str
    expected: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        text = f"{place}: {self.key}: {self.message}"
        if self.expected:
            text += " " + _("(write {expected})").format(expected=self.expected)
        return text


class _Loader(yaml.SafeLoader):
    """Reads a date as the text that was written."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, form) for tag, form in forms if tag != "tag:yaml.org,2002:timestamp"]
    for letter, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@cache
def schemas() -> dict[str, Any]:
    """Return the JSON Schemas of inventory_schema.yml by name."""
    loaded: dict[str, Any] = yaml.safe_load(
        Path(__file__).with_name("inventory_schema.yml").read_text(encoding="utf-8")
    )
    return loaded


def check_syntax(directory: Path) -> list[Problem]:
    """Find what is not YAML; Ansible itself would not say in which file."""
    files = sorted([*directory.glob("*.yml"), *directory.glob("*_vars/**/*.yml")])
    return [problem for file in files for problem in _compose(file)[1]]


def check_file(path: Path, schema: str) -> tuple[Any, list[Problem]]:
    """Read one YAML file that is not Ansible's and check it against ``schema``."""
    node, problems = _compose(path)
    if problems:
        return None, problems
    data = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - it is a SafeLoader

    def locate(where: Sequence[str | int]) -> tuple[str, int]:
        return relative(str(path)), line_in(node, where)

    return data, list(_violations(data, schemas()[schema], locate))


def _compose(path: Path) -> tuple[yaml.Node | None, list[Problem]]:
    file = relative(str(path))
    try:
        return yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader), []
    except FileNotFoundError:
        return None, [Problem(file, 0, path.name, _("no such file"))]
    except UnicodeDecodeError:
        return None, [Problem(file, 0, path.name, _("is not UTF-8 text"))]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        message = _("is not YAML: {error}").format(error=error.problem)
        return None, [Problem(file, line, path.name, message)]


def check_hosts(
    raw: RawInventory, systems: Sequence[Mapping[str, Any]], root: Path
) -> list[Problem]:
    """Check every host's variables, and the hosts against each other and the systems."""
    specs = {s["name"]: argument_specs(root / s["source"]) for s in systems}
    problems: set[Problem] = set()
    for host in raw.hosts.values():
        problems |= set(_host_problems(host, raw, systems, specs))
    if not problems:  # comparing hosts makes sense only once each is well-formed
        problems |= set(_town_problems(raw))
    return sorted(problems)


def check_waivers(
    path: Path, hosts: Iterable[str], systems: Iterable[str]
) -> tuple[Any, list[Problem]]:
    """Read the waivers, which need not be there, and check that each is about something."""
    if not path.exists():
        return [], []
    waivers, problems = check_file(path, "waivers")
    if problems or not waivers:
        return waivers or [], problems
    node = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
    for index, waiver in enumerate(waivers):
        for key, names in (("host", tuple(hosts)), ("system", tuple(systems))):
            if names and not any(fnmatchcase(name, waiver[key]) for name in names):
                where = relative(str(path)), line_in(node, [index, key]), f"[{index}].{key}"
                message = _("{value} matches none").format(value=repr(waiver[key]))
                problems.append(Problem(*where, message, one_of(names)))
    return waivers, problems


def check_systems(
    raw: RawInventory, systems: Sequence[Mapping[str, Any]], root: Path, file: Path
) -> list[Problem]:
    """Check that every system points at something that exists."""
    node = yaml.compose(file.read_text(encoding="utf-8"), yaml.SafeLoader)
    problems = []
    for index, system in enumerate(systems):

        def problem(key: str, message: str, expected: str, index: int = index) -> Problem:
            line = line_in(node, ["systems", index, key])
            return Problem(relative(str(file)), line, f"systems[{index}].{key}", message, expected)

        if not raw.groups.get(system["group"]):
            message = _("no host is in {group!r}").format(group=system["group"])
            known = sorted(g for g, hosts in raw.groups.items() if hosts)
            problems.append(problem("group", message, one_of(known)))
        for key in ("source", "probes"):
            if not (root / system[key]).is_dir():
                message = _("{folder!r} does not exist").format(folder=system[key])
                problems.append(problem(key, message, _("a folder of this repository")))
    return problems


@cache
def argument_specs(source: Path) -> dict[str, Any]:
    """Return the variables that a role or deploy takes (``options`` of its argument_specs)."""
    file = source / "meta" / "argument_specs.yml"
    if not file.is_file():
        return {}
    spec = yaml.safe_load(file.read_text(encoding="utf-8"))
    options: dict[str, Any] = spec["argument_specs"]["main"].get("options", {})
    return options


def json_schema(options: Mapping[str, Any]) -> dict[str, Any]:
    """Turn Ansible's argument specification into a JSON Schema of an object."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name for name, spec in options.items() if spec.get("required")],
        "properties": {name: _property(spec) for name, spec in options.items()},
    }


def _property(spec: Mapping[str, Any]) -> dict[str, Any]:
    kind = spec.get("type", "str")
    about = spec.get("description", "")
    schema: dict[str, Any] = {"description": about if isinstance(about, str) else " ".join(about)}
    if kind == "raw":
        return schema
    schema["type"] = JSON_TYPES[kind]
    if "choices" in spec:
        schema["enum"] = spec["choices"]
    if kind == "dict" and "options" in spec:
        schema |= json_schema(spec["options"])
    if kind == "list":
        element = {k: v for k, v in spec.items() if k in ("options", "choices")}
        schema.pop("enum", None)
        schema["items"] = _property({"type": spec.get("elements", "raw"), **element})
    return schema


def _host_problems(
    host: RawHost,
    raw: RawInventory,
    systems: Sequence[Mapping[str, Any]],
    specs: Mapping[str, dict[str, Any]],
) -> Iterator[Problem]:
    def locate(where: Sequence[str | int]) -> tuple[str, int]:
        return _origin_of(host, where)

    outside = host.name in raw.groups.get("outside", ())
    mine = [b for b in raw.children.get("buildings", ()) if host.name in raw.groups[b]]
    if len(mine) != 1 and not outside:
        file, line = locate([])
        message = _("stands in {buildings}").format(buildings=_(" and ").join(mine))
        message = message if mine else _("stands in no building")
        expected = _("the host under one building in hosts.yml")
        yield Problem(file, line, host.name, message, expected)
    names = ["host", "network", *(["building"] if mine or not outside else [])]
    gateway = host.name in raw.groups.get("gateways", ())
    names += ["gateway", "firewall", "resolver", "webfilter"] if gateway else []
    names += ["switch"] if host.name in raw.groups.get("switches", ()) else []
    names += ["windows"] if host.name in raw.groups.get("windows", ()) else []
    for name in names:
        yield from _violations(host.vars, schemas()[name], locate, host.name)
    for name, options in specs.items():
        if options and any(s["name"] == name and _covers(s, host) for s in systems):
            own = {k: v for k, v in host.vars.items() if k in options}
            yield from _violations(own, json_schema(options), locate, host.name)
    yield from _unknown(host, specs, locate)


def _covers(system: Mapping[str, Any], host: RawHost) -> bool:
    platform = system.get("platform", host.vars.get("platform"))
    return system["group"] in host.groups and platform == host.vars.get("platform")


def _unknown(
    host: RawHost, specs: Mapping[str, dict[str, Any]], locate: Locate
) -> Iterator[Problem]:
    gateway = ("gateway", "firewall", "resolver", "webfilter")
    parts = ("host", "network", "building", *gateway, "switch")
    core = {k for name in parts for k in schemas()[name]["properties"]}
    known = core | {"group_names", "inventory_hostname"} | {k for s in specs.values() for k in s}
    free = ("ansible_", "vault_", *(f"{system}_" for system, spec in specs.items() if not spec))
    for name in host.vars:
        if name not in known and not name.startswith(free):
            close = get_close_matches(name, known, n=1)
            expected = close[0] if close else _("a name that a system's argument_specs.yml knows")
            yield Problem(*locate([name]), name, _("unknown key"), expected)


def _town_problems(raw: RawInventory) -> Iterator[Problem]:
    """Compare buildings with each other: their numbers, names and gateways."""
    members = {b: raw.groups[b] for b in raw.children["buildings"] if raw.groups[b]}
    first = {b: raw.hosts[names[0]] for b, names in members.items()}
    for (one, a), (other, b) in combinations(first.items(), 2):
        if a.vars["building"]["number"] == b.vars["building"]["number"]:
            message = _("{building} has the number of {other}").format(building=other, other=one)
            yield at(b, ["building", "number"], message, _("a number of its own"))
    for name, host in first.items():
        if len(f"wg01-{name}") > INTERFACE_NAME_MAX:
            message = _("{building} is too long to name a tunnel").format(building=name)
            yield at(host, [], message, _("at most 10 letters"))
        if sum(h in raw.groups.get("gateways", ()) for h in members[name]) != 1:
            message = _("{building} has no gateway, or several").format(building=name)
            yield at(host, [], message, _("one host of the building under gateways"))


def at(host: RawHost, path: list[str | int], message: str, expected: str) -> Problem:
    """Return a problem with what was written at ``path`` (keys, from the outside) of ``host``."""
    return Problem(*_origin_of(host, path), _dotted(path) or host.name, message, expected)


def _violations(data: Any, schema: Any, locate: Locate, owner: str = "") -> Iterator[Problem]:
    for error in VALIDATOR(schema, format_checker=FORMATS).iter_errors(data):
        yield from _problems_of(error, locate, owner)


def _problems_of(error: Any, locate: Locate, owner: str) -> Iterable[Problem]:
    path = list(error.absolute_path)
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        for name in sorted(set(error.instance) - set(known)):
            close = get_close_matches(name, known, n=1)
            expected = close[0] if close else one_of(known)
            where = [*path, name]
            yield Problem(*locate(where), _dotted(where), _("unknown key"), expected)
    elif error.validator == "required":
        missing = next(k for k in error.validator_value if k not in error.instance
                       and f"{k!r}" in error.message)  # fmt: skip
        about = _(error.schema.get("properties", {}).get(missing, {}).get("description", ""))
        of_host = _("is missing of {host}").format(host=owner)
        message = of_host if owner and not path else _("is missing")
        expected = f"{missing}: {about}" if about else ""
        yield Problem(*locate(path), _dotted([*path, missing]), message, expected)
    else:
        hidden = "private" in _dotted(path) or error.schema.get("writeOnly")
        shown = "********" if hidden else repr(error.instance)
        message = _("{value} is not valid").format(value=shown)
        expected = _(error.schema.get("description", ""))
        yield Problem(*locate(path), _dotted(path), message, expected)


def one_of(names: Iterable[str]) -> str:
    """Say that one of ``names`` is expected."""
    return _("one of {names}").format(names=", ".join(names))


def _dotted(path: Sequence[str | int]) -> str:
    text = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path)
    return text.removeprefix(".")


def _origin_of(host: RawHost, path: Sequence[str | int]) -> tuple[str, int]:
    """Return file and line of the deepest part of ``path`` that knows where it was written."""
    value: Any = host.tagged
    place = None
    for step in path:
        if isinstance(value, dict) and step in value:
            key = next(k for k in value if k == step)
            place = origin(key) or origin(value[step]) or place
        elif not (isinstance(value, list) and isinstance(step, int) and step < len(value)):
            break
        value = value[step]
        place = origin(value) or place
    file, line = place or origin(host.tagged.get("ansible_host")) or ("hosts.yml", 0)
    return relative(file), line


def relative(file: str) -> str:
    """Return ``file`` as seen from the current folder, if it lies there."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


def line_in(node: yaml.Node | None, path: Sequence[str | int]) -> int:
    """Return the line (from 1) of the deepest part of ``path`` that is in ``node``."""
    line = 1
    for step in path:
        child: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == step:
                    line, child = key.start_mark.line + 1, value
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            child = node.value[step] if step < len(node.value) else None
            line = child.start_mark.line + 1 if child else line
        if child is None:
            break
        node = child
    return line
