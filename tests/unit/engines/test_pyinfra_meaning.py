"""What operations mean, told from their arguments, their commands and a host that is made up."""

from io import StringIO
from types import SimpleNamespace

import pytest
from pyinfra.api.command import FileUploadCommand, StringCommand
from pyinfra.api.operation import OperationMeta
from pyinfra.facts.deb import DebPackages
from pyinfra.facts.files import FileContents
from pyinfra.facts.server import Sysctl, Users
from pyinfra.facts.systemd import SystemdEnabled, SystemdStatus
from pyinfra.operations.util import any_changed

from kahya.engines.pyinfra_meaning import (
    FileState,
    Meaning,
    Operation,
    diff,
    effect,
    meanings,
)

AYSE = {"uid": 1001, "home": "/home/ayse", "shell": "/bin/sh", "group": "ayse", "groups": []}
USER = dict.fromkeys(("uid", "comment", "home", "shell", "group", "groups", "public_keys"))


def host(**facts):
    """Return a host that answers with ``facts`` by the name of the fact."""
    return SimpleNamespace(get_fact=lambda fact, **_: facts[fact.__name__])


def operation(kind, commands=("true",), name="", **arguments):
    made = [StringCommand(c) if isinstance(c, str) else c for c in commands]
    return Operation(kind, name, arguments, {}, [], OperationMeta("x", None), iter, True, made)


def told(kind, facts, commands=("true",), secrets=(), **arguments):
    names = {f.__name__: v for f, v in facts.items()}
    return meanings(host(**names), operation(kind, commands, **arguments), secrets)


def rows(found):
    return [(m.resource, m.action, m.before, m.after) for m in found]


def test_each_package_is_a_change_of_its_own():
    facts = {DebPackages: {"sudo": {"1.9"}, "telnetd": {"0.1"}}}
    wanted = ["chrony", "sudo", "frr=8.4"]
    assert rows(told("apt.packages", facts, packages=wanted, present=True)) == [
        ("package chrony", "install", "absent", "installed"),
        ("package frr", "install", "absent", "version 8.4"),
    ]
    assert rows(told("apt.packages", facts, packages="telnetd", present=False)) == [
        ("package telnetd", "remove", "version 0.1", "absent"),
    ]


@pytest.mark.parametrize(
    ("live", "lines", "before"),
    [
        (0, ["net.x = 1"], "running 0\nat boot: net.x = 1"),
        (1, ["net.x = 0"], "running 1\nat boot: net.x = 0"),
        (1, [], "running 1"),
        (0, None, "running 0"),
    ],
)
def test_a_kernel_setting_is_one_change_live_or_at_boot(live, lines, before):
    facts = {Sysctl: {"net.x": live}, FileContents: lines}
    found = told("server.sysctl", facts, key="net.x", value=1, persist_file="/etc/sysctl.d/x")
    after = "running 1\nat boot: net.x = 1"
    assert rows(found) == [("sysctl net.x", "update", before, after)]


def test_a_line_with_another_value_beside_the_right_one_is_told():
    facts = {Sysctl: {"net.x": 1}, FileContents: ["net.x = 1", "net.x=0"]}
    (found,) = told("server.sysctl", facts, key="net.x", value=1, persist_file="/etc/sysctl.d/x")
    assert diff(found, ()).splitlines()[3:] == ["-at boot: net.x=0", "+at boot: net.x = 1"]


def test_an_account_is_told_with_its_keys():
    wanted = USER | {"user": "ayse", "present": True, "shell": "/bin/bash", "public_keys": ["k1"]}
    facts = {Users: {"ayse": AYSE}, FileContents: ["k1", "k2"]}
    (found,) = told("server.user", facts, **wanted)
    assert (found.before, found.after) == (
        "shell /bin/sh\nkey k1\nkey k2",
        "shell /bin/bash\nkey k1",
    )


def test_removing_an_account_is_a_risk_to_data_and_has_no_way_back():
    (found,) = told(
        "server.user", {Users: {"ayse": AYSE}}, user="ayse", **USER | {"present": False}
    )
    assert (found.action, found.risk) == ("delete", ("data",))


@pytest.mark.parametrize(
    ("active", "enabled", "action"),
    [(False, True, "start"), (True, False, "enable"), (False, False, "start")],
)
def test_a_service_that_is_down_or_disabled_is_a_change(active, enabled, action):
    facts = {SystemdStatus: {"ssh.service": active}, SystemdEnabled: {"ssh.service": enabled}}
    (found,) = told("systemd.service", facts, service="ssh", running=True, enabled=True)
    assert (found.resource, found.action, found.after) == (
        "service ssh",
        action,
        "running\nenabled",
    )


def put(content, dest="/etc/x"):
    return FileUploadCommand(StringIO(content), dest)


FILE = {"dest": "/etc/x", "user": "root", "group": None, "mode": "640"}


def test_a_new_file_is_told_whole():
    (found,) = told("files.put", {FileState: []}, [put("one\n")], **FILE)
    assert rows([found]) == [("file /etc/x", "create", "", "owner root:root\nmode 0640\none")]


def test_a_changed_mode_is_told_alone():
    facts = {FileState: ["owner root:shadow", "mode 0666", "one"]}
    (found,) = told("files.put", facts, ["chmod 640 /etc/x"], **FILE)
    assert diff(found, ()).splitlines()[2:4] == ["-mode 0666", "+mode 0640"]


def test_a_removed_private_file_keeps_its_content_to_itself():
    facts = {FileState: ["owner root:root", "mode 0600", "a key"]}
    (found,) = told("files.file", facts, path="/etc/x", present=False)
    assert (found.action, "a key" in found.before) == ("delete", False)


def test_a_difference_out_of_sight_is_told_by_its_commands():
    facts = {FileState: ["owner root:root", "mode 0640", "one"]}
    (found,) = told("files.put", facts, [put("one")], **FILE)
    assert found.after.startswith("$ write /etc/x (sha256:")


def test_an_operation_nobody_knows_is_told_by_its_commands():
    (found,) = told("magic.spell", {}, ["abra", "cadabra"], what="door")
    assert rows([found]) == [("magic.spell door", "run", "", "$ abra\n$ cadabra")]


def test_what_a_deploy_says_of_its_commands_is_believed():
    command = StringCommand("nft -f x")
    command.meaning = ({"resource": "rules", "action": "update", "before": "a", "after": "b"},)
    assert rows(told("x.y", {}, [command])) == [("rules", "update", "a", "b")]


def test_an_effect_masks_secrets_and_is_short_but_unequal_for_unequal_states():
    one = effect(Meaning("r", "update", "s3cret", "x" * 300), ("s3cret",))
    two = effect(Meaning("r", "update", "s3cret", "x" * 301), ("s3cret",))
    assert one["before"] == "********"
    assert one["after"].startswith("sha256:")
    assert one != two


def test_triggers_are_found_in_both_forms_of_condition():
    metas = [OperationMeta(name, None) for name in "abc"]
    op = operation("server.shell")
    op.conditions = [metas[0].did_change, any_changed(*metas[1:])]
    assert op.triggers() == metas
    op.conditions = [lambda: True]
    assert op.triggers() is None
