"""NAPALM's own drivers on the stand-ins: the whole life of a change."""

from __future__ import annotations

import time
from pathlib import Path

import paramiko
import pytest
from life import HURRIED, NEW_VLAN, returns, running
from napalm.base.exceptions import (
    ConnectionClosedException,
)
from netmiko.exceptions import NetmikoAuthenticationException, ReadTimeout
from pyeapi.eapilib import EapiError
from switches import FACTORY, Switch, switch

MINUTE = 60  # seconds to the driver; to the IOS stand-in it lasts two


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


def test_who_offers_a_key_first_gets_in_by_password(tmp_path: Path) -> None:
    key = paramiko.RSAKey.generate(2048)
    key.write_private_key_file(str(tmp_path / "key"))
    with (
        switch("ios", tmp_path / "sw") as device,
        device.open(use_keys=True, key_file=str(tmp_path / "key")) as driver,
    ):
        assert driver.is_alive()["is_alive"]


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
