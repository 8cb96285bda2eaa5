"""A difference is told by what a configuration means, once for each resource."""

import os
import re
from pathlib import Path

import pytest
import yaml
from devices.config import Config
from devices.diff import contextual
from devices.grammar import Grammar
from hypothesis import given, settings
from hypothesis import strategies as st

from kahya.engines.napalm_difference import blend, changes_between, disagreement
from kahya.engines.napalm_meaning import meaning, numbers
from kahya.engines.napalm_platforms import PLATFORMS
from kahya.model import Host, System, Town

HERE = Path(__file__).parent
GOLDEN = HERE.parents[1] / "golden/network"
CASES = yaml.safe_load((HERE / "network_drift.yml").read_text(encoding="utf-8"))
EXAMPLES = int(os.environ.get("KAHYA_EXAMPLES", "60"))  # the long run is 1000
SYSTEM = System("switching", {}, "napalm", "", "", "", (), "L1")
TOWN = Town("ornek", "", "", "en", 30, {}, {}, {}, (SYSTEM,), ("the-vault",))
PORTS = {"ios": "GigabitEthernet1/0/", "eos": "Ethernet"}


def cases(kind):
    return [
        pytest.param(platform, case, id=f"{platform}-{case['name']}")
        for platform, found in CASES.items()
        for case in found[kind]
    ]


def intended(platform):
    return (HERE / f"switches/{platform}.cfg").read_text(encoding="utf-8")


def device(platform, text):
    """Return what the model of a device has after ``text`` was typed; nothing may be refused."""
    config = Config(Grammar(platform, [f"{PORTS[platform]}{n}" for n in range(1, 9)]))
    assert config.load(text) == []
    return config


def shown(config):
    """Return a configuration as the device prints it."""
    ios = config.grammar.ports[0].startswith("Gigabit")
    head = "version 15.2" if ios else "! Command: show running-config"
    lines = [head, "!", *config.lines(), "!", "end"]
    return "\n".join(lines) + "\n"


def by_hand(platform, case):
    """Return what a device shows before and after somebody changed it by hand."""
    if "edit" in case:
        assert case["edit"][0] in intended(platform)
        return intended(platform), intended(platform).replace(*case["edit"])
    config = device(platform, intended(platform))
    before = shown(config)
    assert config.load(case["type"]) == []
    return before, shown(config)


def changes(platform, before, after):
    known = PLATFORMS[platform]
    old, new = meaning(before, known.rules), meaning(after, known.rules)
    host = Host("sw", "", "merkez", (), {})
    return list(changes_between(old, new, known, TOWN, SYSTEM, host))


def test_there_are_sixty_changes_and_twenty_that_are_none():
    assert (len(cases("by_hand")), len(cases("cosmetic"))) == (60, 20)


@pytest.mark.parametrize(("platform", "case"), cases("by_hand"))
def test_a_change_by_hand_is_found_once_and_its_repair_brings_back_all(platform, case):
    before, after = by_hand(platform, case)
    [change] = changes(platform, after, before)
    assert change.resource == case["resource"]
    assert {line[0] for line in change.diff.splitlines()} & {"+", "-"}
    assert changes(platform, before, before) == []
    [back] = changes(platform, before, after)
    assert back.id != change.id or "<removed>" in back.diff  # secrets are in no id
    assert not any(secret in repr([change, back]) for secret in ("gizli", "baska-", "$1$", "$6$"))
    if platform != "frr":
        repair = blend(after, intended(platform), PLATFORMS[platform].rules)
        assert changes(platform, repair, before) == []
        assert shown(device(platform, repair)) == before


@pytest.mark.parametrize(("platform", "case"), cases("cosmetic"))
def test_what_only_looks_different_is_no_difference(platform, case):
    pattern, replacement = case["edit"]
    edited = re.sub(pattern, replacement, intended(platform))
    assert edited != intended(platform)
    assert changes(platform, intended(platform), edited) == []
    if platform != "frr":
        running = shown(device(platform, intended(platform)))
        text = blend(running, edited, PLATFORMS[platform].rules)
        assert shown(device(platform, text)) == running
        if platform == "ios":
            assert contextual(running, text) == []  # it compares texts, so it is sent its own


LINES = {
    "ios": {
        "vlan {n}": [" name a", " name b", " state suspend"],
        "interface GigabitEthernet1/0/{n}": [
            " description one", " shutdown", " switchport access vlan 7", " switchport mode trunk",
            " switchport trunk allowed vlan 3,5-7", " ip access-group list in", " no cdp enable",
        ],
        "interface Vlan{n}": [" ip address 10.0.0.1 255.0.0.0", " no ip redirects", " mtu 1400"],
        "ip access-list extended L{n}": [
            " permit ip any any", " deny ip host 10.0.0.1 any", " permit tcp any any eq 22",
        ],
        "line vty 0 4": [" transport input ssh", " exec-timeout 5 0"],
        "hostname sw{n}": [], "ntp server 10.0.0.{n}": [], "no cdp run": [], "ip routing": [],
        "ip route 10.{n}.0.0 255.255.0.0 10.0.0.1": [], "snmp-server community c{n} RO": [],
        "username u{n} privilege 15 secret 5 $1$x$y": [], "no ip http server": [],
    },
    "eos": {
        "vlan {n}": ["   name a", "   name b", "   state suspend"],
        "interface Ethernet{n}": [
            "   description one", "   shutdown", "   switchport access vlan 7", "   mtu 9000",
            "   switchport trunk allowed vlan 3,5-7", "   no lldp transmit",
        ],
        "interface Vlan{n}": ["   ip address 10.0.0.1/8", "   shutdown", "   mtu 1400"],
        "ip access-list L{n}": [
            "   10 permit ip any any", "   20 deny ip host 10.0.0.1 any", "   5 permit gre any any",
        ],
        "management ssh": ["   idle-timeout 10"],
        "hostname sw{n}": [], "ntp server 10.0.0.{n}": [], "no lldp run": [], "ip routing": [],
        "ip route 10.{n}.0.0/16 10.0.0.1": [], "snmp-server community c{n} ro": [],
        "username u{n} secret sha512 $6$x$y": [],
    },
}  # fmt: skip


@st.composite
def texts(draw, platform):
    """Draw a configuration as somebody may write it."""
    heads = st.sampled_from([*LINES[platform]])
    chosen = draw(st.lists(st.tuples(heads, st.integers(1, 4)), max_size=8, unique=True))
    single = {}  # a device has one host name
    for head, number in chosen:
        single[head if head.startswith("hostname") else (head, number)] = head.format(n=number)
    found = []
    for key, line in single.items():
        inside = LINES[platform][key if isinstance(key, str) else key[0]]
        once = lambda line: line if "name" not in line else "name"  # noqa: E731
        some = st.lists(st.sampled_from(inside), unique_by=once) if inside else st.just([])
        found += [line, *draw(some), "!"]
    return "\n".join(found) + "\n"


@pytest.mark.parametrize("platform", ["ios", "eos"])
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_any_configuration_is_brought_to_any_other(platform, data):
    rules = PLATFORMS[platform].rules
    now, then = (shown(device(platform, data.draw(texts(platform)))) for _ in range(2))
    text = blend(now, then, rules)
    got = shown(device(platform, text))
    assert sorted(got.splitlines()) == sorted(then.splitlines())
    assert meaning(got, rules) == meaning(text, rules) == meaning(then, rules)
    same = meaning(now, rules) == meaning(then, rules)
    assert (changes(platform, now, text) == []) == same
    assert disagreement("\n".join(contextual(now, text)), now, text, rules) == ""
    assert bool(disagreement("", now, text, rules)) != same
    assert blend(text, text, rules) == text


@pytest.mark.parametrize("platform", ["ios", "eos"])
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_what_a_person_writes_means_what_the_device_shows(platform, data):
    text = data.draw(texts(platform))
    rules = PLATFORMS[platform].rules
    assert meaning(text, rules) == meaning(shown(device(platform, text)), rules)


@pytest.mark.parametrize("platform", ["ios", "eos"])
def test_the_towns_templates_read_like_what_the_device_shows(platform):
    text = (GOLDEN / f"{platform}.conf").read_text(encoding="utf-8")
    ports = re.findall(r"^interface (\S*thernet\S+)", text, re.MULTILINE)
    config = Config(Grammar(platform, ports))
    assert config.load(text) == []
    rules = PLATFORMS[platform].rules
    assert meaning(text, rules) == meaning(shown(config), rules)
    assert set(PLATFORMS[platform].needs) <= set(text.splitlines())


@pytest.mark.parametrize(
    "said",
    [
        "% Invalid input detected at '^' marker.",
        "%Error opening flash:/kahya-new-1.cfg (No such file or directory)",
        "% Authorization failed.",
        " --More-- ",
        "+hostname another",
    ],
)
def test_whatever_else_a_device_says_is_no_diff(said):
    text = shown(device("ios", intended("ios")))
    assert said.strip("+- ").split()[-1] in disagreement(said, text, text, PLATFORMS["ios"].rules)


@pytest.mark.parametrize(
    "line",  # what is in {} is not to be shown
    [
        "username a privilege 15 secret {9 $9$x$y}",
        "enable secret {9 $9$x}",
        "snmp-server community {public} RO 10",
        "snmp-server host 10.0.0.1 version 2c {public}",
        "snmp-server user a g v3 auth sha {k1} priv aes 128 {k2}",
        " key {7 0822455D0A16}",
        "radius-server host 10.0.0.1 key {7 08}",
        "tacacs-server key {20201234}",
        " standby 1 authentication {secret}",
        "ntp authentication-key 1 md5 {secret}",
        " password {7 05080F1C2243}",
        " neighbor 10.0.0.1 password {7 08}",
        " ip ospf message-digest-key 1 md5 {7 08}",
        "key chain ospf",
        "ntp trusted-key 1",
        "service password-encryption",
        " description key {of the door}",  # rather too much
    ],
)
def test_secrets_are_not_shown(line):
    shown_as = re.sub(r"{.*?}", "<removed>", line)
    assert PLATFORMS["ios"].rules.shown(re.sub("[{}]", "", line)) == shown_as


def test_ranges_of_numbers():
    assert numbers("1-3,7") == {1, 2, 3, 7}


def test_certificates_and_other_things_of_the_device_itself_stay():
    own = "crypto pki certificate chain TP-self-signed-1\n certificate self-signed 01\n  3082\n"
    rules = PLATFORMS["ios"].rules
    running = intended("ios").replace("spanning-tree mode", own + "spanning-tree mode")
    text = blend(running, intended("ios").replace("Ayse", "Zeynep"), rules)
    assert own in text
    assert [c.resource for c in changes("ios", running, text)] == ["interface GigabitEthernet1/0/1"]


def test_vlans_that_a_device_shows_on_one_line_are_sent_as_it_shows_them():
    rules = PLATFORMS["ios"].rules
    running = "vlan 30,40\n!\nhostname a\n!\nend\n"
    assert "vlan 30,40\n" in blend(running, "hostname b\nvlan 40\nvlan 30\n", rules)
    assert "vlan 30\n" in blend(running, "hostname a\nvlan 30\n", rules)
