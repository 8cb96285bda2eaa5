"""Only those who may log in can, the clock is right, and nothing listens that should not."""

import subprocess
import time
from ipaddress import ip_address

import pytest

CLOCK_SECONDS = 5
PROBE_SECONDS = 45  # the firewall's probe listens here for a while, at the same time


@pytest.fixture
def knock(host, vars, town):  # noqa: ARG001 - its results are this host's
    """Log in from the workstation with other ssh options and return what ssh said."""

    def knock(*options):
        # A login of its own: not over the connection that the other probes share.
        own = ["-o", "ControlPath=none", "-o", "BatchMode=yes", "-o", "LogLevel=INFO"]
        command = ["ssh", "-F", town["ssh_config"], *own, *options]
        return subprocess.run(
            [*command, vars["inventory_hostname"], "true"],
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip

    return knock


def test_key_login(knock):
    """Kâhya's key logs in"""
    assert knock().returncode == 0


def test_password_refused(knock):
    """a password is not even asked for"""
    answer = knock("-o", "PreferredAuthentications=none")
    assert "Permission denied (publickey)." in answer.stderr


def test_root_refused(knock):
    """root can't log in"""
    answer = knock("-l", "root")
    assert answer.returncode != 0
    assert "Permission denied" in answer.stderr


def test_people(host, vars):
    """exactly the declared people have an account"""
    wanted = {admin["name"] for admin in vars["base_admins"]} | {vars["ansible_user"]}
    found = set()
    for line in host.check_output("getent passwd").splitlines():
        name, _, uid, *_ = line.split(":")
        if 1000 <= int(uid) < 60000:
            found.add(name)
    assert found == wanted


def test_clock(host):
    """the clock agrees with the workstation's"""
    before = time.time()
    there = int(host.check_output("date +%s"))
    assert before - CLOCK_SECONDS <= there <= time.time() + CLOCK_SECONDS


def test_time_source(host, vars):
    """the clock follows a source, or is the building's own"""
    reference = host.check_output("chronyc -c -n tracking").split(",")
    assert reference[-1] == "Normal", "chronyd follows nothing"
    if not vars.get("base_ntp_serves"):
        assert reference[1] == (vars["base_ntp_servers"] or [vars["building"]["gateway"]])[0]


def test_listening_ports(host, vars):
    """nothing listens to the network but what is declared"""
    wanted = set(vars["base_open_ports"])
    wanted |= {f"udp/{tunnel['listen_port']}" for tunnel in vars.get("tunnels", ())}
    wanted |= {"udp/500", "udp/4500"} if vars.get("ipsec_peers") else set()
    until = time.monotonic() + PROBE_SECONDS
    while (more := _listening(host) - wanted) and time.monotonic() < until:
        time.sleep(1)
    assert more == set()


def _listening(host):
    found = set()
    for line in host.check_output("ss -Hlntu").splitlines():
        protocol, *_, local, _ = line.split()
        address, _, port = local.rpartition(":")
        # "%" binds to one tunnel: the source ports of BFD
        if "%" not in address and not _loopback(address.strip("[]")):
            found.add(f"{protocol}/{port}")
    return found


def _loopback(address):
    return address != "*" and ip_address(address).is_loopback
