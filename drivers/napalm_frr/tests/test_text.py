"""The canonical form: pure functions, checked on arbitrary trees."""

import string

from hypothesis import given
from hypothesis import strategies as st

from napalm_frr.device import text
from napalm_frr.device.text import Block
from napalm_frr.sanitize import sanitize

WORD = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=6).map("x{}".format)


def block(inside):
    """A line with lines inside it is always closed, as FRR prints it."""
    return st.builds(
        lambda tree: Block(tree, "exit" if tree else ""), st.dictionaries(WORD, inside, max_size=4)
    )


TREES = st.dictionaries(WORD, st.recursive(st.builds(Block), block, max_leaves=12), max_size=5)
PRINTED = """Building configuration...

Current configuration:
!
frr version 8.4.4
frr defaults traditional
hostname old-name
hostname r1
service integrated-vtysh-config
!
interface lan0
 ip ospf area 0
exit
!
router bgp 65001
 neighbor 10.0.12.2 remote-as 65002
 !
 address-family ipv4 unicast
  network 10.60.0.0/16
 exit-address-family
exit
!
end
"""
CANONICAL = """hostname r1
interface lan0
 ip ospf area 0
exit
!
router bgp 65001
 neighbor 10.0.12.2 remote-as 65002
 address-family ipv4 unicast
  network 10.60.0.0/16
 exit-address-family
exit
!
"""


def test_what_frr_prints():
    assert text.canonical(PRINTED) == CANONICAL
    assert text.canonical(CANONICAL) == CANONICAL


def test_paths_name_every_line_with_its_context():
    assert list(text.paths(text.parse(CANONICAL)))[-1] == (
        "router bgp 65001",
        "address-family ipv4 unicast",
        "network 10.60.0.0/16",
    )


@given(TREES)
def test_written_and_read_again_is_the_same(tree):
    assert text.parse(text.render(tree)) == tree


@given(TREES, st.randoms())
def test_equal_in_meaning_becomes_equal_in_text(tree, random):
    shuffled = shuffle(tree, random)
    assert text.difference(text.render(tree), text.render(shuffled)) == []
    assert text.render(text.in_order_of(tree, shuffled)) == text.render(tree)


@given(TREES, TREES)
def test_ordering_never_changes_the_meaning(model, tree):
    ordered = text.in_order_of(model, tree)
    assert set(text.paths(ordered)) == set(text.paths(tree))


def shuffle(tree, random):
    lines = list(tree)
    random.shuffle(lines)
    return {line: Block(shuffle(tree[line].inside, random), tree[line].closing) for line in lines}


def test_the_last_host_name_counts():
    assert text.hostname(PRINTED) == "r1"
    assert text.hostname("log syslog\n") is None


def test_sanitize_hides_secrets_and_nothing_else():
    secret = " neighbor 10.0.0.1 password s3cret\n ip ospf message-digest-key 1 md5 s3cret\n"
    assert "s3cret" not in sanitize(secret)
    assert "neighbor 10.0.0.1 password <removed>" in sanitize(secret)
    assert sanitize(CANONICAL) == CANONICAL
