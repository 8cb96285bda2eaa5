"""The addresses of block lists on a gateway: all of them, at once, or as before."""

import os
import random
import subprocess
import sys
import time
from ipaddress import IPv4Address, ip_address
from pathlib import Path

import pytest

from kahya.firewall.nft_eval import Knock, Packet, Ruleset

sys.path.insert(0, str(Path(__file__).parents[3]))
from deploys.firewall.listed import LOAD_OR_GONE, Listed

PROGRAM = Path(__file__).parents[3] / "deploys/firewall/listed"
MANY, MOST_SECONDS = 50_000, 20
ROOT = os.geteuid() == 0
SMALL = "1.2.0.0/16\n1.2.3.4\n2001:db8:66::/48\n2001:db8:66::1\n"


@pytest.fixture
def lists(tmp_path):
    (tmp_path / "addresses").mkdir()
    (tmp_path / "addresses/town").write_text(SMALL)
    return tmp_path


def gateway(lists, script):
    """Run a script in a network namespace of its own, where ``listed`` is the program."""
    words = ["unshare", "-n" if ROOT else "-rn", "env", f"KAHYA_ADDRESSES={lists}", "sh", "-c"]
    define = f"listed() {{ sh {PROGRAM} $1; }}\nPATH=$PATH:/usr/sbin\n"
    done = subprocess.run([*words, define + script], capture_output=True, text=True, check=False)
    return done.stdout, done.stderr


def seen(text):
    return Listed().process(text.splitlines())


def test_what_is_loaded_is_what_the_lists_say(lists):
    before, after = (
        seen(gateway(lists, f"{first}listed seen")[0]) for first in ("", "listed load;")
    )
    assert before[0] != before[1]
    assert (after[0], after[0][1]) == (after[1], "2")  # nothing twice


def test_a_removed_element_is_seen(lists):
    delete = "nft delete element inet kahya-lists listed6 '{ 2001:db8:66::/48 }'"
    loaded, wanted = seen(gateway(lists, f"listed load; {delete}; listed seen")[0])
    assert (loaded[1], wanted[1]) == ("1", "2")


def test_lists_that_hold_something_else_change_nothing(lists):
    break_it = f"echo 'no address' >>{lists}/addresses/town"
    text, said = gateway(lists, f"listed load; {break_it}; listed load; nft list ruleset")
    assert "Error" in said
    assert len(said) < 2000
    assert "1.2.0.0/16" in text


@pytest.mark.skipif(not ROOT, reason="so much at once is taken from root only")
def test_many_are_loaded_in_time_and_none_of_them_passes(lists):
    numbers = random.Random(1).sample(range(0x0B000000, 0x7E000000), MANY)
    (lists / "addresses/usom").write_text("".join(f"{IPv4Address(n)}\n" for n in numbers))
    began = time.monotonic()
    text, said = gateway(lists, "listed load; listed seen")
    seconds = time.monotonic() - began
    loaded, wanted = seen(text)
    assert (loaded, said) == (wanted, "")
    assert int(loaded[1]) > MANY * 0.99
    print(f"{MANY} addresses loaded and looked at twice in {seconds:.1f} s")
    assert seconds < MOST_SECONDS


def test_they_pass_in_no_direction(lists):
    rules = Ruleset.of(gateway(lists, "listed text")[0])
    knocks = frozenset({Knock("tcp", 443)})

    def passes(hook, source, to):
        packet = Packet(ip_address(source), ip_address(to), knocks, "lan0", state="established")
        return bool(rules.run(hook, packet))

    for bad, good, ours in (
        ("1.2.3.9", "1.3.0.1", "10.20.2.50"),
        ("2001:db8:66::7", "2001:db8:67::7", "fd20:0:0:2::50"),
    ):
        assert not passes("prerouting", bad, ours)
        assert not passes("prerouting", ours, bad)
        assert not passes("output", ours, bad)
        assert all(passes(hook, ours, good) for hook in ("prerouting", "output"))


def test_before_the_first_lists_there_is_no_table(lists):
    """The way back takes the program away first: what it loaded goes all the same, and twice."""
    text, said = gateway(
        lists, f"listed load; for n in 1 2; do {LOAD_OR_GONE}; done; nft list ruleset"
    )
    assert (text, said) == ("", "")
