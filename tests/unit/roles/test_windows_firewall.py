"""Whatever a Windows host has, the steps lead to what it should have, and then there are none."""

import importlib.util
from copy import deepcopy
from pathlib import Path

import ansible_collections
import pytest
from ansible.errors import AnsibleFilterError
from devices.windows import (
    CORE,
    MODULE_RULE,
    MODULE_SCRIPT,
    NEW,
    ROLE,
    FailedError,
    Windows,
    options,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from kahya.inventory import load

ROOT = Path(__file__).parents[3]
HOST = "dosya-merkez"
OTHER_WORDS = {
    "10.20.102.0/29": "10.20.102.0/255.255.255.248",
    "fd20:0:0:1::/120": "fd20::1:0:0:0:0/120",
}
DHCP = "Core Networking - Dynamic Host Configuration Protocol (DHCP-In)"
ENABLED_FOREIGN = [
    "foreign rule Core Networking - IPHTTPS (TCP-In)",
    "foreign rule File and Printer Sharing (SMB-In)",
    "foreign rule OpenSSH SSH Server (sshd)",
]


def plugin(name):
    path = ROOT / "roles/windows_firewall" / name
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


steps = plugin("filter_plugins/windows_firewall.py").steps
entries = plugin("action_plugins/windows_firewall_entries.py")


def source(module):
    """Return the script of a module, as the collection ships it."""
    (root,) = ansible_collections.__path__
    path = module.removeprefix("ansible_collections.").replace(".", "/")
    return (Path(root) / f"{path}.ps1").read_text(encoding="utf-8")


SOURCES = {name: source(name) for name in (MODULE_RULE, MODULE_SCRIPT)}


def run(device, module, arguments, *, check=False):
    return device.run(module, SOURCES[module], {**arguments, "_ansible_check_mode": check})


def read(device):
    script = (ROLE / "read.ps1").read_text(encoding="utf-8")
    return run(device, MODULE_SCRIPT, {"script": script, "depth": 4})["result"]


def carry_out(device, step, *, check=False):
    if "profile" in step:
        script = (ROLE / "profile.ps1").read_text(encoding="utf-8")
        return run(device, MODULE_SCRIPT, entries.profile(step, script), check=check)
    return run(device, MODULE_RULE, entries.rule(step), check=check)


def mended(device, wanted, kept=()):
    """Carry out all steps and return how they are called."""
    found = steps(wanted, read(device), kept)
    for step in found:
        assert carry_out(device, step)["changed"], step["label"]
    assert steps(wanted, read(device), kept) == []
    return [f"{'-' if step['state'] == 'absent' else ''}{step['label']}" for step in found]


@pytest.fixture(scope="session")
def wanted():
    return load(ROOT / "tests/unit/towns/one_windows").hosts[HOST].vars["rendered"]


@pytest.fixture
def device(wanted):
    device = Windows()
    mended(device, wanted)
    return device


def rule(device, name):
    return next(r for r in device.rules if r["Name"] == name)


def test_a_new_host_gets_the_admins_way_in_before_others_are_closed(wanted):
    told = mended(Windows(), wanted)
    assert told == [
        *(f"rule {name.removeprefix('kahya:')}" for name in wanted["rules"]),
        *(f"profile {name}" for name in ("Domain", "Private", "Public")),
        *ENABLED_FOREIGN,
    ]


def test_what_ip_itself_needs_stays(device):
    enabled = {r["Name"] for r in device.rules if r["Enabled"] and r["Direction"] == 1}
    assert {name.partition(" - ")[2].partition(" (")[0] for name in enabled if " - " in name} == {
        "Neighbor Discovery Solicitation", "Destination Unreachable Fragmentation Needed",
        "Dynamic Host Configuration Protocol", "Internet Group Management Protocol",
    }  # fmt: skip


def test_groups_may_be_kept(wanted):
    kept = ["OpenSSH Server"]
    assert mended(Windows(), wanted, kept)[-2:] == ENABLED_FOREIGN[:2]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_disorder_is_mended(wanted, data):
    device = Windows()
    ours = [NEW | {k: v for k, v in r.items() if v != ""} for r in wanted["rules"].values()]
    device.rules += data.draw(st.lists(st.sampled_from(ours), unique_by=lambda r: r["Name"]))
    device.rules = deepcopy(device.rules)
    changes = {
        "Enabled": False, "Action": 0, "Direction": 2, "Profiles": 1, "RemoteAddresses": "*",
        "Grouping": None, "Description": "x", "ApplicationName": "x.exe", "ServiceName": "x",
        "LocalAddresses": "10.20.1.20", "Protocol": 256,
    }  # fmt: skip
    for changed in data.draw(st.lists(st.sampled_from(device.rules), max_size=3)):
        key = data.draw(st.sampled_from(sorted(changes)))
        blind = key == "Direction" or (key == "Action" and changed["Direction"] == 2)
        changed[key] = changed[key] if blind else changes[key]
        if key == "Protocol":
            changed |= {"LocalPorts": None, "RemotePorts": None, "IcmpTypesAndCodes": None}
    mended(device, wanted)
    there = {r["Name"]: r for r in device.rules if r["Name"].startswith("kahya:")}
    assert there.keys() == wanted["rules"].keys()
    for name, rule in there.items():
        same = {k: v or "" for k, v in rule.items() if k != "RemoteAddresses"}
        assert same.items() <= {k: v or "" for k, v in wanted["rules"][name].items()}.items()


def more(device, name="temp", **properties):
    device.rules.append(NEW | {"Name": name, "RemoteAddresses": "*"} | properties)


DRIFT = {  # what somebody does by hand, and how it is called
    "a rule more": (more, ["foreign rule temp"]),
    "two of one name": (lambda d: (more(d), more(d, "TEMP", Protocol=6)), ["foreign rule temp"]),
    "a rule that blocks": (lambda d: more(d, Action=0), ["foreign rule temp"]),
    "a rule among Windows' own": (
        lambda d: more(d, Grouping=CORE, Protocol=6, LocalPorts="23"), ["foreign rule temp"],
    ),
    "pings among Windows' own": (
        lambda d: more(d, Grouping=CORE, Protocol=58, IcmpTypesAndCodes="135:*,128:*"),
        ["foreign rule temp"],
    ),
    "a rule among ours": (lambda d: more(d, Grouping="Kâhya"), ["-rule temp"]),
    "what IP needs is blocked": (
        lambda d: rule(d, DHCP).update(Action=0), [f"foreign rule {DHCP}"],
    ),
    "a rule disabled": (
        lambda d: rule(d, "kahya:files/tcp").update(Enabled=False), ["rule files/tcp"],
    ),
    "a rule gone": (
        lambda d: d.rules.remove(rule(d, "kahya:files/tcp")), ["rule files/tcp"],
    ),
    "a wider rule": (
        lambda d: rule(d, "kahya:files/tcp").update(RemoteAddresses="LocalSubnet"),
        ["rule files/tcp"],
    ),
    "a port more": (
        lambda d: rule(d, "kahya:files/tcp").update(LocalPorts="139,445"), ["rule files/tcp"],
    ),
    "for one program alone": (
        lambda d: rule(d, "kahya:files/tcp").update(ApplicationName="x.exe"), ["rule files/tcp"],
    ),
    "another protocol": (
        lambda d: rule(d, "kahya:files/tcp").update(Protocol=256, LocalPorts=None),
        ["-rule files/tcp", "rule files/tcp"],
    ),
    "another reason": (
        lambda d: rule(d, "kahya:files/tcp").update(Description="x"), ["rule files/tcp"],
    ),
    "a profile off": (lambda d: d.profiles["Public"].update(Enabled="False"), ["profile Public"]),
    "everybody shut out": (
        lambda d: d.profiles["Domain"].update(AllowInboundRules="False"), ["profile Domain"],
    ),
    "no log": (lambda d: d.profiles["Private"].update(LogBlocked="False"), ["profile Private"]),
}  # fmt: skip


@pytest.mark.parametrize("name", DRIFT)
def test_what_is_changed_by_hand_is_found_as_itself(device, wanted, name):
    change, told = DRIFT[name]
    change(device)
    assert mended(device, wanted) == told


NOTHING = {
    "a rule that is disabled": lambda d: more(d, Enabled=False),
    "a rule for what leaves": lambda d: more(d, Direction=2),
    "a block of what leaves": lambda d: more(d, Direction=2, Action=0),
    "addresses in other words and order": lambda d: rule(d, "kahya:files/tcp").update(
        RemoteAddresses=",".join(
            OTHER_WORDS.get(text, text)
            for text in reversed(rule(d, "kahya:files/tcp")["RemoteAddresses"].split(","))
        )
    ),
    "a range in two": lambda d: rule(d, "kahya:files/icmp").update(
        RemoteAddresses=rule(d, "kahya:files/icmp")["RemoteAddresses"].replace(
            "10.20.1.0-10.20.1.99", "10.20.1.0-10.20.1.49,10.20.1.50-10.20.1.99"
        )
    ),
}


@pytest.mark.parametrize("name", NOTHING)
def test_what_means_the_same_is_no_drift(device, wanted, name):
    before = deepcopy(device.rules)
    NOTHING[name](device)
    assert device.rules != before
    assert mended(device, wanted) == []


def test_a_module_that_would_hit_what_has_to_stay_is_not_run(device, wanted):
    """It finds rules by their names alone."""
    more(device, name=DHCP)
    with pytest.raises(AnsibleFilterError, match="two rules are called"):
        steps(wanted, read(device))
    more(device, name="temp", Direction=2, Action=0)
    device.rules = [r for r in device.rules if r["Name"] != DHCP]
    assert steps(wanted, read(device)) == []
    more(device)
    with pytest.raises(AnsibleFilterError, match="'temp'"):
        steps(wanted, read(device))


LOGINS = {
    "10.20.1.100 50000 10.20.1.20 22": True,
    "fd20:0:0:1::100 50000 fd20:0:0:1::20 22": True,
    "10.20.1.100 50000 10.20.1.20 2222": False,
    "10.20.1.101 50000 10.20.1.20 22": False,
    "fe80::1%5 50000 fe80::2%5 22": False,
    "": True,  # OpenSSH doesn't say
}


@pytest.mark.parametrize("login", LOGINS)
def test_who_is_logged_in_is_not_locked_out(wanted, login):
    device = Windows()
    device.login = login
    if LOGINS[login]:
        assert steps(wanted, read(device))
    else:
        with pytest.raises(AnsibleFilterError, match="lock out this very login"):
            steps(wanted, read(device))


def test_without_a_policy_nothing_is_closed():
    with pytest.raises(AnsibleFilterError, match="firewall policy"):
        steps({}, read(Windows()))


def test_check_mode_changes_nothing(wanted):
    device = Windows()
    before = deepcopy((device.rules, device.profiles))
    for step in steps(wanted, read(device)):
        assert carry_out(device, step, check=True)["changed"]
    assert (device.rules, device.profiles) == before


def test_the_stand_in_takes_what_the_modules_do_and_nothing_else():
    device = Windows()
    assert {"name", "remoteip", "edge", "icmp_type_code", "security"} <= options(
        SOURCES[MODULE_RULE]
    ).keys()
    assert options(SOURCES[MODULE_SCRIPT])["error_action"] == {
        "type": "str", "default": "continue", "choices": ["silently_continue", "continue", "stop"],
    }  # fmt: skip
    for module, arguments in (
        (MODULE_RULE, {"name": "x", "address": "10.0.0.1"}),
        (MODULE_RULE, {"name": "x", "action": "drop"}),
        (MODULE_RULE, {"name": "x", "protocol": "6", "localport": "1", "description": "a|b"}),
        (MODULE_RULE, {"name": "x", "localport": "1"}),
        (MODULE_SCRIPT, {"script": "Remove-NetFirewallRule -All"}),
        (MODULE_SCRIPT, {}),
    ):
        with pytest.raises(FailedError):
            run(device, module, arguments)
    with pytest.raises(FailedError, match="no module"):
        device.run("x.win_shell", "", {"_ansible_check_mode": False})
