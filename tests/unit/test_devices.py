"""Rules and cables of switches: as the templates render them, and read from stand-ins."""

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from devices import passwords
from switches import PASSWORD, USER, switch

from kahya import devices as network
from kahya.engines import napalm_read
from kahya.engines.napalm_device import Device
from kahya.engines.napalm_platforms import platform_of
from kahya.inventory import load
from kahya.model import System
from kahya.scope import scope

ROOT = Path(__file__).parents[2]
ROUTING = System("routing", {}, "napalm", "templates/network", "gateways", "", (), "L2")
SWITCHING = System("switching", {}, "napalm", "templates/network", "switches", "", (), "L1")
TOWN = replace(
    load(ROOT / "tests/e2e/towns/three_switches"),
    directory=str(ROOT / "inventories/lab"),  # whose templates it uses
    systems=(ROUTING, SWITCHING),
)
PORT = {"ios": "GigabitEthernet1/0/{}", "eos": "Ethernet{}"}
USERS = {
    "ios": f"username {USER}1 privilege 15 secret 9 {passwords.cisco(PASSWORD, '9')}\n",
    "eos": f"username {USER}1 privilege 15 role network-admin secret 0 {PASSWORD}\n",
}


def quiet(*_):
    """Tell nobody."""


def test_what_the_templates_render_keeps_every_rule_of_every_platform():
    found = network.intended(TOWN, scope(TOWN, "sw-*"))
    assert [f"{b.host} {b.resource}" for b in found.breaches] == []
    assert not found.unread
    assert all(count >= 20 for count in found.checked.values())
    assert found.checked.keys() == {"sw-ios", "sw-eos", "sw-junos"}


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """Two stand-ins that run what the templates render, by host; one more user may log in."""
    folder = tmp_path_factory.mktemp("switches")
    started = {}

    @contextmanager
    def on(platform):
        golden = ROOT / "tests/golden/network" / f"{platform}.conf"
        factory = USERS[platform] + golden.read_text(encoding="utf-8")
        ports = PORT[platform].format("1-8")
        with switch(platform, folder / platform, factory, ports=ports) as device:
            yield device

    with on("ios") as started["sw-ios"], on("eos") as started["sw-eos"]:
        yield started


@pytest.fixture
def part(there, monkeypatch):
    """The part of the town that is there, cabled as declared."""
    for device in there.values():
        port = PORT[device.platform].format(8)
        device.plug([{"port": port, "system": "gw-depo", "remote_port": "lan0"}])

    @contextmanager
    def connected(host, _ssh_config):
        driver = there[host.name].driver()
        driver.username = f"{USER}1"
        driver.open()
        yield Device(driver, platform_of(host.vars["platform"]))
        driver.close()

    monkeypatch.setattr(napalm_read, "connect", connected)
    return scope(TOWN, "sw-ios,sw-eos")


def test_devices_that_run_what_was_rendered_are_in_order(part):
    found, wiring = network.examine(TOWN, part, quiet)
    assert not found.unread
    assert not wiring.unread
    assert [f"{b.host} {b.resource}" for b in found.breaches] == []
    assert [d.sentence(str) for d in wiring.differences] == []
    assert {(c.host, c.port, c.peer) for c in wiring.cables if c.state == "seen"} == {
        ("sw-ios", "GigabitEthernet1/0/8", "gw-depo"), ("sw-eos", "Ethernet8", "gw-depo"),
    }  # fmt: skip
    assert {(d.vendor, bool(d.serial)) for d in wiring.devices} == {
        ("Cisco", True),
        ("Arista", True),
    }


def test_what_somebody_set_by_hand_is_found_and_its_secret_is_not_told(part, there):
    for device in there.values():
        device.type_in("conf t; snmp-server community cokgizli ro; ntp server 10.9.9.9; end")
    found = network.compliance(TOWN, part, quiet)
    assert {(b.host, b.resource) for b in found.breaches} == {
        ("sw-ios", "rule no-community"), ("sw-eos", "rule no-community"),
    }  # fmt: skip
    assert all(b.lines for b in found.breaches)
    assert "cokgizli" not in str([b.document for b in found.breaches])
    for device in there.values():
        device.type_in("conf t; no snmp-server community cokgizli; no ntp server 10.9.9.9; end")


def test_cables_that_somebody_moved_are_told(part, there):
    for device in there.values():
        name = PORT[device.platform].format
        device.plug(
            [
                {"port": name(2), "system": "gw-depo.ornek.bel.tr", "remote_port": "lan0"},
                {"port": name(1), "system": "yabanci", "remote_port": "Gi0/1", "capabilities": "B"},
                {"port": name(5), "system": "AP-1", "remote_port": "Gi0", "capabilities": "B,W"},
            ]
        )
    wiring = network.facts(TOWN, part, quiet)
    for host, platform in (("sw-ios", "ios"), ("sw-eos", "eos")):
        told = {d.sentence(str) for d in wiring.differences if d.host == host}
        name = PORT[platform].format
        assert {
            f"{name(8)}: gw-depo should be there, and nobody is seen",
            f"{name(2)}: gw-depo lan0 is there, and nothing is declared",
        } <= told
        assert any(text.startswith(f"{name(1)}: yabanci") for text in told)


@pytest.mark.parametrize("name", ["sw-ios", "sw-eos"])
def test_a_device_that_is_off_is_not_known(name, part, monkeypatch, there):
    monkeypatch.setitem(there, name, replace(there[name], port=1))
    found, wiring = network.examine(TOWN, part, quiet)
    assert set(found.unread) == set(wiring.unread) == {name}
    assert wiring.unknown
    assert found.checked.keys() == {"sw-ios", "sw-eos"} - {name}
