"""From what Ansible said to what it means."""

import pytest

from kahya.engines.ansible_meaning import to_changes, to_plan
from kahya.model import Host, System

HOST = Host("db", "10.20.1.10", "merkez", ("db_servers",), {})
SYSTEM = System("postgresql", {}, "ansible", "roles/postgresql", "db_servers", "", (), "L2")
PLAY = {"event": "play", "restarts": ["Restart it"]}
END = {"event": "end", "hosts": ["db"]}
RESULT = {
    "event": "changed", "host": "db", "task": "Set something", "module": "command", "label": "",
    "args": {}, "hidden": False, "checked": True, "notify": [], "tags": [], "msg": "",
    "queries": [], "diff": [],
}  # fmt: skip


def change_of(**result):
    [change] = to_changes(HOST, SYSTEM, [PLAY, RESULT | result, END])
    return change


NEW = {"diff": [{"before": "", "after": "x"}]}
OTHER = {"diff": [{"before": "y", "after": "x"}]}
GONE = {"diff": [{"before": {"state": "absent"}, "after": {"state": "directory"}}]}
FILE = {"dest": "/a"}


@pytest.mark.parametrize(
    ("module", "result", "resource", "action"),
    [
        ("postgresql_user", {"label": "role ebys"}, "role ebys", "set"),
        ("command", {}, "Set something", "set"),
        ("apt", {"task": "Install it", "args": {"name": ["a", "b"]}}, "package a, b", "install"),
        ("systemd", {"args": {"name": "x", "state": "started"}}, "service x", "start"),
        ("copy", {"args": FILE, **NEW}, "file /a", "create"),
        ("template", {"args": FILE, **OTHER}, "file /a", "change"),
        ("file", {"args": {"path": "/a", "state": "directory"}, **GONE}, "file /a", "create"),
        ("command", {"label": "role x", "args": {"state": "absent"}}, "role x", "remove"),
    ],
)
def test_resource_and_action(module, result, resource, action):
    change = change_of(module=module, **result)
    assert (change.resource, change.action) == (resource, action)
    assert change.diff


def test_what_is_at_risk():
    assert change_of(notify=["Restart it"]).risk == ("restart",)
    assert change_of(notify=["Restart it"]).then == ("Restart it",)
    assert change_of(notify=["Reload it"]).risk == ()
    assert change_of(args={"state": "restarted"}).risk == ("restart",)
    lost = change_of(tags=["risk_data"])
    assert (lost.risk, lost.reversible) == (("data",), False)


def test_names_of_temporary_files_and_numbers_of_packages_do_not_count():
    heading = {"before": "a", "after": "b"}
    one, other, third = (
        change_of(module="template", args={"dest": "/a", "src": src}, diff=[heading | extra])
        for src, extra in [
            ("/tmp/1", {"after_header": "/tmp/1"}),
            ("/tmp/2", {"after_header": "/tmp/2", "prepared": "3 upgraded"}),
            ("/tmp/2", {"before": "c"}),
        ]
    )
    assert one.id == other.id != third.id


def test_a_host_that_ansible_left_out_is_unknown():
    plan = to_plan(HOST, SYSTEM, [PLAY, {"event": "end", "hosts": ["another"]}])
    assert (plan.status, plan.changes) == ("unknown", ())


def test_a_hidden_failure_says_that_it_is_hidden():
    failed = RESULT | {"event": "failed", "hidden": True, "msg": ""}
    plan = to_plan(HOST, SYSTEM, [PLAY, failed, END])
    assert plan.status == "error"
    assert "no_log" in plan.reason
