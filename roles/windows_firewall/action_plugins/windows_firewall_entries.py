"""Carry out the steps of ``windows_firewall_steps``, each by a module of Ansible's collections.

In check mode nothing is run. What is told of a step is its own difference, the same in check mode
and for real, in ``told``: see Kâhya's callback.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

PROFILES = ["domain", "private", "public"]
ANY_PROTOCOL = 256
Arguments = dict[str, Any]


class ActionModule(ActionBase):
    """``steps``: see ``windows_firewall_steps``."""

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
        if "profile" in step:
            path = self._find_needle("files", "profile.ps1")
            script = self._loader.get_text_file_contents(path)
            name, arguments = "ansible.windows.win_powershell", profile(step, script)
        else:
            name, arguments = "community.windows.win_firewall_rule", rule(step)
        done = self._execute_module(module_name=name, module_args=arguments, task_vars=task_vars)
        if done.get("failed") or done.get("error"):
            return str(done.get("msg") or done["error"])
        return "" if done.get("changed") else "nothing was changed"


def profile(step: dict[str, Any], script: str) -> Arguments:
    """Return the module's arguments that set a profile."""
    return {"script": script, "parameters": step["profile"], "error_action": "stop"}


def rule(step: dict[str, Any]) -> Arguments:
    """Return the module's arguments that set, disable or remove a rule.

    Everything is told, "any" as well, or the module would leave it as somebody set it by hand.
    """
    about = step["rule"]
    if step["state"] == "absent":
        return {"name": about["Name"], "state": "absent"}
    if step["foreign"]:
        return {"name": about["Name"], "enabled": False}
    number = about["Protocol"]
    arguments: Arguments = {
        "name": about["Name"],
        "description": about["Description"],
        "group": about["Grouping"],
        "enabled": True,
        "direction": "in",
        "action": "allow",
        "profiles": PROFILES,
        "protocol": "any" if number == ANY_PROTOCOL else str(number),
        "localip": about["LocalAddresses"],
        "remoteip": about["RemoteAddresses"],
        "program": "any",
        "service": "any",
        "interfacetypes": ["any"],
        "edge": "no",
        "security": "notrequired",
    }
    if about["LocalPorts"]:
        arguments |= {"localport": about["LocalPorts"], "remoteport": about["RemotePorts"]}
    if about["IcmpTypesAndCodes"]:
        arguments["icmp_type_code"] = about["IcmpTypesAndCodes"].split(",")
    return arguments
