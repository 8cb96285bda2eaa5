"""What is cut off stays cut off: in the matrix, in the rules, and for real packets."""

import os
import re
import subprocess
from dataclasses import replace

import pytest
from namespaces import namespaces

from kahya.firewall import review
from kahya.firewall.incidents import CutOff, written
from kahya.firewall.matrix import Matrix
from kahya.firewall.nft_eval import Ruleset
from kahya.firewall.nftables import ruleset
from kahya.firewall.policy import parse
from kahya.firewall.proof import prove

CUT_OFF = {
    "blocked": ["192.0.2.7", "192.0.2.0/29", "2001:db8:66::/48", "198.51.100.1"],
    "isolated": ["10.20.2.50", "fd20:0:0:2::50"],
    "examiners": ["10.20.1.100", "fd20:0:0:1::100"],
}
WHO = {"owner": "x", "reason": "y"}
POLICY = {
    "zones": {"yonetim": {"subnets": ["10.20.1.100/32", "fd20:0:0:1::100/128"]}},
    "services": {"https": {"tcp": [443]}},
    "rules": [
        {"name": "a", "from": ["yonetim"], "to": ["ofis"], "services": ["any"], **WHO},
        {"name": "b", "from": ["ofis"], "to": ["internet", "ofis"], "services": ["https"], **WHO},
    ],
    "published": [{"name": "c", "service": "https", "to": "web-merkez", **WHO}],
}


def cut(town, found=CUT_OFF):
    """Return the town with something cut off."""
    hosts = {
        name: replace(h, vars={**h.vars, "incidents": found} if "firewall" in h.vars else h.vars)
        for name, h in town.hosts.items()
    }
    return replace(town, hosts=hosts)


@pytest.fixture(scope="module")
def small(town):
    hosts = {h.name: h.vars for h in (*cut(town).hosts.values(), *town.outside.values())}
    hosts = {n: {**v, "firewall": POLICY} if "firewall" in v else v for n, v in hosts.items()}
    texts = {name: ruleset(v) for name, v in hosts.items() if "firewall" in v}
    return Matrix(parse(POLICY), hosts, "2026-11-27"), texts


def deviations(small, pattern="", other=""):
    matrix, texts = small
    changed = {name: re.sub(pattern, other, text) if pattern else text
               for name, text in texts.items()}  # fmt: skip
    assert not pattern or changed != texts
    return map(str, prove(matrix, {name: Ruleset.of(text) for name, text in changed.items()}))


def test_what_is_cut_off_is_no_deviation(small):
    assert list(deviations(small)) == []
    assert small[0].size > 1000


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        (r"(hook forward .*\n)\t\tjump incidents\n", "expected dropped"),
        (r"elements = \{ 10\.20\.2\.50 \}", "10.20.2.50"),
        (r"192\.0\.2\.0/29, ", "192.0.2."),
        (r"ip saddr != \{ 10\.20\.1\.100 \} ", "yonetim 10.20.1.100"),
        (r"2001:db8:66::/48", "2001:db8:66:"),
    ],
    ids=["not asked", "not isolated", "not blocked", "not examined", "not blocked, IPv6"],
)
def test_rules_that_let_it_through_are_found(small, pattern, told):
    other = {"elements": "", "2001:db8:66::/48": "2001:db8:66::/49"}
    first = next(
        deviations(small, pattern, other.get(pattern.split()[0], r"\1" * ("(" in pattern)))
    )
    assert told in first


def test_no_element_contains_another():
    found = CutOff.of({"incidents": CUT_OFF}).elements("blocked")
    assert list(map(written, found)) == ["192.0.2.0/29", "198.51.100.1", "2001:db8:66::/48"]


TALK = """
import socket, sys
with socket.create_connection(("198.51.100.1", 443), 5) as client:
    client.settimeout(2)
    for line in sys.stdin:
        client.send(line.encode())
        print(client.recv(99).decode(), end="", flush=True)
"""
ECHO = """
import socket
with socket.create_server(("", 443)) as server:
    print("ready", flush=True)
    client, _ = server.accept()
    while data := client.recv(99):
        client.send(data)
"""
KNOCK = (
    "python3 -c 'import socket; socket.create_connection((\"{}\", {}), 1)' 2>/dev/null || echo shut"
)
SERVE = "python3 -c 'import socket, time; s = socket.create_server((\"\", {})); time.sleep(60)'"


@pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: root only")
def test_an_established_connection_dies_and_an_isolated_host_can_be_examined(town):
    matrix, desk = review.matrix_of(town), "ws-merkez"
    names = ["pc-fen", "pc-merkez", "db-merkez", desk, "internet"]
    with namespaces(matrix, names) as world:
        world.load(review.rulesets(town))
        started = []

        def start(host, words, **options):
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            started.append(subprocess.Popen([*world.login(host), *words], **pipes, **options))
            return started[-1]

        try:
            server = start("internet", ["python3", "-c", ECHO])
            assert server.stdout.readline() == "ready\n"
            client = start("pc-merkez", ["python3", "-c", TALK], stderr=subprocess.DEVNULL)
            said = _say(client, "before")
            start("pc-fen", ["sh", "-c", "exec " + SERVE.format(22)])
            start("db-merkez", ["sh", "-c", "exec " + SERVE.format(443)])
            world.on(
                desk, "until " + KNOCK.format("10.20.2.50", 22).split("||")[0] + "; do :; done"
            )
            before = world.on("pc-fen", KNOCK.format("10.20.1.10", 443))
            world.load(review.rulesets(cut(town)))
            after = _say(client, "after")
            examined = world.on(desk, KNOCK.format("10.20.2.50", 22))
            isolated = world.on("pc-fen", KNOCK.format("10.20.1.10", 443))
            new = world.on("pc-merkez", KNOCK.format("198.51.100.1", 443))
        finally:
            for process in started:
                process.kill()
                process.communicate()
    assert (said, before) == ("before\n", "")
    assert (after, examined, isolated, new) == ("", "", "shut\n", "shut\n")


def _say(client, word):
    client.stdin.write(word + "\n")
    client.stdin.flush()
    return client.stdout.readline()
