"""Keys and rules of a gateway, with stand-ins for wg and ip (engines/local_runner.py)."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from unit.engines.test_pyinfra import Place

from deploys.vpn import routes

DEPLOYS = Path(__file__).parents[3] / "deploys"
WG = "#!/bin/sh\nsed 's/^secret/public/'\n"
IP = """#!/bin/sh
rules=$HERE/rules$1
case "$2 $3" in
    "rule show") printf '0:\\tfrom all lookup local\\n'; cat $rules;;
    "rule add") shift 4; at=$1; shift; printf '%s:\\t%s\\n' $at "$*" >>$rules;;
    "rule del") sed -i "/^$5:/d" $rules;;
esac
"""
HARMLESS = """
from deploys.vpn import {part}
real = {part}.told  # else a timer of this machine would be armed
{part}.told = lambda commands, meaning, back: real(commands, {{**meaning, "risk": ()}}, back=back)
"""
KEYS = """
keys.FOLDER = HERE
keys.present({wanted!r}, {upcoming!r})
"""
RULES = """
rules.exactly(rules.rules_of({lines}, {interfaces}, {peers}))
"""


class Gateway(Place):
    """A gateway whose keys are words: the public half of ``secret one`` is ``public one``."""

    def __init__(self, folder, monkeypatch):
        super().__init__(folder, monkeypatch)
        shutil.copytree(DEPLOYS / "vpn", self.source.parent / "vpn")
        shutil.copy(DEPLOYS / "steps.py", self.source.parent)
        tools = folder / "bin"
        tools.mkdir()
        for name, text in (("wg", WG), ("ip", IP)):
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
        for version in (4, 6):
            (self.folder / f"rules-{version}").touch()
        monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
        monkeypatch.setenv("HERE", str(self.folder))

    @property
    def key(self):
        return self.folder / "private.key"

    def want(self, wanted, upcoming=""):
        text = KEYS.format(wanted=wanted, upcoming=upcoming)
        self.deploy(HARMLESS.format(part="keys") + text)
        return self.plan()

    def rules(self, version):
        return (self.folder / f"rules-{version}").read_text().splitlines()


@pytest.fixture
def place(tmp_path, monkeypatch):
    return Gateway(tmp_path, monkeypatch)


def test_the_next_key_takes_the_place_of_the_present_one_and_back(place):
    place.key.write_text("secret old\n")
    following = place.folder / "private.key.next"
    following.write_text("secret new\n")
    assert place.want("public old", "public new")[0].changes == ()
    plans = place.want("public new")
    (change,) = plans[0].changes
    assert change.resource.endswith("/private.key")
    assert "-public half public old\n+public half public new" in change.diff
    assert "secret" not in change.diff
    (outcome,) = place.apply(plans)
    assert outcome.status == "applied", outcome.reason
    assert (place.key.read_text(), following.exists()) == ("secret new\n", False)
    assert place.plan()[0].changes == ()
    assert place.revert().status == "reverted"
    assert (place.key.read_text(), following.read_text()) == ("secret old\n", "secret new\n")


def test_another_key_is_drift_that_no_plan_can_mend(place):
    place.key.write_text("secret other\n")
    plans = place.want("public known")
    (change,) = plans[0].changes
    assert "-public half public other\n+public half public known" in change.diff
    (outcome,) = place.apply(plans)
    assert outcome.status == "failed"
    assert "no key has the public half public known: see kahya keys" in outcome.reason
    assert place.key.read_text() == "secret other\n"


def test_exactly_the_rules_of_the_lines(place):
    lines = [{"table": 101, "interface": "wan0"}, {"table": 102, "interface": "wan1"}]
    interfaces = {"wan0": {"address": "192.0.2.9/24"}, "wan1": {"address": "203.0.113.9/24"}}

    def deploy(some):
        text = RULES.format(lines=some, interfaces=interfaces, peers=[])
        place.deploy(HARMLESS.format(part="rules") + text)

    (place.folder / "rules-4").write_text("50:\tfrom 192.0.2.7 lookup 7\n")
    deploy(lines)
    plans = place.plan()
    (change,) = plans[0].changes
    assert "-4 50 from 192.0.2.7 lookup 7" in change.diff
    (outcome,) = place.apply(plans)
    assert outcome.status == "applied", outcome.reason
    wanted = [f"{n}:\tfrom all fwmark {n:#x} lookup {n}" for n in (101, 102)]
    wanted.append("202:\tfrom all fwmark 0x66 unreachable")
    main = "201:\tfrom all to 203.0.113.0/24 fwmark 0x65 unreachable"
    assert (place.rules(4), place.rules(6)) == ([*wanted, main], wanted)
    assert place.plan()[0].changes == ()
    deploy(lines[:1])
    (outcome,) = place.apply(place.plan())
    assert place.rules(4) == place.rules(6) == wanted[:1]
    assert place.revert().status == "reverted"
    assert sorted(place.rules(4)) == sorted([*wanted, main])


def test_the_rule_of_strongswan_is_kept_where_it_has_peers_and_nowhere_else(place):
    """charon makes it at its start, for both families (seen of 5.9.8)."""
    own = "220:\tfrom all lookup 220"
    lines = [{"table": 101, "interface": "wan0"}]

    def want(peers):
        text = RULES.format(lines=lines, interfaces={}, peers=peers)
        place.deploy(HARMLESS.format(part="rules") + text)
        return place.plan()

    place.apply(want([{"name": "hastane"}]))
    assert (place.rules(4)[1:], place.rules(6)[1:]) == ([own], [own])
    assert place.plan()[0].changes == ()
    (place.folder / "rules-6").write_text("101:\tfrom all fwmark 0x65 lookup 101\n")
    (change,) = place.plan()[0].changes
    assert "+6 220 from all lookup 220" in change.diff
    (change,) = want([])[0].changes
    assert "-4 220 from all lookup 220" in change.diff


BY_HAND = """
ip link set lo up
ip link add wan1 type veth peer name other; ip link set wan1 up; ip link set other up
ip address add 203.0.113.9/24 dev wan1
ip route add default via 203.0.113.1 dev wan1
ip route add default via 203.0.113.1 dev wan1 proto 196 metric 20 table 102
ip route add default via 203.0.113.7 dev wan1 table 102
ip -6 route add default via fe80::7 dev wan1 table 101
ip route add blackhole 10.8.0.0/16 proto static
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: root only")
def test_routes_made_by_hand_are_found_in_the_tables_of_the_lines_too(monkeypatch, tmp_path):
    def found(more=""):
        fact = routes.HandmadeRoutes()
        words = ["unshare", "-n", "sh", "-ec", f"{BY_HAND}{more}\n{fact.command([101, 102])}"]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        return fact.process(done.stdout.splitlines())

    monkeypatch.setattr(routes, "told", lambda commands, meaning, back: [(commands, meaning, back)])
    every = found()
    assert len(every) == 3
    assert "default via 203.0.113.7 dev wan1 table 102" in every
    assert any(r.startswith("::/0 via fe80::7 dev wan1") and "table 101" in r for r in every)
    for route in every:
        ((commands, _meaning, back),) = routes.absent._inner(route)
        saved = f"cd {tmp_path}; {back['dumps'][0]}"
        assert found(commands[0]) == [r for r in every if r != route]
        assert found(f"{saved}; {commands[0]}; {back['steps'][0]}") == every
        assert found(f"{commands[0]}; {saved}; {back['steps'][0]}") == [
            r for r in every if r != route
        ]
