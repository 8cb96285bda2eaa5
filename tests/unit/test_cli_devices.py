"""What kahya compliance and kahya facts say, and with which code they end."""

import json
from pathlib import Path

import pytest
from fake_device import Driver
from report import sample

from kahya import cli, devices
from kahya.audit import Audit
from kahya.cabling import Wiring

LAB = Path(__file__).resolve().parents[2] / "inventories/lab"
TOWN = sample.town(2, 1, switches=1)
GOOD = [sample.device(f"sw-bina{n}-1", p1=f"gw-bina{n} lan0") for n in (1, 2)]
MOVED = [GOOD[0], sample.device("sw-bina2-1", p3="gw-bina2 lan0")]
HOLDS = "hostname sw\n"
BREAKS = "snmp-server community gizli RO\n"


def run(*words, town=LAB, language="en"):
    """Return the exit code of a command."""
    with pytest.raises(SystemExit) as caught:
        cli.main([*words, "-i", str(town), "--lang", language])
    return caught.value.code


@pytest.fixture
def finds(monkeypatch):
    """Have both commands find what is given."""

    def found(audit=None, wiring=None):
        monkeypatch.setattr(devices, "compliance", lambda *_: audit)
        monkeypatch.setattr(devices, "facts", lambda *_: wiring)

    return found


def audit(text):
    """Return only what ``text`` has and must not have."""
    whole = sample.network(TOWN, GOOD[:1], text).audit
    return Audit(tuple(b for b in whole.breaches if b.lines), whole.checked)


@pytest.mark.parametrize(
    ("found", "code", "words"),
    [
        (audit(HOLDS), 0, ["0 rules broken", "29 rules looked at"]),
        (
            audit(BREAKS),
            2,
            ["No SNMP communities", "- snmp-server community <removed> RO", "CIS 1.5.2"],
        ),
        (
            Audit(audit(BREAKS).breaches, {}, {"sw-bina2-1": "no route"}),
            3,
            ["sw-bina2-1: not known"],
        ),
        (Audit((), {"sw-bina1-1": 29}, {"sw-bina2-1": "no route"}), 3, ["no route"]),
    ],
    ids=["none", "broken", "broken and lost", "lost"],
)
def test_compliance(finds, found, code, words, capsys):
    finds(audit=found)
    assert run("compliance") == code
    shown = capsys.readouterr().out
    for text in words:
        assert text in shown
    assert "gizli" not in shown
    assert run("compliance", "--json") == code
    document = json.loads(capsys.readouterr().out)
    assert len(document["breaches"]) == len(found.breaches)
    assert {u["host"] for u in document["unknown"]} == found.unread.keys()


def test_compliance_in_turkish(finds, capsys):
    finds(audit=audit(BREAKS))
    assert run("compliance", language="tr") == 2
    assert "SNMP topluluk adı yok" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("found", "code", "words"),
    [
        (sample.network(TOWN, GOOD).wiring, 0, ["FOC-sw-bina1-1", "declared and seen", "0 diff"]),
        (sample.network(TOWN, MOVED).wiring, 2,
         ["sw-bina2-1 GigabitEthernet1/0/1: gw-bina2 lan0 should be there", "seen, not declared"]),
        (sample.network(TOWN, GOOD[:1], lost=("sw-bina2-1",)).wiring, 3,
         ["sw-bina2-1: not known: Connection timed out"]),
        (Wiring(unread={"sw-bina1-1": "off"}), 3, ["off"]),
    ],
    ids=["as declared", "moved", "one lost", "all lost"],
)  # fmt: skip
def test_facts(finds, found, code, words, capsys):
    finds(wiring=found)
    assert run("facts") == code
    shown = capsys.readouterr().out
    for text in words:
        assert text in shown
    assert run("facts", "--json") == code
    document = json.loads(capsys.readouterr().out)
    assert [d["serial"] for d in document["devices"]] == [d.serial for d in found.devices]
    assert [c["state"] for c in document["cables"]] == [c.state for c in found.cables]
    assert len(document["differences"]) == len(found.differences)


def test_what_the_templates_render_keeps_all_rules(capsys):
    assert run("compliance", "--intended") == 0, capsys.readouterr().out
    assert " 0 rules looked at" not in capsys.readouterr().out


@pytest.mark.parametrize("command", ["compliance", "facts"])
def test_a_part_without_network_devices_is_an_error(command, capsys):
    assert run(command, "--limit", "db-merkez") == 1
    assert "gw-merkez" in capsys.readouterr().err


def test_a_device_whose_template_lacks_a_value_or_whose_platform_has_no_rules_is_not_known():
    from dataclasses import replace

    from kahya.inventory import load
    from kahya.scope import scope

    town = load(LAB)
    hosts = dict(town.hosts)
    one, other = hosts["gw-fen"], hosts["sw-merkez"]
    lacking = {k: v for k, v in one.vars.items() if k != "router_id"}
    hosts["gw-fen"] = replace(one, vars=lacking)
    hosts["sw-merkez"] = replace(other, vars=dict(other.vars) | {"platform": "nxos"})
    town = replace(town, hosts=hosts)
    found = devices.intended(town, scope(town, "gw-*,sw-merkez"))
    assert set(found.unread) == {"gw-fen", "sw-merkez"}
    assert "router_id" in found.unread["gw-fen"]
    assert "gw-itfaiye" in found.checked


def test_both_are_read_from_the_devices_themselves(monkeypatch):
    """The whole way, with drivers that answer from here."""
    from kahya.engines import napalm_read
    from kahya.inventory import load
    from kahya.scope import scope

    answers = Driver(running="log syslog\npassword gizli\n")
    monkeypatch.setattr(napalm_read, "connect", answers.connect)
    town = load(LAB)
    part = scope(town, "gw-*")
    found, wiring = devices.examine(town, part, lambda *_: None)
    assert [(b.host, b.rule.id) for b in found.breaches] == [
        (name, "no-telnet") for name in ("gw-merkez", "gw-fen", "gw-itfaiye")
    ]
    assert "gizli" not in str([b.document for b in found.breaches])
    assert [d.serial for d in wiring.devices] == ["FOC1"] * 3
    assert not found.unread
    assert not wiring.unread
