"""What Ansible's results mean: the events of one run, told as changes and blind spots of a host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import unified_diff
from typing import Any

from kahya.model import BlindSpot, Change, Host, HostPlan, Risk, Status, System, digest

Event = dict[str, Any]
"""One line of the callback: ``event`` says what happened, ``host`` where."""

FILE_MODULES = ("assemble", "blockinfile", "copy", "file", "lineinfile", "replace", "template")
SERVICE_MODULES = ("service", "systemd", "systemd_service")
STATES = {
    "absent": "remove",
    "reloaded": "reload",
    "restarted": "restart",
    "started": "start",
    "stopped": "stop",
}
VOLATILE = ("_original_basename", "checksum", "content", "src")  # of files: the diff says it
HEADINGS = ("after_header", "before_header", "prepared")  # names of temporary files; prose


def to_plan(host: Host, system: System, events: Sequence[Event]) -> HostPlan:
    """Return what a run in check mode found on ``host``."""
    if trouble := trouble_of(host, events):
        return HostPlan(host.name, system.name, trouble[0], reason=trouble[1])
    for event in _of(host, events, "changed"):
        if not event["checked"]:
            reason = f"{event['task']}: changes the host even in check mode; mend the role"
            return HostPlan(host.name, system.name, "error", reason=reason)
    identity = "".join(event["id"].strip() for event in _of(host, events, "identity"))
    if not identity:
        reason = "neither /etc/machine-id nor a serial number: it is not known who this is"
        return HostPlan(host.name, system.name, "error", reason=reason)
    return HostPlan(
        host.name,
        system.name,
        "ok",
        identity=identity,
        changes=to_changes(host, system, events),
        blind_spots=tuple(_blind_spots(host, system, events)),
    )


def trouble_of(host: Host, events: Sequence[Event]) -> tuple[Status, str] | None:
    """Return why a run did not come to its end on ``host``, as a status and in words."""
    for event in _of(host, events, "unreachable"):
        return "unreachable", event["msg"]
    for event in _of(host, events, "failed"):
        words = "its result is hidden (no_log)" if event["hidden"] else event["msg"]
        return "error", f"{event['label'] or event['task']}: {words}"
    if not any(host.name in e["hosts"] for e in events if e["event"] == "end"):
        return "unknown", "Ansible left this host out"
    return None


def to_changes(host: Host, system: System, events: Sequence[Event]) -> tuple[Change, ...]:
    """Return the changes that a run would make, or made, on ``host``: one for each loop item."""
    restarts = {name for e in events if e["event"] == "play" for name in e["restarts"]}
    return tuple(_change(host, system, e, restarts) for e in _of(host, events, "changed"))


def _of(host: Host, events: Sequence[Event], *kinds: str) -> Iterator[Event]:
    return (e for e in events if e["event"] in kinds and e["host"] == host.name)


def _blind_spots(host: Host, system: System, events: Sequence[Event]) -> Iterator[BlindSpot]:
    for event in _of(host, events, "skipped", "deferred"):
        deferred = event["event"] == "deferred"
        reason = event["msg"] or "the task is skipped in check mode"
        resource = event["label"] or event["task"]
        yield BlindSpot(host.name, system.name, resource, reason, deferred)


def _change(host: Host, system: System, event: Event, restarts: set[str]) -> Change:
    risks = {tag.removeprefix("risk_") for tag in event["tags"] if tag.startswith("risk_")}
    if event["args"].get("state") == "restarted" or restarts & set(event["notify"]):
        risks.add("restart")
    known: tuple[Risk, ...] = ("restart", "cuts-path", "data")
    return Change(
        host=host.name,
        building=host.building,
        system=system.name,
        engine="ansible",
        resource=_resource(event),
        action=_action(event),
        diff=_diff(event),
        effect=_effect(event),
        risk=tuple(risk for risk in known if risk in risks),
        reversible=False,  # see AnsibleEngine.revert
        then=tuple(event["notify"]),
    )


def _resource(event: Event) -> str:
    args, module = event["args"], event["module"]
    path, name = args.get("dest") or args.get("path"), args.get("name")
    if module in FILE_MODULES and path:
        return f"file {path}"
    if module == "apt" and name:
        return f"package {', '.join(name)}"
    if module in SERVICE_MODULES and name:
        return f"service {name}"
    return str(event["label"] or event["task"])


def _action(event: Event) -> str:
    """Return a verb that is the same in check mode and for real; a task's name begins with one."""
    if action := STATES.get(event["args"].get("state", "")):
        return action
    for part in event["diff"]:
        if "before" in part and event["module"] in FILE_MODULES:
            return "create" if _is_new(part) else "change"
    return str(event["task"]).partition(" ")[0].lower()


def _effect(event: Event) -> Any:
    """Return the change as plain data that no second run alters."""
    return {
        "module": event["module"],
        "args": {k: _plain(v) for k, v in event["args"].items() if k not in VOLATILE},
        "states": [state for part in event["diff"] if (state := _states(part))],
    }


def _states(part: dict[str, Any]) -> dict[str, str]:
    """Return digests of what was and what will be."""
    known = {k: v for k, v in part.items() if k not in HEADINGS}
    if isinstance(part.get("before"), dict) and "state" in part["before"] and _is_new(part):
        # Only for real does Ansible tell the mode that a new file had for a moment.
        known |= {side: {"state": part[side]["state"]} for side in ("before", "after")}
    return {k: digest(_plain(v)) for k, v in known.items()}


def _is_new(part: dict[str, Any]) -> bool:
    before = part["before"]
    return not before or (isinstance(before, dict) and before.get("state") == "absent")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, float) else value


def _diff(event: Event) -> str:
    if event["hidden"]:
        return "(not shown: it holds a secret)"
    shown = [text for part in event["diff"] if (text := _one_diff(part, _resource(event)))]
    if not shown and event["queries"]:
        shown = [f"+{query}" for query in event["queries"]]
    if not shown and event["args"].get("state") == "absent":
        shown = [f"-{_resource(event)}"]
    if not shown:
        shown = [f"+{k}: {v}" for k, v in event["args"].items() if k not in VOLATILE]
    return "\n".join(shown or [f"+{event['task']}"])


def _one_diff(part: dict[str, Any], resource: str) -> str:
    if "before" not in part or "after" not in part:
        return str(part.get("prepared", "")).strip()
    before, after = (_lines(part[side]) for side in ("before", "after"))
    names = f"{resource} (now)", f"{resource} (then)"
    return "\n".join(unified_diff(before, after, *names, n=2, lineterm=""))


def _lines(state: Any) -> list[str]:
    if isinstance(state, dict):
        return [f"{key}: {state[key]}" for key in sorted(state)]
    return str(state).splitlines()
