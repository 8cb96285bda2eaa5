"""Switches in the lab, on a town of a router and two of them. Needs root, podman and a mirror."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from labs import SmallLab, lab_of

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.getuid() != 0, reason="needs root")]

TOWN = Path(__file__).parent / "towns" / "one_switch"
ADDRESSES = {"sw-depo": "10.20.1.2", "sw-arka": "10.20.1.3"}
ASK = """
import json, ssl, sys
from napalm import get_network_driver
name, address, files = sys.argv[1:]
if name == "sw-depo":
    options = {"secret": "depo-gizli", "ssh_strict": True, "alt_host_keys": True}
    driver = get_network_driver("ios")
    options["alt_key_file"] = f"{files}/known_hosts"
else:
    trust = ssl.create_default_context(cafile=f"{files}/certificates.pem")
    driver, options = get_network_driver("eos"), {"context": trust}
device = driver(address, "kahya", "depo-parola", 10, options)
device.open()
facts, neighbours = device.get_facts(), device.get_lldp_neighbors()
device.close()
print(json.dumps({**facts, "neighbours": neighbours}))
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[SmallLab]:
    with lab_of(TOWN) as lab:
        yield lab


def ask(lab: SmallLab, name: str) -> dict[str, Any]:
    """Log in as the administrator does, with the device's identity verified."""
    where = [name, ADDRESSES[name], str(lab.files)]
    answer: dict[str, Any] = json.loads(lab("run", sys.executable, "-c", ASK, *where))
    return answer


def reaches(lab: SmallLab, name: str) -> bool:
    """Tell whether the router reaches the switch."""
    command = lab.command("exec", "gw-depo", "ping", "-c3", "-i0.3", "-W1", ADDRESSES[name])
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("name", ADDRESSES)
def test_day_zero(lab: SmallLab, name: str) -> None:
    assert lab("status").count("up\n") == 4
    facts = ask(lab, name)
    assert facts["hostname"] == name
    assert facts["serial_number"] not in ("", "Unknown")
    assert len([i for i in facts["interface_list"] if "Vlan" not in i]) == 8
    assert reaches(lab, name)
    shown = lab("exec", name, "show running-config")
    assert "vlan" not in [line.split(" ")[0] for line in shown.splitlines()], "only the factory's"
    assert "depo-parola" not in shown


@pytest.mark.parametrize("name", ADDRESSES)
def test_neighbours_are_the_cables_of_the_inventory(lab: SmallLab, name: str) -> None:
    lab("exec", name, "configure terminal; lldp run; end")
    (neighbours,) = ask(lab, name)["neighbours"].values()
    assert neighbours == [{"hostname": "gw-depo", "port": "lan0"}]


@pytest.mark.parametrize("name", ADDRESSES)
def test_without_power_what_was_not_saved_is_lost(lab: SmallLab, name: str) -> None:
    serial = ask(lab, name)["serial_number"]
    lab("exec", name, "configure terminal; vlan 20; name kalir; end; write")
    lab("exec", name, "configure terminal; vlan 30; name gider; end")
    lab("stop", name)
    assert "off" in lab("status", code=1)
    lab("exec", name, "show version", code=1)
    assert not reaches(lab, name)
    lab("start", name)
    shown = lab("exec", name, "show running-config")
    assert "kalir" in shown
    assert "gider" not in shown
    assert ask(lab, name)["serial_number"] == serial


def test_what_the_console_refuses_is_an_error(lab: SmallLab) -> None:
    assert "% Invalid input" in lab("exec", "sw-depo", "configure terminal; vlan ten", code=1)
    assert "% Invalid input" in lab("exec", "sw-arka", "configure; vlan ten", code=1)


def test_a_change_that_cuts_the_path_returns_by_itself(lab: SmallLab) -> None:
    cut = "configure session kes; interface Ethernet1; switchport access vlan 20"
    lab("exec", "sw-arka", f"{cut}; commit timer 00:00:10")
    assert not reaches(lab, "sw-arka")  # three seconds, and more on a busy machine
    time.sleep(10)
    assert reaches(lab, "sw-arka")


def test_who_takes_the_address_away_cuts_the_path(lab: SmallLab) -> None:
    lab("exec", "sw-depo", "configure terminal; interface Vlan1; no ip address; end")
    assert not reaches(lab, "sw-depo")
    lab("exec", "sw-depo", "reload")
    assert reaches(lab, "sw-depo")


def test_up_again_mends_and_changes_nothing_else(lab: SmallLab) -> None:
    lab("exec", "sw-depo", "configure terminal; vlan 40; end")
    said = lab("up")
    assert "creating" not in said
    assert "switching on" not in said
    assert "vlan 40" in lab("exec", "sw-depo", "show running-config")
    pid = subprocess.run(
        ["pgrep", "--full", f"{lab.files}/devices/sw-depo "],
        capture_output=True, text=True, check=True,
    ).stdout.split()[0]  # fmt: skip
    subprocess.run(["nsenter", "-t", pid, "-n", "ip", "link", "delete", "eth0"], check=True)
    assert "unplugged" in lab("status", code=1)
    lab("up")
    assert reaches(lab, "sw-depo")


def test_down_leaves_nothing() -> None:
    with lab_of(TOWN) as lab:
        lab("down")
        there = ["pgrep", "--full", f"{lab.files}/devices"]
        assert subprocess.run(there, check=False).returncode == 1
        assert not lab.files.exists()
