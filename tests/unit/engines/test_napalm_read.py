"""Devices are asked all at once; one that can't be read is answered so, with its words."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_device import HEARD, Driver
from napalm.base.exceptions import CommandErrorException, ConnectionException

from kahya.cabling import Neighbour, Port
from kahya.engines import napalm_read
from kahya.engines.napalm import Job
from kahya.engines.napalm_read import facts, read, running
from kahya.model import Host

HOSTS = [Host(f"sw-{n}", "", "merkez", (), {"platform": "ios"}) for n in range(40)]
TOWN = SimpleNamespace(secrets=("gizli",))


@pytest.fixture
def ask(monkeypatch):
    """Return a function that asks drivers, one for each of the first hosts."""

    def asked(question, drivers):
        given = dict(zip([h.name for h in HOSTS], drivers, strict=False))
        monkeypatch.setattr(napalm_read, "connect", lambda host, _ssh: given[host.name].connect())
        jobs = [Job(TOWN, None, host, lambda *_: None) for host in HOSTS[: len(drivers)]]
        return list(read(Path("ssh_config"), jobs, question))

    monkeypatch.setattr(Job, "tell", lambda *_: None)
    return asked


def test_each_host_is_answered_once_and_in_order(ask):
    lost, wrong = ConnectionException("no route, gizli"), CommandErrorException("% Invalid input")
    drivers = [Driver(running="key gizli")] * 38 + [Driver(error=lost), Driver(error=wrong)]
    found = ask(running, drivers)
    assert [r.host.name for r in found] == [h.name for h in HOSTS]
    assert {r.value for r in found[:38]} == {"key gizli"}
    assert [(r.status, r.value, r.reason) for r in found[38:]] == [
        ("unreachable", None, "no route, ********"), ("error", None, "% Invalid input"),
    ]  # fmt: skip
    assert "gizli" not in repr(found), "a configuration is no part of a traceback"


def test_a_device_that_may_still_return_is_not_read(ask):
    [reading] = ask(running, [Driver(pending=True)])
    assert (reading.status, reading.value) == ("unknown", None)
    assert "try again" in reading.reason


def test_facts_are_the_standard_getters_put_into_our_words(ask):
    [reading] = ask(facts, [Driver({"GigabitEthernet1/0/2": [HEARD]})])
    device = reading.value
    assert (device.vendor, device.model, device.os_version, device.serial) == (
        "Cisco", "C9200", "17.9", "FOC1",
    )  # fmt: skip
    assert device.ports == {
        "GigabitEthernet1/0/1": Port(True, True, 1000.0), "Vlan1": Port(False, True, -1.0),
    }  # fmt: skip
    assert device.neighbours == {
        "GigabitEthernet1/0/2": (
            Neighbour("gw-fen", ("Gi1/0/1", "uplink", "GigabitEthernet1/0/1")),
        )
    }


def test_a_device_without_lldp_hears_nobody_and_says_so(ask):
    [reading] = ask(facts, [Driver(lldp=None)])
    assert reading.value.neighbours is None
    [reading] = ask(facts, [Driver(lldp={})])
    assert reading.value.neighbours == {}


@pytest.mark.parametrize(
    ("able", "on", "network"),
    [
        (["bridge", "router"], ["bridge"], True),
        (["bridge", "telephone"], ["bridge", "telephone"], False),
        (["bridge", "wlan-access-point"], ["wlan-access-point"], False),
        (["station"], ["station"], False),
        (["router"], [], True),
        ([], [], True),
    ],
)
def test_who_is_part_of_the_network(ask, able, on, network):
    about = HEARD | {"remote_system_capab": able, "remote_system_enable_capab": on}
    [reading] = ask(facts, [Driver({"p": [about]})])
    assert reading.value.neighbours["p"][0].network == network


def test_a_port_is_called_by_what_people_know_it_by_first(ask):
    about = HEARD | {"remote_port": "1e:7e:b9:7b:67:3b", "remote_port_description": "mgmt0"}
    [reading] = ask(facts, [Driver({"p": [about]})])
    [told] = reading.value.neighbours["p"]
    assert str(told) == "gw-fen mgmt0"
    assert "1e:7e:b9:7b:67:3b" in told.ports


def test_who_does_not_tell_a_name_is_known_by_its_chassis(ask):
    [reading] = ask(facts, [Driver({"p": [HEARD | {"remote_system_name": ""}]})])
    assert reading.value.neighbours["p"][0].host == "00:01"
