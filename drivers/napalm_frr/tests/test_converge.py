"""Converging, on a toy FRR that knows contexts, "no", and is fussy about both."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napalm_frr.device import converge, daemons, text, vtysh
from napalm_frr.device.text import Block
from napalm_frr.device.vtysh import Rejection


class ToyFRR:
    """Keeps a tree; a line that starts with "router" or "family" opens a context."""

    def __init__(self, tree):
        self.tree = tree

    def running(self):
        return text.render(self.tree)

    def load(self, config):
        rejected, contexts = [], [self.tree]
        for number, line in enumerate(config.splitlines(), 1):
            if line == "exit":
                contexts.pop()
            elif line.startswith("no "):
                words = self.undo(contexts[-1], line[3:])
                rejected += [Rejection(number, words)] if words else []
            else:
                opens = line.startswith(("router", "family"))
                block = contexts[-1].setdefault(line, Block({}, "exit" if opens else ""))
                if opens:
                    contexts.append(block.inside)
        return rejected

    @staticmethod
    def undo(tree, line):
        """Text can't be undone with its words, as in FRR's "no description"."""
        if line.startswith("description "):
            return "% Unknown command"
        found = [x for x in tree if x == line or (line == "description" and x.startswith(line))]
        for name in found:
            del tree[name]
        return "" if found else "% Unknown command"


NAMES = st.sampled_from("abcd")
PLAIN = st.one_of(NAMES.map("set {}".format), NAMES.map("description some {}".format))


def trees(depth):
    lines = st.dictionaries(PLAIN, st.builds(Block), max_size=3)
    if not depth:
        return lines
    inside = st.dictionaries(
        NAMES.map("router {}".format if depth == 2 else "family {}".format),
        trees(depth - 1).map(lambda tree: Block(tree, "exit")),
        max_size=3,
    )
    return st.builds(lambda one, other: {**one, **other}, lines, inside)


@pytest.fixture
def toy(monkeypatch):
    frr = ToyFRR({})
    monkeypatch.setattr(vtysh, "running", frr.running)
    monkeypatch.setattr(vtysh, "load", frr.load)
    return frr


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trees(2), trees(2))
def test_every_configuration_leads_to_every_other(toy, have, want):
    toy.tree = have
    target = text.render(want)
    assert converge.converge(target) == []
    assert text.difference(toy.running(), target) == []


def test_what_cannot_be_reached_is_named(toy, monkeypatch):
    monkeypatch.setattr(vtysh, "load", lambda _config: [])
    assert converge.converge("set a\n") == ["set a"]


@pytest.mark.parametrize(
    ("crashes", "left"), [(1, []), (2, []), (99, ["a daemon crashes again and again"])]
)
def test_what_a_crash_undid_is_done_again(toy, monkeypatch, crashes, left):
    """Also where nothing seems to be left: a dead daemon has no lines, until it is back."""
    load, starts = toy.load, [0]

    def crash(config):
        starts[0] += starts[0] < crashes
        toy.tree = {}
        return load(config)

    def come_back():
        toy.tree = toy.tree or text.parse("set startup\n")
        return {"ospfd": str(starts[0])}

    monkeypatch.setattr(vtysh, "load", crash)
    monkeypatch.setattr(daemons, "processes", lambda: {"ospfd": str(starts[0])})
    monkeypatch.setattr(daemons, "awaited", come_back)
    toy.tree = text.parse("set old\n")
    assert converge.converge("") == left


def test_lines_inside_go_before_the_line_around_them():
    have = text.parse("interface not-a-link\n description x\nexit\nrouter a\n set b\nexit\n")
    assert converge.removals(have, {}) == [
        ("router a",),
        ("interface not-a-link", "description x"),
        ("interface not-a-link",),
    ]


def test_the_stanza_of_an_existing_link_is_only_emptied():
    assert converge.removals(text.parse("interface lo\n description x\nexit\n"), {}) == [
        ("interface lo", "description x")
    ]


def test_additions_lead_into_and_out_of_their_context():
    have = text.parse("router a\n set a\nexit\n")
    want = text.parse("router a\n set a\n family b\n  set c\n exit-family\nexit\n")
    lines = ["router a", "family b", "set c", "exit-family", "exit"]
    assert list(converge.additions(have, want)) == lines


def test_negation_is_its_own_inverse():
    assert converge.negate("shutdown") == "no shutdown"
    assert converge.negate("no shutdown") == "shutdown"


def test_rejections_carry_their_line_and_the_words_of_the_daemon():
    config = "router bgp 1\n neighbor x activate\nno interface lan0\n typo\n"
    output = """% Specify remote-as or peer-group commands first
line 2: Failure to communicate[13] to bgpd, line:  neighbor x activate

line 4: % Unknown command[4]: typo
% Configuration failed.

Error type: validation
Error description: only inactive interfaces can be deleted
The following commands were dynamically grouped into the same transaction and rejected:
- no interface lan0
"""
    assert vtysh.read_rejections(config, output) == [
        Rejection(2, "% Specify remote-as or peer-group commands first"),
        Rejection(3, "only inactive interfaces can be deleted"),
        Rejection(4, "% Unknown command[4]: typo"),
    ]
