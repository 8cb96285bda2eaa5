"""A tunnel fails and the default route takes over: what was on its way never leaves in clear."""

import os
import subprocess

import pytest
from namespaces import namespaces

from kahya.firewall import review

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: root only")
SERVER, CARRIER = "10.20.1.10", "198.51.100.250"
NFT = "PATH=$PATH:/usr/sbin; nft"
WATCH = f"{NFT} 'add table t; add chain t c {{ type filter hook prerouting priority raw; }};"
TALK = """
import socket, sys
with socket.create_connection(("SERVER", 5432), 5) as client:
    print(client.recv(9).decode(), flush=True)
    sys.stdin.readline()
    client.send(b"secret")
""".replace("SERVER", SERVER)
SERVE = """
import socket, sys
with socket.create_server(("SERVER", 5432)) as server:
    print("ready", flush=True)
    client, _ = server.accept()
    client.send(b"up")
    sys.stdin.readline()
""".replace("SERVER", SERVER)
SYSLOG = f'python3 -c \'import socket; socket.socket(2, 2).sendto(b"x", ("{SERVER}", 514))\''


@pytest.fixture
def world(town):
    matrix = review.matrix_of(town)
    with namespaces(matrix, ["pc-fen", "db-merkez", "internet"]) as made:
        made.load(review.rulesets(town))
        made.on("internet", f"ip address add {CARRIER}/24 dev eth0")
        made.on("internet", f"{WATCH} add rule t c ip daddr {SERVER} counter'")
        made.on("gw-fen", f"ip route replace default via {CARRIER}")
        yield made


def seen(world):
    """Return how many packets for the server the carrier saw."""
    words = world.on("internet", f"{NFT} list chain t c").split()
    return int(words[words.index("packets") + 1])


def fail(world):
    """Take the route through the tunnel away."""
    world.on("gw-fen", "ip route del 10.20.1.0/24")


def started(world, host, code):
    pipe = subprocess.PIPE
    words = [*world.login(host), "python3", "-c", code]
    process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True)
    return process, process.stdout.readline().strip()


def test_an_established_connection_stops(world):
    server, ready = started(world, "db-merkez", SERVE)
    client, up = started(world, "pc-fen", TALK)
    fail(world)
    for process in (client, server):
        process.communicate("\n", timeout=20)
    assert (ready, up, seen(world)) == ("ready", "up", 0)
    chain = world.on("gw-fen", f"{NFT} list chain inet kahya forward")
    dropped = next(x for x in chain.splitlines() if "in the open" in x)
    assert "packets 0" not in dropped


def test_what_the_gateway_itself_sends_stops(world):
    world.on("gw-fen", SYSLOG)
    fail(world)
    world.on("gw-fen", f"{SYSLOG} 2>/dev/null || true")
    assert seen(world) == 0
    world.on("gw-fen", f"{NFT} flush chain inet kahya output")
    world.on("gw-fen", SYSLOG)
    assert seen(world) == 1, "without the rule the carrier reads along"
