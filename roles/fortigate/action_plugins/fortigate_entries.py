"""Carry out the steps of ``fortigate_steps``, each by the collection's module for its table.

In check mode nothing is run: the collection would carry out a move even then. All in one task, for
each task starts a connection anew. What is told of a step is its own difference, the same in check
mode and for real, in ``told``: see Kâhya's callback.
"""

from __future__ import annotations

import re
from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """``login``: vdom and token; ``steps``: see ``fortigate_steps``."""

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the modules up to the first error; to change nothing is one."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        result |= {"changed": False, "told": []}
        for step in self._task.args["steps"]:
            trouble = "" if self._task.check_mode else self._carry_out(step, task_vars)
            if trouble:
                return result | {"failed": True, "msg": f"{step['label']}: {trouble}"}
            diff = {"before": step["before"], "after": step["after"]}
            about = {"label": step["label"], "args": {"state": step["state"]}, "diff": [diff]}
            result["told"].append(about)
            result["changed"] = True
        return result

    def _carry_out(self, step: dict[str, Any], task_vars: dict[str, Any] | None) -> str:
        """Return what went wrong, "" for nothing."""
        module, arguments = moved(step) if "move" in step else changed(step)
        done = self._execute_module(
            module_name=f"fortinet.fortios.{module}",
            module_args={**self._task.args["login"], **arguments},
            task_vars=task_vars,
        )
        if done.get("changed") and not done.get("failed"):
            return ""
        meta = done.get("meta") or {}
        said = f"the FortiGate says {meta.get('http_status')}, error {meta.get('error', 'none')}"
        return said if meta else str(done.get("msg", "no answer"))


def changed(step: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the module that sets or removes the entry, and its arguments."""
    name = re.sub(r"[./-]", "_", step["table"])
    entry = {key.replace("-", "_"): value for key, value in step["entry"].items()}
    if "intf" in entry:  # a list since FortiOS 7.4.2
        entry["intf_dict"] = entry.pop("intf")
    return f"fortios_{name}", {"state": step["state"], name: entry}


def moved(step: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the module that moves a policy of any table, and its arguments."""
    side, other = step["move"]
    body = {
        "method": "PUT",
        "path": f"/api/v2/cmdb/{step['table']}/{step['key']}",
        "specialparams": f"action=move&{side}={other}",
    }
    return "fortios_json_generic", {"json_generic": body}
