"""What is told of a device that breaks a rule: no secret, a remedy, and who answers for it."""

import json
from pathlib import Path

import pytest

from kahya.audit import Audit, examine, together, waive
from kahya.engines.napalm_platforms import PLATFORMS
from kahya.hardening import load
from kahya.model import Host, System, Waiver
from kahya.redact import redact

RULES = load(Path(__file__).parents[2] / "templates/network", "ios")
HOST = Host("sw-fen", "10.20.2.2", "fen_isleri", ("switches",), {})
SYSTEM = System("switching", {}, "napalm", "templates/network", "switches", "", (), "L1")
TEXT = """\
snmp-server community cokgizli RW
snmp-server host 10.20.1.10 version 2c baskagizli
snmp-server host 10.20.1.11 baskagizli
username ali privilege 15 password 7 0822455D0A16
username veli secret 5 $1$abcd$abcdefghijklmnopqrstuv
enable password yetki
line vty 0 4
 transport input telnet
"""
SECRETS = ("cokgizli", "baskagizli", "0822455D0A16", "abcdefghijklmnopqrstuv", "yetki\n", "$1$")


def found(text=TEXT, secrets=()):
    """Return what is found in a configuration, by rule."""

    def shown(line):
        return redact(PLATFORMS["ios"].rules.shown(line), secrets)

    return {b.rule.id: b for b in examine(HOST, SYSTEM, RULES, text, shown)}


def test_no_secret_is_told_and_the_rest_of_the_line_is():
    breaches = found()
    shown = json.dumps([b.document for b in breaches.values()], ensure_ascii=False) + repr(breaches)
    for secret in SECRETS:
        assert secret not in shown
    assert breaches["no-community"].lines[0] == "snmp-server community <removed> RW"
    assert breaches["password-hash"].lines == (
        "username ali privilege 15 password <removed>",
        "username veli secret <removed>",
    )
    assert breaches["enable-secret"].lines == ("enable password <removed>",)


def test_what_came_out_of_a_vault_is_masked_wherever_it_stands():
    text = "service tcp-small-servers kasadan\n"
    assert "kasadan" not in str(found(text, ("kasadan",))["no-small-services"].document)


def test_a_finding_says_where_what_and_on_what_ground():
    document = found()["no-telnet"].document
    assert document["host"] == "sw-fen"
    assert document["level"] == "L1"
    assert document["section"] == "line vty 0 4"
    assert document["write"].splitlines()[-1] == " transport input ssh"
    assert document["missing"] is True
    assert "CIS 1.2.2" in document["reference"]
    assert document["title"]["tr"]


@pytest.mark.parametrize(
    ("host", "system", "resource", "until", "waived", "expired"),
    [
        ("sw-*", "switching", "rule no-telnet*", "2026-12-31", True, False),
        ("sw-fen", "*", "rule no-telnet: line vty 0 4", "2026-12-31", True, False),
        ("sw-fen", "*", "rule no-telnet: line vty 5 15", "2026-12-31", False, False),
        ("gw-*", "*", "rule *", "2026-12-31", False, False),
        ("sw-fen", "routing", "rule *", "2026-12-31", False, False),
        ("sw-fen", "switching", "rule *", "2026-03-08", False, True),
        ("sw-fen", "switching", "rule *", "2026-03-09", True, False),
    ],
)
def test_a_waiver_excuses_until_its_last_day(host, system, resource, until, waived, expired):
    waiver = Waiver(host, system, resource, "ayse@ornek.bel.tr", "soon replaced", until)
    [told] = waive([found()["no-telnet"]], [waiver], "2026-03-09")
    assert (told.waived, told.expired) == (waived, expired)
    assert bool(told.waiver) == (waived or expired)
    assert Audit((told,)).open == (() if waived else (told,))


def test_what_is_told_alike_is_told_once_with_all_its_sections():
    ports = [f"interface GigabitEthernet1/0/{n}\n" for n in range(1, 25)]
    text = "".join(ports) + "line vty 0 4\n transport input all\nline vty 5 15\n no login\n"

    def shown(line):
        return line

    told = together(examine(HOST, SYSTEM, RULES, text, shown))
    [shut] = [sections for b, sections in told if b.rule.id == "unused-shut"]
    assert shut == tuple(port.strip() for port in ports)
    [telnet] = [sections for b, sections in told if b.rule.id == "no-telnet"]
    assert telnet == ("line vty 0 4", "line vty 5 15")
    assert [sections for b, sections in told if b.rule.id == "ntp"] == [()]
