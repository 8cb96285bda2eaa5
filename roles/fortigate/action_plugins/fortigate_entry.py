"""Carry out one step of ``fortigate_steps`` by the collection's module for its table.

In check mode nothing is run: the collection would carry out a move even then, and takes a second
for each entry. The difference that is told is that of the step, in check mode and for real.
"""

from __future__ import annotations

import re
from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """``login``: vdom and token; ``step``: see ``fortigate_steps``."""

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module; an error, or an answer that nothing was changed, is a failure."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        step, login = self._task.args["step"], self._task.args["login"]
        if not self._task.check_mode:
            module, arguments = moved(step) if "move" in step else changed(step)
            done = self._execute_module(
                module_name=f"fortinet.fortios.{module}",
                module_args={**login, **arguments},
                task_vars=task_vars,
            )
            if done.get("failed") or not done.get("changed"):
                meta = done.get("meta") or {}
                said = f"error {meta.get('error', '')}, HTTP status {meta.get('http_status', '')}"
                said = said if meta else done.get("msg", "")
                return result | {"failed": True, "msg": f"the FortiGate did not take it: {said}"}
        about = {"before": step["before"], "after": step["after"]}
        told = {"module_args": {"state": step["state"]}}
        return result | {"changed": True, "diff": about, "invocation": told}


def changed(step: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the module that sets or removes the entry, and its arguments."""
    name = re.sub(r"[./-]", "_", step["table"])
    entry = {key.replace("-", "_"): value for key, value in step["entry"].items()}
    if "intf" in entry:  # a list since FortiOS 7.4.2
        entry["intf_dict"] = entry.pop("intf")
    return f"fortios_{name}", {"state": step["state"], name: entry}


def moved(step: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the module that moves a policy of any table, and its arguments."""
    move = step["move"]
    body = {
        "method": "PUT",
        "path": f"/api/v2/cmdb/{step['table']}/{step['key']}",
        "specialparams": f"action=move&{move['side']}={move['other']}",
    }
    return "fortios_json_generic", {"json_generic": body}
