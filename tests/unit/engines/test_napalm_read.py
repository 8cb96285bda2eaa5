"""Devices are asked all at once; one that can't be read is answered so, with its words."""

from types import SimpleNamespace

import pytest
from fake_device import HEARD, Driver
from napalm.base.exceptions import CommandErrorException, ConnectionException

from kahya.cabling import Neighbour, Port
from kahya.engines.napalm_read import Configurations, configurations, facts, read
from kahya.model import Host

HOSTS = [Host(f"sw-{n}", "", "merkez", (), {}) for n in range(40)]
TOWN = SimpleNamespace(secrets=("gizli",))


def ask(question, drivers):
    """Return the answers of ``drivers``, one for each of the first hosts."""
    given = dict(zip([h.name for h in HOSTS], drivers, strict=False))
    engine = SimpleNamespace(_device=lambda host: given[host.name])
    return list(read(engine, TOWN, HOSTS[: len(drivers)], question, lambda *_: None))


def test_each_host_is_answered_once_and_in_order():
    lost, wrong = ConnectionException("no route, gizli"), CommandErrorException("% Invalid input")
    drivers = [Driver() for _ in range(38)] + [Driver(error=lost), Driver(error=wrong)]
    found = ask(configurations, drivers)
    assert [r.host.name for r in found] == [h.name for h in HOSTS]
    raw, clean = {"running": "key gizli"}, {"running": "key <removed>"}
    both = Configurations(raw | {"startup": ""}, clean | {"startup": ""})
    assert all(r.value == both for r in found[:38])
    assert [(r.status, r.value, r.reason) for r in found[38:]] == [
        ("unreachable", None, "no route, ********"), ("error", None, "% Invalid input"),
    ]  # fmt: skip
    assert "gizli" not in repr(found), "a configuration is no part of a traceback"


def test_a_device_that_may_still_return_is_not_read():
    [reading] = ask(configurations, [Driver(pending=True)])
    assert (reading.status, reading.value) == ("unknown", None)
    assert "try again" in reading.reason


def test_facts_are_the_standard_getters_put_into_our_words():
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


def test_a_device_without_lldp_hears_nobody_and_says_so():
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
def test_who_is_part_of_the_network(able, on, network):
    about = HEARD | {"remote_system_capab": able, "remote_system_enable_capab": on}
    [reading] = ask(facts, [Driver({"p": [about]})])
    assert reading.value.neighbours["p"][0].network == network


def test_a_port_is_called_by_what_people_know_it_by_first():
    about = HEARD | {"remote_port": "1e:7e:b9:7b:67:3b", "remote_port_description": "mgmt0"}
    [reading] = ask(facts, [Driver({"p": [about]})])
    [told] = reading.value.neighbours["p"]
    assert str(told) == "gw-fen mgmt0"
    assert "1e:7e:b9:7b:67:3b" in told.ports


def test_who_does_not_tell_a_name_is_known_by_its_chassis():
    [reading] = ask(facts, [Driver({"p": [HEARD | {"remote_system_name": ""}]})])
    assert reading.value.neighbours["p"][0].host == "00:01"
