"""One ssh configuration for all engines, with a way to branches that have no VPN yet."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from kahya import ssh
from kahya.inventory import load
from kahya.ssh import write_ssh_config

TOWN = load(Path(__file__).parents[2] / "inventories/lab")


def asked(config, host):
    """Return what OpenSSH itself makes of the configuration."""
    done = subprocess.run(
        ["ssh", "-G", "-F", config, host], capture_output=True, text=True, check=True
    )
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


def test_hosts_are_reached_at_their_addresses_and_strangers_refused(tmp_path):
    config = write_ssh_config(TOWN, tmp_path)
    for host in TOWN.hosts.values():
        found = asked(config, host.name)
        assert found["hostname"] == host.address
        assert found["stricthostkeychecking"] in {"true", "yes"}
        assert "proxyjump" not in found
    assert config.stat().st_mode & 0o777 == 0o600


def test_a_branch_without_vpn_is_reached_by_way_of_its_gateway(tmp_path):
    config = write_ssh_config(TOWN, tmp_path, via_wan=["gw-fen", "pc-fen"])
    gateway, pc = asked(config, "gw-fen"), asked(config, "pc-fen")
    assert (gateway["hostname"], gateway["proxyjump"]) == ("198.51.100.12", "gw-merkez")
    assert (pc["hostname"], pc["proxyjump"]) == ("10.20.2.50", "gw-fen")
    assert "proxyjump" not in asked(config, "gw-itfaiye")


def test_a_host_outside_is_reached_from_the_home_gateway(tmp_path):
    found = asked(write_ssh_config(TOWN, tmp_path), "internet")
    assert (found["hostname"], found["proxyjump"]) == ("198.51.100.1", "gw-merkez")


def test_a_host_in_another_lan_is_reached_from_its_own_gateway(tmp_path):
    config = write_ssh_config(TOWN, tmp_path, via_wan=["gw-fen"])
    found = asked(config, "misafir-fen")
    assert (found["hostname"], found["proxyjump"]) == ("10.20.102.10", "gw-fen")
    assert asked(config, "gw-fen")["proxyjump"] == "gw-merkez"


@pytest.mark.parametrize(
    ("name", "about", "open_port", "reached"),
    [
        ("pc-fen", {}, 22, True),
        ("pc-fen", {}, 443, False),
        ("pc-fen", {"ansible_port": 2222}, 2222, True),
        ("pc-fen", {"ansible_port": 2222}, 22, False),
        ("gw-fen", {"ansible_connection": "ansible.netcommon.httpapi"}, 443, True),
        ("sw-fen", {}, 22, True),
        ("sw-fen", {}, 443, True),
        ("sw-fen", {"ansible_httpapi_port": 8443}, 8443, True),
        ("sw-fen", {"ansible_httpapi_port": 8443}, 443, False),
    ],
)
def test_a_host_answers_where_one_logs_in(monkeypatch, name, about, open_port, reached):
    monkeypatch.setattr(ssh, "_open", lambda _address, port: port == open_port)
    host = TOWN.hosts[name]
    assert ssh.answers(replace(host, vars={**host.vars, **about})) is reached
