"""Who looks at a Windows host from here gets through to what the policy says, and to no more."""

import socket
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

import pytest

from kahya.firewall.nft_eval import Knock
from kahya.firewall.windows_eval import loaded

LISTENED_ON = (80, 135, 139, 443, 445, 2179, 3389, 5040, 5357, 5985, 5986, 7680, 47001)
"""Where a Windows host, as it is installed, has somebody behind the door."""
WAIT_SECONDS = 2
SSH = 22


@pytest.fixture
def let_in(vars):
    """The TCP ports to try that the policy opens for this machine's own address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        way.connect((vars["ansible_host"], 9))  # sends nothing
        here = ip_address(way.getsockname()[0])
    ports = {*LISTENED_ON, int(vars.get("ansible_port", SSH))}
    knocks = frozenset(Knock("tcp", port) for port in ports)
    return {knock.port for knock in loaded(vars["rendered"]).passes(here, knocks)}


def test_the_admin_gets_in(vars, let_in):
    """the port to log in by is open to this machine"""
    port = int(vars.get("ansible_port", SSH))
    assert port in let_in
    assert _passes(vars["ansible_host"], port)


def test_the_rest_is_closed(vars, let_in):
    """what the policy does not open to this machine gives no answer, not even a refusal"""
    shut = [port for port in LISTENED_ON if port not in let_in]
    with ThreadPoolExecutor(len(shut)) as pool:
        passed = pool.map(lambda port: _passes(vars["ansible_host"], port), shut)
        assert [port for port, got in zip(shut, passed, strict=True) if got] == []


def _passes(address, port):
    """Return whether a knock gets as far as the host itself: a firewall drops it in silence."""
    try:
        socket.create_connection((address, port), WAIT_SECONDS).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True
