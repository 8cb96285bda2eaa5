"""What devices do wrong when they are told to: each fault, as NAPALM's own drivers meet it."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from life import HURRIED, NEW_VLAN, returns, running
from napalm.base.exceptions import (
    ConnectionException,
    MergeConfigException,
)
from netmiko.exceptions import ReadTimeout
from pyeapi.eapilib import CommandError, EapiError
from switches import FACTORY, Switch, switch


def words_of(error: BaseException) -> str:
    """Return what an error and those behind it say: NAPALM's own hides why."""
    behind = error.__cause__ or error.__context__
    return f"{error} {words_of(behind) if behind else ''}"


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
