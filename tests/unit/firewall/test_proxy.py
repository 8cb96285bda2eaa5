"""Real packets of the web filter's user: it answers a building, and opens no way into the town."""

import os
import subprocess

import pytest
from namespaces import namespaces

from kahya.firewall import review
from kahya.firewall.nftables import PROXY_USER

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: root only")
ROOT, GATEWAY = 0, "gw-merkez"
SERVERS = {  # who listens where, by host: address, port, user
    "db-merkez": [("10.20.1.10", 53, ROOT), ("10.20.1.10", 80, ROOT)],
    "internet": [("198.51.100.1", port, ROOT) for port in (53, 80, 8443)],
    GATEWAY: [
        ("10.20.1.1", 8080, PROXY_USER),
        ("127.0.0.1", 53, ROOT),
        ("127.0.0.1", 80, ROOT),
    ],
}
LISTEN = """
import os, socket, sys
servers = [socket.create_server((address, port)) for address, port, _user in {servers}]
os.setuid({user})
print("ready", flush=True)
sys.stdin.readline()
"""
REACH = """
import os, socket
os.setuid({user})
with socket.socket() as client:
    client.settimeout(3)
    print(client.connect_ex(("{address}", {port})) == 0)
"""


@pytest.fixture
def world(town):
    with namespaces(review.matrix_of(town), ["pc-merkez", "db-merkez", "internet"]) as made:
        made.load(review.rulesets(town))
        started = []
        for host, servers in SERVERS.items():
            for user in {user for *_place, user in servers}:
                mine = [place for place in servers if place[2] == user]
                words = [*made.login(host), "python3", "-c", LISTEN.format(servers=mine, user=user)]
                pipe = subprocess.PIPE
                started.append(subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True))
                assert started[-1].stdout.readline() == "ready\n"
        yield made
        for process in started:
            process.communicate()


def test_the_proxy_reaches_web_servers_on_the_internet_only(world):
    def reaches(host, user, address, port):
        code = REACH.format(user=user, address=address, port=port)
        done = subprocess.run(
            [*world.login(host), "python3", "-c", code], capture_output=True, text=True, check=True
        )
        return done.stdout == "True\n"

    assert reaches("pc-merkez", ROOT, "10.20.1.1", 8080)
    others = [("198.51.100.1", port) for port in (53, 8443)]
    others += [("10.20.1.10", 53), ("10.20.1.10", 80), ("127.0.0.1", 80), ("10.20.1.1", 8080)]
    for user in (ROOT, PROXY_USER):
        assert reaches(GATEWAY, user, "198.51.100.1", 80)
        assert reaches(GATEWAY, user, "127.0.0.1", 53)  # who it asks for names
        assert {reaches(GATEWAY, user, *place) for place in others} == {user == ROOT}
