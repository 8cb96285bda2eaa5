"""NAPALM's own drivers on the stand-ins: the whole life of a change, and what goes wrong."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from napalm.base.exceptions import (
    ConnectionClosedException,
    ConnectionException,
    MergeConfigException,
)
from netmiko.exceptions import NetmikoAuthenticationException, ReadTimeout
from pyeapi.eapilib import CommandError, EapiError
from switches import FACTORY, Switch, switch

HERE = Path(__file__).parent
PLATFORMS = ("ios", "eos")
NEW_VLAN = "vlan 20\n name misafir\n"
FORCE = {"ios": " force", "eos": ""}
HURRIED: dict[str, dict[str, float]] = {"ios": {"read_timeout_override": 2}, "eos": {}}
MINUTE = 60  # seconds to the driver; to the IOS stand-in it lasts two


@pytest.fixture(scope="module", params=PLATFORMS)
def machine(request, tmp_path_factory) -> Iterator[Switch]:
    with switch(request.param, tmp_path_factory.mktemp(request.param)) as machine:
        machine.type_in("copy running-config flash:factory")
        yield machine


@pytest.fixture
def device(machine: Switch) -> Iterator[Switch]:
    """The device as it was delivered."""
    yield machine
    machine.faults()
    for path in (machine.folder / "flash").glob("*_config.txt"):
        path.unlink()
    machine.type_in(f"configure replace flash:factory{FORCE[machine.platform]}; write; reload")


def words_of(error: BaseException) -> str:
    """Return what an error and those behind it say: NAPALM's own hides why."""
    behind = error.__cause__ or error.__context__
    return f"{error} {words_of(behind) if behind else ''}"


def running(device: Switch) -> str:
    return device.type_in("show running-config")


def returns(seconds: float, device: Switch) -> bool:
    """Wait until the VLAN is gone."""
    until = time.monotonic() + seconds
    while "misafir" in running(device) and time.monotonic() < until:
        time.sleep(0.1)
    return "misafir" not in running(device)


def test_nobody_confirms_and_it_returns(device: Switch) -> None:
    with device.open() as driver:
        driver.load_merge_candidate(config=NEW_VLAN)
        driver.commit_config(revert_in=MINUTE if device.platform == "ios" else 2)
        assert driver.has_pending_commit()
        assert "misafir" in running(device)
        assert returns(5, device)
        assert not driver.has_pending_commit()
    assert "misafir" not in device.type_in("show startup-config")


def test_confirmed_it_stays_and_is_there_after_a_power_loss(device: Switch) -> None:
    with device.open() as driver:
        driver.load_merge_candidate(config=NEW_VLAN)
        driver.commit_config(revert_in=MINUTE)
        driver.confirm_commit()
    time.sleep(2.1)
    device.power_off()
    device.power_on()
    assert "misafir" in running(device)
    with device.open() as driver:
        assert driver.get_vlans()["20"]["name"] == "misafir"


def test_without_power_what_was_not_saved_is_lost(device: Switch) -> None:
    driver = device.driver()
    driver.open()
    serial = driver.get_facts()["serial_number"]
    driver.load_merge_candidate(config=NEW_VLAN)
    driver.commit_config(revert_in=600)
    device.power_off()
    device.power_on()
    assert "misafir" not in running(device)
    with device.open() as driver:
        assert not driver.has_pending_commit()
        assert driver.get_facts()["serial_number"] == serial


def test_roll_back(device: Switch) -> None:
    with device.open() as driver:
        driver.load_merge_candidate(config=NEW_VLAN)
        driver.commit_config()
        assert "misafir" in running(device)
        driver.rollback()
        assert returns(0, device)


def test_roll_back_before_it_is_confirmed(device: Switch) -> None:
    with device.open() as driver:
        driver.load_merge_candidate(config=NEW_VLAN)
        driver.commit_config(revert_in=600)
        driver.rollback()
        assert returns(0, device)
        assert not driver.has_pending_commit()


def test_a_replacement_is_what_then_runs(device: Switch) -> None:
    intended = FACTORY[device.platform] + "ntp server 10.0.0.1\n"
    device.type_in("conf t; vlan 99; interface vlan99; logging host 10.9.9.9; end; write")
    with device.open() as driver:
        driver.load_replace_candidate(config=intended)
        assert "10.9.9.9" in driver.compare_config()
        driver.commit_config()
    assert "10.0.0.1" in running(device)
    assert "10.9.9.9" not in running(device)
    assert "vlan 99" not in running(device)


def test_who_may_log_in_is_who_the_running_configuration_names(device: Switch) -> None:
    words = {"ios": "", "eos": "role network-admin "}[device.platform]
    device.type_in(f"conf t; username kahya privilege 15 {words}secret 0 yeni-parola; end")
    with pytest.raises((EapiError, NetmikoAuthenticationException)):
        device.driver().open()
    driver = device.driver("yeni-parola")
    driver.open()
    driver.close()


def test_secrets_are_hidden(device: Switch) -> None:
    with device.open() as driver:
        secret = next(line for line in running(device).splitlines() if "secret" in line)
        assert secret in driver.get_config()["running"]
        assert secret.split()[-1] not in driver.get_config(sanitized=True)["running"]


def test_neighbours_are_what_is_plugged_in(device: Switch) -> None:
    port = {"ios": "GigabitEthernet1/0/2", "eos": "Ethernet2"}[device.platform]
    with device.open() as driver:
        assert not driver.get_lldp_neighbors()
        device.type_in("conf t; lldp run; end")
        device.plug([{"port": port, "system": "gw-fen", "remote_port": "eth0"}])
        assert driver.get_lldp_neighbors() == {port: [{"hostname": "gw-fen", "port": "eth0"}]}
        assert driver.get_interfaces()[port]["is_up"]
        device.type_in(f"conf t; interface {port}; shutdown; end")
        assert not driver.get_lldp_neighbors()
        assert not driver.get_interfaces()[port]["is_enabled"]


def test_a_fault_says_something_else(device: Switch) -> None:
    device.faults({"fault": "say", "command": "diff", "text": "%Error: no such luck\n" * 3})
    with device.open() as driver:
        driver.load_replace_candidate(config=NEW_VLAN)
        assert "no such luck" in driver.compare_config()


def test_a_fault_takes_part_of_it(device: Switch) -> None:
    command = {"ios": "^copy .* running-config$", "eos": "^configure session [^ ]+$"}
    device.faults({"fault": "partial", "command": command[device.platform], "lines": 1})
    with device.open() as driver:
        driver.load_merge_candidate(config=NEW_VLAN)
        driver.commit_config()
    assert "vlan 20" in running(device)
    assert "misafir" not in running(device)


def test_a_fault_takes_part_of_a_replacement(device: Switch) -> None:
    command = {"ios": "^configure replace ", "eos": "^configure session [^ ]+$"}
    lines = len(FACTORY[device.platform].splitlines()) + 1
    device.faults({"fault": "partial", "command": command[device.platform], "lines": lines})
    with device.open() as driver:
        driver.load_replace_candidate(config=FACTORY[device.platform] + NEW_VLAN)
        driver.commit_config()
    assert "vlan 20" in running(device)
    assert "misafir" not in running(device)


def test_a_fault_drops_the_connection(device: Switch) -> None:
    device.faults({"fault": "drop", "command": "show version", "times": 1})
    driver = device.driver(**HURRIED[device.platform])
    with pytest.raises((OSError, ReadTimeout, EapiError)):  # noqa: PT012 - either of them
        driver.open()
        driver.get_facts()
    with device.open() as driver:
        assert driver.get_facts()["hostname"] == "sw1"


def test_a_fault_answers_late(device: Switch) -> None:
    device.faults({"fault": "slow", "command": "show version", "seconds": 1, "times": 1})
    began = time.monotonic()
    with device.open() as driver:
        driver.get_facts()
    assert time.monotonic() - began > 1


def test_a_fault_fills_the_flash(device: Switch) -> None:
    device.faults({"fault": "full"})
    with device.open() as driver, pytest.raises((MergeConfigException, CommandError)) as error:  # noqa: PT012
        driver.load_merge_candidate(config=NEW_VLAN)
        driver.commit_config()
    words = {"ios": "Insufficient space", "eos": "No space left on device"}
    assert words[device.platform] in str(error.value)
    assert returns(0, device)


def test_a_fault_shows_another_key(device: Switch) -> None:
    strict = {}
    if device.platform == "ios":
        known = device.folder / "known_hosts"
        key = (device.folder / "host_key.pub").read_text()
        known.write_text(f"[127.0.0.1]:{device.port} {key}")
        strict = {"ssh_strict": True, "alt_host_keys": True, "alt_key_file": str(known)}
    with device.open(**strict):
        pass
    device.faults({"fault": "host-key"})
    with pytest.raises((ConnectionException, EapiError)) as error:
        device.driver(**strict).open()
    assert re.search("certificate verify failed|does not match", words_of(error.value))


def test_a_fault_asks_what_nobody_expects(device: Switch) -> None:
    with device.open(**HURRIED[device.platform]) as driver:
        device.faults({"fault": "prompt", "command": "show version", "text": "Press RETURN "})
        with pytest.raises((CommandError, ReadTimeout), match=r"Press RETURN|not detected"):
            driver.get_facts()


def test_a_fault_keeps_the_pages(tmp_path: Path) -> None:
    with switch("ios", tmp_path, ports="GigabitEthernet1/0/1-24") as device:
        device.faults({"fault": "paging"})
        with device.open(**HURRIED["ios"]) as driver:  # noqa: SIM117 - it has to close
            with pytest.raises(ReadTimeout):
                driver.get_config()


def test_ios_asks_before_a_user_goes_and_before_it_writes_a_file(tmp_path: Path) -> None:
    with switch("ios", tmp_path) as device:
        device.type_in("conf t; username eski secret 0 x; end; write")
        with device.open() as driver:
            driver.load_replace_candidate(config=FACTORY["ios"])
            driver.commit_config()
        assert "eski" not in running(device)
        with device.open(auto_file_prompt=False) as driver:
            assert "file prompt quiet" not in running(device)


def test_ios_enables_with_a_secret(tmp_path: Path) -> None:
    factory = FACTORY["ios"].replace("privilege 15", "privilege 1") + "enable secret 0 gizli\n"
    with switch("ios", tmp_path, factory) as device:
        with device.open(secret="gizli") as driver:
            assert driver.get_config()["running"]
        with pytest.raises(ValueError, match="enable"):
            device.driver(secret="yanlis").open()


def test_a_reload_drops_everybody(device: Switch) -> None:
    driver = device.driver(**HURRIED[device.platform])
    driver.open()
    device.type_in("conf t; vlan 20; name misafir; end; reload")
    assert returns(1, device)
    if device.platform == "ios":  # over eAPI each request is a connection of its own
        with pytest.raises((ConnectionClosedException, ReadTimeout)):
            driver.get_facts()
