"""Ansible callback: tells Kâhya what each task did, as JSON lines on an inherited pipe.

It runs inside ansible-playbook and imports nothing of kahya. Only what is named in ``_event``
is passed on: results hold loop items and variables, and those may hold secrets.
"""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.executor.stats import AggregateStats
from ansible.executor.task_result import CallbackTaskResult
from ansible.inventory.host import Host
from ansible.playbook.handler import Handler
from ansible.playbook.play import Play
from ansible.playbook.task import Task
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: kahya_events
type: stdout
short_description: JSON lines for Kâhya
description: Writes one JSON object a line to the file descriptor in KAHYA_EVENTS_FD.
"""

PATHS = ("dest", "path")  # arguments that are told even of a task whose result is hidden
HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
META = "ansible.builtin.meta"  # touches no host
IDENTITY = "identity"  # the tag of the task that asks who the host is, or of a role's that says it
TOLD = "told"  # what a role's own action did, resource by resource
DEFERRED = "deferred"  # the tag of a debug task that says what cannot be predicted yet


class CallbackModule(CallbackBase):
    """Takes the place of Ansible's own output."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "kahya_events"

    def __init__(self) -> None:
        super().__init__()
        self._pipe = os.fdopen(int(os.environ["KAHYA_EVENTS_FD"]), "w", encoding="utf-8")

    def v2_playbook_on_play_start(self, play: Play) -> None:
        handlers = [handler for block in play.handlers for handler in block.block]
        restarts = [h.name for h in handlers if h.args.get("state") == "restarted"]
        self._write(event="play", restarts=restarts)

    def v2_runner_on_start(self, host: Host, task: Task) -> None:
        self._write(event="start", host=host.name, task=task.name)

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        if not result.task.loop:
            self._tell_ok(result)

    def v2_runner_item_on_ok(self, result: CallbackTaskResult) -> None:
        self._tell_ok(result)

    def v2_runner_on_skipped(self, result: CallbackTaskResult) -> None:
        if not result.task.loop:
            self._tell_skipped(result)

    def v2_runner_item_on_skipped(self, result: CallbackTaskResult) -> None:
        self._tell_skipped(result)

    def v2_runner_on_failed(
        self,
        result: CallbackTaskResult,
        ignore_errors: bool = False,  # noqa: FBT001, FBT002 (Ansible's)
    ) -> None:
        if not ignore_errors and not (result.task.loop and "results" in result.result):
            self._tell_parts(result)
            self._tell("failed", result)

    def v2_runner_item_on_failed(self, result: CallbackTaskResult) -> None:
        if not result.task_fields.get("ignore_errors"):
            self._tell("failed", result)

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        self._tell("unreachable", result)

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        self._write(event="end", hosts=sorted(stats.processed))
        self._pipe.close()

    def _tell_ok(self, result: CallbackTaskResult) -> None:
        if IDENTITY in result.task.tags:
            found = result.result.get("stdout") or result.result["msg"]
            self._write(event="identity", host=result.host.name, id=found)
        elif DEFERRED in result.task.tags:
            self._tell("deferred", result)
        elif TOLD in result.result:
            self._tell_parts(result)
        elif result.is_changed() and not isinstance(result.task, Handler):
            self._tell("changed", result)

    def _tell_parts(self, result: CallbackTaskResult) -> None:
        """Tell what one task did to several resources: label, args and diff of each."""
        for part in result.result.get(TOLD, ()):
            self._write(event="changed", host=result.host.name, **_details(result) | part)

    def _tell_skipped(self, result: CallbackTaskResult) -> None:
        """Tell of tasks that were skipped for being a check, and not by their own condition."""
        condition = str(result.result.get("false_condition", ""))
        by_itself = "skipped_reason" in result.result or condition  # an empty loop; a `when`
        if DEFERRED in result.task.tags or result.task.resolved_action == META:
            return
        if not by_itself or "ansible_check_mode" in condition:
            self._tell("skipped", result)

    def _tell(self, event: str, result: CallbackTaskResult) -> None:
        self._write(event=event, host=result.host.name, **_details(result))

    def _write(self, **event: object) -> None:
        self._pipe.write(json.dumps(event, default=str) + "\n")
        self._pipe.flush()


def _details(result: CallbackTaskResult) -> dict[str, Any]:
    task, data = result.task, result.result
    diff = data.get("diff") or []
    return {
        "task": task.name,
        "module": str(task.resolved_action or task.action).rpartition(".")[2],
        "label": str(data["_ansible_item_label"]) if "_ansible_item_label" in data else "",
        "args": _arguments(result),
        "hidden": "censored" in data,
        "checked": bool(result.task_fields.get("check_mode")),
        "notify": list(result.task_fields.get("notify") or []),
        "tags": list(task.tags),
        "msg": str(data.get("msg", "")),
        "queries": [str(query) for query in data.get("queries", [])],
        "diff": diff if isinstance(diff, list) else [diff],
    }


def _arguments(result: CallbackTaskResult) -> dict[str, Any]:
    """Return what the role asked of the module, with the values the module itself reports.

    Those are free of what the module knows to be secret.
    """
    asked = result.task_fields.get("args") or {}
    if "censored" in result.result:
        return {key: str(asked[key]) for key in PATHS if key in asked}
    reported = result.result.get("invocation", {}).get("module_args", {})
    return {k: v for k, v in reported.items() if k in asked and v != HIDDEN}
