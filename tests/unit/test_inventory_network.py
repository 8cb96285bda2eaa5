"""What is wrong in the intent for the switches is found, all of it, with file, line and key."""

import shutil
from pathlib import Path

import pytest
import yaml
from test_inventory import change

from kahya.inventory import examine

ROOT = Path(__file__).parents[2]
TOWNS = ROOT / "tests/e2e/towns"
CASES = yaml.safe_load((Path(__file__).parent / "cases/network_errors.yml").read_text())


@pytest.fixture
def town(tmp_path, monkeypatch):
    """A copy of the town with one switch of each platform."""
    shutil.copy(TOWNS / "systems.yml", tmp_path)
    shutil.copy(ROOT / "ansible.cfg", tmp_path)
    shutil.copytree(ROOT / "inventories", tmp_path / "inventories")
    shutil.copytree(TOWNS / "three_switches", tmp_path / "three_switches")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "three_switches"


def test_the_town_is_in_order(town):
    assert examine(town)[1] == []


@pytest.mark.parametrize("case", CASES, ids=[c["name"] for c in CASES])
def test_every_problem_is_reported(case, town):
    change(town, case)
    if "also" in case:
        change(town, case["also"])
    found, problems = examine(town)
    shown = [str(problem) for problem in problems]
    assert found is None
    assert len(shown) == len(case["problems"]), "\n".join(shown)
    assert "hunter2" not in str(shown)
    for place, words in case["problems"]:
        assert any(place in line and words in line for line in shown), "\n".join(shown)


def test_management_may_have_a_subnet_of_its_own(town):
    """The gateway then has an interface there, and is the switches' way out by that address."""
    for file, old, new in (
        (
            "group_vars/all/network.yml",
            "    bos: {",
            "    yonetim: {id: 90, title: Yönetim}\n    bos: {",
        ),
        ("group_vars/all/network.yml", "    vlan: ofis\n", "    vlan: yonetim\n"),
        ("group_vars/all/network.yml", "trunk: [ofis, telefon", "trunk: [yonetim, ofis, telefon"),
        ("group_vars/depo.yml", "    ofis:", "    yonetim: 10.20.90.0/26\n    ofis:"),
        (
            "host_vars/gw-depo/main.yml",
            "  wan0",
            "  lan0.90: {address: 10.20.90.62/26, zone: lan}\n  wan0",
        ),
        ("hosts.yml", "sw-ios: {ansible_host: 10.20.1.2}", "sw-ios: {ansible_host: 10.20.90.2}"),
        ("hosts.yml", "sw-eos: {ansible_host: 10.20.1.3}", "sw-eos: {ansible_host: 10.20.90.3}"),
        (
            "hosts.yml",
            "sw-junos: {ansible_host: 10.20.1.4}",
            "sw-junos: {ansible_host: 10.20.90.4}",
        ),
    ):
        change(town, {"file": file, "replace": [old, new]})
    found, problems = examine(town)
    assert problems == []
    management = found.hosts["sw-ios"].vars["switch"]["management"]
    assert (management["address"], management["prefix"]) == ("10.20.90.2", 26)
    assert management["gateway"] == "10.20.90.62"
    assert management["vlan"]["id"] == 90


def test_keys_in_the_form_of_a_device_are_secrets_too(town):
    found, _ = examine(town)
    for host in (h for h in found.hosts.values() if "switches" in h.groups):
        made = host.vars["switch"]
        keys = {server[form] for server in made["radius"] for form in ("type_7", "junos_9")}
        keys |= {u[k] for u in made["snmp"]["users"] for k in u.keys() - {"name"}}
        assert keys | {made["enable"]} <= set(found.secrets)
