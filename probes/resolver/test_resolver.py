"""Hosts are told names, but none that is on a block list; what the town allows is told always."""

import json
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address, ip_interface
from pathlib import Path

import pytest

ASK = Path(__file__).with_name("ask.py").read_text(encoding="utf-8")
START = "import sys,json; exec(sys.argv[1], json.load(sys.stdin))"
A, TXT = 1, 16
RECURSE, UNCHECKED = 0x0100, 0x0110  # the latter with CD: as it comes, not validated
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
SHOWN = 3  # names of each list
SSH_FAILED = 255


@pytest.fixture
def ask(town):
    """Ask questions from a host; None where it can't be logged in to."""

    def ask(name, questions, **options):
        command = shlex.join(["python3", "-c", START, ASK])
        task = json.dumps({"TASK": questions, **options})
        done = subprocess.run(
            ["ssh", "-F", town["ssh_config"], name, command],
            input=task, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode in (0, SSH_FAILED), done.stderr
        return json.loads(done.stdout) if done.returncode == 0 else None

    return ask


@pytest.fixture
def served(vars):
    """This gateway's own addresses in the networks that it answers."""
    wanted = (i for i in vars["interfaces"].values() if i["zone"] in vars["resolver"]["zones"])
    return [ip_interface(i[key]) for i in wanted for key in ("address", "address6") if key in i]


@pytest.fixture
def pcs(vars, town):
    """The PCs of the building."""
    here = (n for n, v in town["hosts"].items() if v["building"] == vars["building"])
    return [name for name in here if "pcs" in town["hosts"][name]["group_names"]]


@pytest.fixture
def told(ask, served, pcs, vars, town):
    """Ask for names from each PC; return who was answered something else than ``expected``."""

    def told(names, expected, flags=RECURSE):
        def questions(source):  # a PC without IPv6 asks by IPv4 alone
            six = source not in pcs or "address6" in town["hosts"][source]
            servers = [str(s.ip) for s in served if six or s.version == 4]
            return [[server, name, A, flags] for server in servers for name in names]

        seen = {pc: answers for pc in pcs if (answers := ask(pc, questions(pc)))}
        own = vars["inventory_hostname"]
        assert questions(own)
        for source, answers in (seen or {own: ask(own, questions(own))}).items():  # no PC is up yet
            for (server, name, *_), answer in zip(questions(source), answers, strict=True):
                code, count = answer or (None, 0)
                if code != expected or bool(count) != (code == NOERROR):
                    yield source, server, name, answer

    return told


@pytest.fixture
def listed(vars):
    """Return the first names on a list of domains, as the store has it."""

    def listed(name):
        known = vars.get("lists", {"names": {}})
        about = known["names"].get(f"domains/{name}")
        text = Path(known["folder"], about["sha256"]).read_text("ascii") if about else ""
        return text.split()[:SHOWN]

    return listed


@pytest.fixture
def blocked(listed, vars):
    """The first names of each list."""
    return [n for name in vars["resolver"]["lists"] for n in listed(name)]


def test_names_are_told(told, listed):
    """names that the town allows are told, even beneath a blocked one"""
    assert list(told(listed("allow") or ["example.org"], NOERROR)) == []


def test_blocked_names(told, blocked):
    """names on the block lists, and what is beneath them, don't exist"""
    if not blocked:
        pytest.skip("the lists are empty")
    assert list(told([*blocked, *(f"kahya-probe.{name}" for name in blocked)], NXDOMAIN)) == []


def test_no_way_round(told):
    """browsers are told to ask no other resolver"""
    assert list(told(["use-application-dns.net", "mask.icloud.com"], NXDOMAIN)) == []


def test_forged_answers(told):
    """an answer whose signature is wrong or missing is refused"""
    name = ["dnssec-failed.org"]  # made to be wrong
    assert list(told(name, NOERROR, UNCHECKED)) == []
    assert list(told(name, SERVFAIL)) == []


def test_strangers(ask, served, vars, town):
    """who is on the carrier's side or in another network gets no answer"""
    wan = [ip_interface(i["address"]) for i in vars["interfaces"].values() if i["zone"] == "wan"]
    questions = [[str(own.ip), "example.org", A, RECURSE] for own in (*served, *wan)]
    strangers = []
    for name, about in town["outside"].items():
        inside = any(ip_address(about["ansible_host"]) in own.network for own in served)
        if about.get("building", vars["building"]) == vars["building"] and not inside:
            strangers.append(name)
    with ThreadPoolExecutor() as pool:  # they all wait in vain
        found = pool.map(lambda name: ask(name, questions, WAITS=(0.5, 0.5)), strangers)
        seen = dict(zip(strangers, found, strict=True))
    reached = {name: any(answers) for name, answers in seen.items() if answers is not None}
    assert reached
    assert not any(reached.values()), reached
