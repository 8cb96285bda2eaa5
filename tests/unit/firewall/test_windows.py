"""Any policy becomes rules of Windows that say the same, in no order; any change is found."""

import re
import shutil
from argparse import Namespace
from copy import deepcopy
from pathlib import Path

import pytest
from firewall.policies import policies
from hypothesis import Phase, given, settings

from kahya.cli import firewall as command
from kahya.firewall import review
from kahya.firewall.matrix import Matrix
from kahya.firewall.networks import Places
from kahya.firewall.nft_eval import UnknownRuleError
from kahya.firewall.policy import parse
from kahya.firewall.windows import derive
from kahya.firewall.windows_eval import Firewall, deviations
from kahya.inventory import examine, load

TODAY = "2026-11-27"
TOWN = Path(__file__).parents[1] / "towns/one_windows"
WINDOWS = ("db-merkez", "pc-fen", "web-merkez")


@pytest.fixture(scope="session")
def hosts(town):
    """The lab's town as if some of its hosts had Windows."""
    return {h.name: h.vars for h in (*town.hosts.values(), *town.outside.values())}


def rendered(hosts, policy, names=WINDOWS, today=TODAY):
    about = {"firewall": policy, "places": Places.of(hosts).plain(), "today": today}
    there = {n: {**v, **about} if "firewall" in v else dict(v) for n, v in hosts.items()}
    derive(there, names)
    return {name: there[name]["rendered"] for name in names}


def wrong(hosts, policy, made):
    matrix = Matrix(parse(policy), hosts, TODAY)
    return [
        str(one)
        for name, about in made.items()
        for one in deviations(matrix, name, Firewall(about["rules"].values(), about["profiles"]))
    ]


@settings(max_examples=12, deadline=None, phases=[Phase.generate])
@given(policies())
def test_any_policy_is_rendered_as_it_says(hosts, policy):
    assert wrong(hosts, policy, rendered(hosts, policy))[:9] == []


@settings(max_examples=12, deadline=None, phases=[Phase.generate])
@given(policies())
def test_every_rule_is_one_that_windows_takes(hosts, policy):
    for about in rendered(hosts, policy).values():
        for name, rule in about["rules"].items():
            assert rule["Name"] == name
            assert not set('|"\n') & set(rule["Name"] + rule["Description"])
            assert rule["Action"] == 1  # what blocks would win over all others
            assert rule["RemoteAddresses"]
            assert (rule["Protocol"] in (6, 17)) is bool(rule["LocalPorts"])
            assert (rule["Protocol"] in (1, 58)) is bool(rule["IcmpTypesAndCodes"])


@pytest.fixture(scope="session")
def small():
    return load(TOWN)


@pytest.fixture
def made(small):
    names = ("dosya-merkez", "pc-merkez", "web-merkez")
    return {name: deepcopy(small.hosts[name].vars["rendered"]) for name in names}


def found(town, made):
    hosts = {h.name: h.vars for h in (*town.hosts.values(), *town.outside.values())}
    return wrong(hosts, hosts["gw-merkez"]["firewall"], made)


def test_a_town_with_windows_is_as_its_policy_says(small, made):
    assert found(small, made) == []
    assert [str(r.problem.key) for r in review.remarks(small)] == ["old-fair"]  # it has ended
    assert review.refusals(small) == []


def test_the_command_and_every_plan_look_at_windows_hosts(small, made, capsys, monkeypatch):
    monkeypatch.setattr(command, "town_directory", lambda _args: TOWN)
    monkeypatch.setattr(command, "load", lambda _directory: small)
    assert command._firewall(Namespace(json=False, matrix=False)) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Windows hosts looked at as well: dosya-merkez, pc-merkez, web-merkez." in told
    change(made, "files/tcp", RemoteAddresses="*")
    wrong = deepcopy(small)
    wrong.hosts["dosya-merkez"].vars["rendered"] = made["dosya-merkez"]
    assert "ofis 10.20.1.20 (gw-merkez), smb (tcp/445), IPv4: exp" in review.refusals(wrong)[0]
    assert "windows_firewall" in review.SYSTEMS


def test_what_a_rule_above_denies_is_left_out_of_those_below(made):
    rules = {n.removeprefix("kahya:"): r for n, r in made["dosya-merkez"]["rules"].items()}
    assert sorted(rules) == [
        "admin/icmp", "admin/icmpv6", "admin/tcp", "files/icmp", "files/icmpv6", "files/tcp",
    ]  # fmt: skip
    files = rules["files/tcp"]
    assert (files["Protocol"], files["LocalPorts"], files["RemotePorts"]) == (6, "445", "*")
    assert files["Description"] == "Mehmet Demir: the offices' folders"
    assert files["RemoteAddresses"].split(",") == [
        "10.20.1.0-10.20.1.99", "10.20.1.101-10.20.1.191", "10.20.1.224/27", "10.20.102.0/29",
        "fd20:0:0:1::/120", "fd20:0:0:1::101-fd20::1:b:ffff:ffff:ffff",
        "fd20:0:0:1:d::-fd20::1:ffff:ffff:ffff:ffff",
    ]  # fmt: skip
    assert rules["files/icmp"]["IcmpTypesAndCodes"] == "8:*"
    assert rules["files/icmp"]["RemoteAddresses"] == (
        "10.20.1.0-10.20.1.99,10.20.1.101-10.20.1.255,10.20.102.0/29"
    )
    assert {r["Grouping"] for r in rules.values()} == {"Kâhya"}


def test_a_published_program_is_for_the_internet_alone(made):
    rule = made["web-merkez"]["rules"]["kahya:website/udp"]
    parts = rule["RemoteAddresses"].split(",")
    assert parts[0] == "0.0.0.0-10.20.0.255"
    assert not any(part.startswith("10.20.1.") for part in parts)
    assert parts[-1].endswith("-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")


def test_a_rule_past_its_last_day_is_gone(small, made):
    assert not any("old-fair" in name for about in made.values() for name in about["rules"])
    hosts = {h.name: h.vars for h in small.hosts.values()}
    policy = hosts["gw-merkez"]["firewall"]
    last, after = (
        rendered(hosts, policy, ("web-merkez",), day)["web-merkez"]["rules"]
        for day in ("2099-05-31", "2099-06-01")
    )
    rule = last["kahya:fair/tcp"]
    assert rule["Description"] == "Mehmet Demir: the spring fair (until 2099-05-31)"
    assert rule["LocalPorts"] == "21,50000-50100"
    assert last.keys() - after.keys() == {"kahya:fair/tcp"}


def test_everything_and_everything_less_something(small):
    """All protocols are one rule; less a port they are four, without the rarer protocols."""
    hosts = {h.name: h.vars for h in small.hosts.values()}
    rule = {"from": ["0.0.0.0/0", "::/0"], "to": ["web-merkez"], "services": ["any"]}
    rule |= {"owner": "x", "reason": "a|b"}
    every = {"services": {"web": {"tcp": [443]}}, "rules": [{**rule, "name": "a"}]}
    (one,) = rendered(hosts, every, ("web-merkez",))["web-merkez"]["rules"].values()
    assert (one["Name"], one["Protocol"], one["RemoteAddresses"]) == ("kahya:a/any", 256, "*")
    assert one["Description"] == "x: a/b"
    deny = {**rule, "name": "no", "action": "deny", "from": ["ofis"], "services": ["web"]}
    every["rules"].insert(0, deny)
    rules = rendered(hosts, every, ("web-merkez",))["web-merkez"]["rules"]
    assert rules["kahya:a/tcp"]["LocalPorts"] == "1-442,444-65535"
    assert rules["kahya:a/udp"]["LocalPorts"] == rules["kahya:a/icmp"]["IcmpTypesAndCodes"] == "*"
    offices = "10.20.1.0/24,fd20:0:0:1::/64"
    assert {r["RemoteAddresses"] for n, r in rules.items() if "/tcp" in n} == {offices}
    assert "kahya:a/any" in rules


def change(about, rule, **properties):
    about["dosya-merkez"]["rules"][f"kahya:{rule}"].update(properties)


def more(about, **properties):
    rule = {**about["dosya-merkez"]["rules"]["kahya:files/tcp"], "Name": "by hand", "Grouping": ""}
    about["dosya-merkez"]["rules"]["by hand"] = rule | properties


MUTANTS = {  # what is changed, and who is told
    "a rule gone": (lambda m: change(m, "files/tcp", Enabled=False), "ofis.*smb.*seen dropped"),
    "a port more": (lambda m: change(m, "files/tcp", LocalPorts="445-446"), "tcp/446"),
    "another port": (lambda m: change(m, "admin/tcp", LocalPorts="23"), "yonetim.*ssh.*dropped"),
    "a wider network": (
        lambda m: change(m, "files/tcp", RemoteAddresses="10.20.1.0/24"), "kiosk 10.20.1.19.*smb",
    ),
    "a longer range": (
        lambda m: change(m, "files/tcp", RemoteAddresses="10.20.1.0-10.20.1.192"), "kiosk.*smb",
    ),
    "open to all": (
        lambda m: change(m, "admin/tcp", RemoteAddresses="*"), "misafir.*ssh.*seen let through",
    ),
    "IPv6 left out": (
        lambda m: change(m, "files/tcp", RemoteAddresses="10.20.1.0/24"), "IPv6: expected let",
    ),
    "another protocol": (lambda m: change(m, "files/icmp", Protocol=58), "ping.*IPv4"),
    "a rule more": (lambda m: more(m, RemoteAddresses="*", LocalPorts="*"), "misafir.*tcp/21"),
    "a rule of all protocols": (lambda m: more(m, RemoteAddresses="*", Protocol=256), "udp/69"),
    "a rule that blocks": (
        lambda m: more(m, Action=0, LocalPorts="22", RemoteAddresses="*"), "ssh.*seen dropped",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_rules_that_deviate_are_found(small, made, name):
    change, told = MUTANTS[name]
    change(made)
    assert any(re.search(told, one) for one in found(small, made))


HARMLESS = {
    "outbound": {"Direction": 2, "RemoteAddresses": "*", "LocalPorts": "*"},
    "disabled": {"Enabled": False, "RemoteAddresses": "*", "LocalPorts": "*"},
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_lets_nobody_in_is_no_deviation(small, made, name):
    more(made, **HARMLESS[name])
    assert found(small, made) == []


WRONG = {  # what is written instead of what, in which file, and who is told
    "nobody could log in": (
        "to: [ofis, dmz, kiosk, gateway]", "to: [dmz, kiosk, gateway, pc-merkez]",
        "group_vars/gateways/firewall.yml", ["ws-merkez could not log in to dosya-merkez"],
    ),
    "another port to log in by": (
        "ansible_shell_type: powershell", "ansible_shell_type: powershell\nansible_port: 2222",
        "group_vars/windows/main.yml",
        [f"ws-merkez could not log in to {n}-merkez" for n in ("dosya", "pc", "web")],
    ),
    "no word of its shell": (
        "ansible_shell_type: powershell", "ansible_connection: winrm",
        "group_vars/windows/main.yml",
        ["ansible_connection", *["ansible_shell_type: is missing"] * 3],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_would_lock_the_admin_out_is_refused(name, tmp_path):
    old, new, file, told = WRONG[name]
    shutil.copytree(TOWN, tmp_path / "towns/one_windows")
    shutil.copy(TOWN.parent / "systems.yml", tmp_path)
    path = tmp_path / "towns/one_windows" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    problems = sorted(str(p) for p in examine(tmp_path / "towns/one_windows")[1])
    assert len(problems) == len(told), problems
    assert all(any(words in one for one in problems) for words in told), problems


UNKNOWN = {
    "a program": lambda m: change(m, "files/tcp", ApplicationName="a.exe"),
    "a service": lambda m: change(m, "files/tcp", ServiceName="lanmanserver"),
    "one profile": lambda m: change(m, "files/tcp", Profiles=1),
    "a word for addresses": lambda m: change(m, "files/tcp", RemoteAddresses="LocalSubnet"),
    "a word for ports": lambda m: change(m, "files/tcp", LocalPorts="RPC"),
    "a source port": lambda m: change(m, "files/tcp", RemotePorts="1024-65535"),
    "one of its addresses": lambda m: change(m, "files/tcp", LocalAddresses="10.20.1.20"),
    "a profile that is off": lambda m: m["dosya-merkez"]["profiles"]["Domain"].update(
        Enabled="False"
    ),
    "a profile that lets all in": lambda m: m["dosya-merkez"]["profiles"]["Public"].update(
        DefaultInboundAction="Allow"
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_understood_is_never_a_pass(small, made, name):
    UNKNOWN[name](made)
    with pytest.raises(UnknownRuleError):
        found(small, made)
