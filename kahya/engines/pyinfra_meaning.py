"""What pyinfra's operations mean: the commands they would run, told as changes to resources."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from pyinfra.api.command import FileUploadCommand, QuoteString, StringCommand
from pyinfra.api.facts import FactBase
from pyinfra.api.operation import OperationMeta
from pyinfra.api.util import get_file_io
from pyinfra.facts.deb import DebPackages
from pyinfra.facts.files import FileContents
from pyinfra.facts.server import Sysctl, Timezone, Users
from pyinfra.facts.systemd import SystemdEnabled, SystemdStatus
from typing_extensions import override

from kahya.engines.pyinfra_ssh import text_of
from kahya.model import Risk
from kahya.redact import redact

INLINE = 200  # characters: longer states go into an effect as their digest


@dataclass(frozen=True)
class Meaning:
    """One resource of a host before and after. ``before`` and ``after`` are lines of text.

    ``notes`` are shown behind ``after``, but are no part of the state and so of the effect: what
    can be told of it may depend on who looks.
    """

    resource: str
    action: str
    before: str
    after: str
    risk: tuple[Risk, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class Operation:
    """One call of a pyinfra operation in a deploy, for one host."""

    kind: str  # such as files.put
    name: str  # as given in the deploy, or ""
    arguments: dict[str, Any]
    settings: dict[str, Any]  # pyinfra's global arguments, such as _sudo
    conditions: list[Callable[[], bool]]
    meta: OperationMeta
    generate: Callable[[], Iterator[Any]]
    repeatable: bool
    commands: list[Any] = field(default_factory=list)
    may_cut: bool = False  # said of itself: it concerns the path to the host

    @classmethod
    def of(cls, data: Any) -> Operation:
        """Read an operation out of what pyinfra keeps of it (StateOperationHostData)."""
        inside = inspect.getclosurevars(data.command_generator).nonlocals
        function, settings = inside["func"], data.global_arguments
        bound = inspect.signature(function).bind(*inside["args"], **inside["kwargs"])
        bound.apply_defaults()
        module = function.__module__.rsplit(".", 1)[-1]
        given = settings.get("_if") or []
        return cls(
            kind=getattr(function, "described_as", f"{module}.{function.__name__}"),
            name=settings.get("name") or "",
            arguments=dict(bound.arguments),
            settings=settings,
            conditions=given if isinstance(given, list) else [given],
            meta=data.operation_meta,
            generate=data.command_generator,
            repeatable=function.is_idempotent,
            may_cut=getattr(function, "cuts_path", False),
        )

    def title(self) -> str:
        """Return a name for people: what it is and what it is about, never a line number."""
        if self.name:
            return self.name
        texts = {k: v for k, v in self.arguments.items() if isinstance(v, str) and "\n" not in v}
        about = texts.get("dest") or next(iter(texts.values()), "")
        if self.kind == "systemd.service":
            verbs = ("restarted", "restart"), ("reloaded", "reload"), ("running", "start")
            return f"{next((v for k, v in verbs if self.arguments[k]), 'set')} {about}"
        return f"{self.kind} {about}".strip()

    @property
    def cuts(self) -> bool:
        """Say whether it may cut the path to the host."""
        told = [m for c in self.commands for m in getattr(c, "meaning", ())]
        return self.may_cut or any("cuts-path" in m.get("risk", ()) for m in told)

    def triggers(self) -> list[OperationMeta] | None:
        """Return the operations whose change sets this one off; None when that can't be told."""
        found = [_metas(condition) for condition in self.conditions]
        return [m for metas in found for m in metas] if all(found) else None

    def blindness(self) -> str:
        """Return why the effect of this operation can't be predicted, or ""."""
        if self.conditions and self.triggers() is None:
            return "its condition is known only while it runs"
        strange = [c for c in self.commands if not isinstance(c, StringCommand | FileUploadCommand)]
        if strange:
            return f"it does more than run commands and write files ({type(strange[0]).__name__})"
        if self.commands and not self.repeatable:
            return "it runs every time, whatever the state of the host"
        return ""


def _metas(condition: Any) -> list[OperationMeta]:
    """Find the operations a condition asks about: ``x.did_change`` or ``any_changed(x, y)``."""
    owner = getattr(condition, "__self__", None)
    if isinstance(owner, OperationMeta):
        return [owner]
    cells = [c.cell_contents for c in getattr(condition, "__closure__", None) or ()]
    flat = [x for c in cells for x in (c if isinstance(c, list | tuple) else [c])]
    return [x for x in flat if isinstance(x, OperationMeta)]


def meanings(host: Any, op: Operation, secrets: tuple[str, ...]) -> list[Meaning]:
    """Return what ``op.commands`` would do, one entry for each resource."""
    if not op.commands:
        return []
    told = [Meaning(**m) for c in op.commands for m in getattr(c, "meaning", ())]
    told = told or KNOWN.get(op.kind, _commands)(host, op, secrets)
    if all(m.before == m.after for m in told):  # the difference lies where we don't look
        return _commands(host, op, secrets)
    return [m for m in told if m.before != m.after]


def diff(meaning: Meaning, secrets: tuple[str, ...]) -> str:
    """Return a unified diff without its header, or nothing but the new lines."""
    shown = "\n".join([meaning.after, *meaning.notes])
    before, after = (redact(t, secrets).splitlines() for t in (meaning.before, shown))
    return "\n".join(list(difflib.unified_diff(before, after, lineterm="", n=2))[2:])


def effect(meaning: Meaning, secrets: tuple[str, ...]) -> dict[str, str]:
    """Return the canonical meaning: long states as a digest of what may be shown of them."""
    return {k: _short(redact(getattr(meaning, k), secrets)) for k in ("before", "after")}


def _short(text: str) -> str:
    return text if len(text) <= INLINE else _digest(text)


def _digest(text: str) -> str:
    return f"sha256:{sha256(text.encode()).hexdigest()}"


class FileState(FactBase[list[str]]):
    """Owner, mode and lines of a file; nothing where there is no such file."""

    default = list

    @override
    def command(self, path: str) -> StringCommand:
        quoted = QuoteString(path)
        return StringCommand(
            "test ! -e", quoted, "|| { stat -Lc 'owner %U:%G\nmode %04a' --", quoted,
            "; test -d", quoted, "|| cat --", quoted, "; }",
        )  # fmt: skip

    @override
    def process(self, output: list[str]) -> list[str]:
        return list(output)


UNSEEN = "secret:"
"""How the name of an operation begins that writes a file nobody may see, whatever it holds."""


def _file(host: Any, op: Operation, secrets: tuple[str, ...]) -> list[Meaning]:
    """files.put, files.template, files.file, files.directory: attributes, then the content."""
    wanted = op.arguments
    path = wanted.get("dest") or wanted["path"]
    kind = "directory" if op.kind == "files.directory" else "file"
    before = host.get_fact(FileState, path=path)
    if wanted.get("present") is False:
        if before and before[1].endswith("00"):  # what only its owner may read stays unread
            before = [*before[:2], "(private content)"]
        return [Meaning(f"{kind} {path}", "delete", _text(before), "")]
    owner = dict(zip(("user", "group"), before[0][6:].split(":"), strict=True)) if before else {}
    user, group = (wanted.get(k) or owner.get(k, "root") for k in ("user", "group"))
    mode = (
        f"{int(wanted['mode']):04d}" if wanted.get("mode") else before[1][5:] if before else "0600"
    )
    upload = next((c for c in op.commands if _writes(c, path)), None)
    content = _content(upload) if upload else before[2:]
    # There may be a key that the inventory has no longer.
    secret = op.name.startswith(UNSEEN)
    if secret or any(one in line for line in content for one in secrets):
        same = content == before[2:]
        before = before[:2] + (
            ["(secret content)" if same else "(other secret content)"] * bool(before)
        )
        content = ["(secret content)"]
    after = [f"owner {user}:{group}", f"mode {mode}", *content]
    return [
        Meaning(f"{kind} {path}", "update" if before else "create", _text(before), _text(after))
    ]


def _writes(command: Any, path: str) -> bool:
    return isinstance(command, FileUploadCommand) and command.dest == path


def _content(upload: FileUploadCommand) -> list[str]:
    with get_file_io(upload.src) as file:
        data = file.read()
    return (data if isinstance(data, str) else data.decode(errors="replace")).splitlines()


def _text(lines: list[str]) -> str:
    return "\n".join(lines)


def _packages(host: Any, op: Operation, _: tuple[str, ...]) -> list[Meaning]:
    names = op.arguments["packages"] or []
    present = op.arguments["present"]
    installed = host.get_fact(DebPackages)
    result = []
    for spec in [names] if isinstance(names, str) else names:
        name, __, version = spec.partition("=")
        now = ", ".join(sorted(map(str, installed.get(name, ()))))
        if present and (not now or (version and version not in now)):
            after = f"version {version}" if version else "installed"
            result.append(Meaning(f"package {name}", "install", now or "absent", after))
        elif not present and now:
            result.append(Meaning(f"package {name}", "remove", f"version {now}", "absent"))
    return result


def _user(host: Any, op: Operation, secrets: tuple[str, ...]) -> list[Meaning]:
    wanted, name = op.arguments, op.arguments["user"]
    now = host.get_fact(Users).get(name)
    before = [] if now is None else _account(now, wanted, now)
    resource = f"user {name}"
    if not wanted["present"]:
        lines = [f"uid {now['uid']}", f"home {now['home']} (kept)", f"shell {now['shell']}"]
        return [Meaning(resource, "delete", _text(lines), "", ("data",))]
    home = wanted["home"] or (now or {}).get("home") or f"/home/{name}"
    keys = wanted["public_keys"]
    if keys is not None and now:
        there = host.get_fact(FileContents, path=f"{home}/.ssh/authorized_keys") or []
        before += [f"key {line}" for line in there if line.strip()]
    after = _account(wanted, wanted, now or {})
    after += [f"key {k}" for k in ([keys] if isinstance(keys, str) else keys or [])]
    if before == after:  # only the owner or mode of a folder: say so
        after += [f"repaired by: {shown(c, secrets)}" for c in op.commands]
    return [Meaning(resource, "update" if now else "create", _text(before), _text(after))]


def _account(values: Any, wanted: dict[str, Any], fallback: Any) -> list[str]:
    given = (key for key in ("uid", "comment", "home", "shell", "group") if wanted[key])
    lines = [f"{key} {values[key] or fallback.get(key)}" for key in given]
    if wanted["groups"]:
        lines.append(f"groups {' '.join(sorted(values['groups']))}")
    return lines


def _sysctl(host: Any, op: Operation, _: tuple[str, ...]) -> list[Meaning]:
    key, value, path = (op.arguments[k] for k in ("key", "value", "persist_file"))
    value = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    live = host.get_fact(Sysctl, keys=[key]).get(key)
    live = " ".join(map(str, live)) if isinstance(live, list) else str(live)
    before, after = [f"running {live}"], [f"running {value}"]
    if op.arguments.get("persist", True):  # our own operation always does
        lines = host.get_fact(FileContents, path=path) or []
        kept = [line for line in lines if line.split("=")[0].strip() == key]
        before += [f"at boot: {line}" for line in kept]
        after += [f"at boot: {key} = {value}"] * max(len(kept), 1)
    return [Meaning(f"sysctl {key}", "update", _text(before), _text(after))]


def _service(host: Any, op: Operation, _: tuple[str, ...]) -> list[Meaning]:
    wanted, name = op.arguments, op.arguments["service"]
    unit = unit_of(name)
    active = host.get_fact(SystemdStatus, services=[unit]).get(unit, False)
    enabled = host.get_fact(SystemdEnabled, services=[unit]).get(unit, False)
    before = ["running" if active else "stopped", "enabled" if enabled else "disabled"]
    run = active if wanted["running"] is None else wanted["running"]
    boot = enabled if wanted["enabled"] is None else wanted["enabled"]
    after = ["running" if run else "stopped", "enabled" if boot else "disabled"]
    action = ("start" if run else "stop") if run != active else "enable" if boot else "disable"
    return [Meaning(f"service {name}", action, _text(before), _text(after))]


def unit_of(service: str) -> str:
    """Return systemd's full name of ``service``."""
    return service if "." in service.rsplit("@", 1)[-1] else f"{service}.service"


def _timezone(host: Any, op: Operation, _: tuple[str, ...]) -> list[Meaning]:
    return [Meaning("timezone", "update", host.get_fact(Timezone), op.arguments["timezone"])]


def _commands(_: Any, op: Operation, secrets: tuple[str, ...]) -> list[Meaning]:
    """Any other operation: its meaning is the commands it runs."""
    return [Meaning(op.title(), "run", "", _text([f"$ {shown(c, secrets)}" for c in op.commands]))]


def shown(command: Any, secrets: tuple[str, ...]) -> str:
    """Return a command for people; of a file that it writes, the digest."""
    if not isinstance(command, FileUploadCommand):
        return text_of(command)
    content = redact(_text(_content(command)), secrets)
    return f"write {command.dest} ({_digest(content)})"


KNOWN: dict[str, Callable[[Any, Operation, tuple[str, ...]], list[Meaning]]] = {
    "apt.packages": _packages,
    "files.directory": _file,
    "files.file": _file,
    "files.put": _file,
    "files.template": _file,
    "server.sysctl": _sysctl,
    "server.timezone": _timezone,
    "server.user": _user,
    "systemd.service": _service,
}
