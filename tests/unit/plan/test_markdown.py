"""A plan as a comment: whatever stands in a plan, it stays text, and it stays short enough."""

import re
from dataclasses import replace
from html import unescape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from strategies import PLANS

from kahya.i18n import set_language
from kahya.model import BlindSpot, Building, Change, Host, HostPlan, Plan, Town
from kahya.plan.markdown import LIMIT, render

FEN = Building("fen", "Fen İşleri", 2, "10.20.2.0/24")
PC = Host("pc-fen", "10.20.2.50", "fen", ("pcs",), {})
RULES = [
    {"name": "wan", "when": {"adds": "wan"}, "refuse": "never from the WAN"},
    {"name": "paths", "when": {"risk": "cuts-path"}, "ask": {"approvals": 2}},
]
BY = ("mehmet@ornek.bel.tr",)
SETTINGS = {"approval": {"rules": RULES}}
TOWN = Town(*("ornek", "Örnek", "", "tr", 45), {"fen": FEN}, {"pc-fen": PC}, {}, (), (), SETTINGS)
CHANGE = Change("pc-fen", "fen", "base", "pyinfra", "file /etc/x", "update", "-a\n+b", {})
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
PARSER = MarkdownIt("commonmark").enable("table")
# Pieces that mean something to Markdown, to HTML, or to GitLab and GitHub.
SIGNS = r"""` ``` ~~~~ </details> </code> <!-- --> <b> &lt; | \ /merge >>> @all #1 http://a.b
[a](b) ![
*a* _a_ $$ :x: + ğ"""
SPACES = ["\n", "\r", "\n\n", " ", "\t", "\x00", "\u2028", "\u202e", "# a", "- a", "1. "]
NASTY = st.lists(st.sampled_from([*SIGNS.split(), *SPACES]), max_size=12).map("".join)


def plan_of(*host_plans):
    return Plan(
        "ornek", "c0ffee", {}, "2026-03-09T06:00:00Z", "2026-03-10T06:00:00Z", host_plans, BY
    )


def plan_saying(text):
    """Return a plan that says ``text`` wherever a host or a file could have put it."""
    change = Change(
        "pc-fen", text, text, "pyinfra", text, text, text, {}, ("restart",), False, (text,)
    )
    spot = BlindSpot("pc-fen", "base", text, text)
    return plan_of(
        HostPlan("pc-fen", "base", "ok", (change,), (spot,)),
        HostPlan("pc-itfaiye", "base", "unreachable", reason=text),
    )


def shape(tokens):
    """Return what is left of Markdown when the words are taken away."""
    found = []
    for token in tokens:
        html = token.type in ("html_block", "html_inline")
        kept = re.sub(r"(?<=<code>)[^<]*(?=</code>)", "", token.content) if html else ""
        if token.type != "text":
            found.append((token.type, token.tag, token.info, kept, shape(token.children or [])))
    return found


@CALM
@given(NASTY)
def test_nothing_breaks_out(text):
    plain, nasty = (render(plan_saying(words), TOWN) for words in ("word", text))
    assert shape(PARSER.parse(nasty)) == shape(PARSER.parse(plain))
    assert not re.search(r"^(/|>>>)", nasty, re.MULTILINE)  # GitLab would act on it
    prose = re.sub(r"^(`{3,})diff\n.*?\n\1$", "", nasty, flags=re.DOTALL | re.MULTILINE)
    codes = re.findall(r"<code>(.*?)</code>", prose, re.DOTALL)
    assert len(codes) > 15
    for code in codes:  # no mention, no link, no reference either
        assert re.fullmatch(r"(&#\d+;|[\w \t→(),+%-])*", code), code


@CALM
@given(NASTY)
def test_a_diff_is_shown_whole(text):
    change = replace(CHANGE, diff=text)
    page = render(plan_of(HostPlan("pc-fen", "base", "ok", (change,))), TOWN)
    (block,) = [token for token in PARSER.parse(page) if token.type == "fence"]
    shown = [line[1:] if line[:1] == " " else line for line in block.content.split("\n")]
    for line in text.split("\n"):
        written = "".join(
            c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in line
        )
        assert written.removeprefix(" ") in shown


@CALM
@given(PLANS)
def test_every_change_of_a_small_plan_is_there(plan):
    page = render(plan, TOWN)
    assert page.count("<details>") == len(plan.changes)
    assert "did not fit" not in page
    assert plan.seal in page
    for found in (*plan.changes, *plan.blind_spots):
        assert found.id in page


@CALM
@given(st.integers(0, 400), st.integers(0, 3000), st.integers(0, 300))
def test_it_is_cut_and_says_so(count, length, unread):
    many = [replace(CHANGE, resource=f"file {n}", diff="+ğ" * length) for n in range(count)]
    off = [HostPlan(f"pc-{n}", "base", "unreachable", reason="ğ" * 90) for n in range(unread)]
    page = render(plan_of(HostPlan("pc-fen", "base", "ok", tuple(many)), *off), TOWN)
    assert len(page.encode()) <= LIMIT
    more = [int(n) for n in re.findall(r"\*\*(\d+) more did not fit", page)]
    assert page.count("<details>") + len(re.findall("unreachable", page)) + sum(more) == (
        count + unread
    )


def test_a_long_diff_is_cut_by_lines():
    change = replace(CHANGE, diff="\n".join(f"+{n}" for n in range(300)))
    page = render(plan_of(HostPlan("pc-fen", "base", "ok", (change,))), TOWN)
    assert "\n+199\n … 100 more lines" in page


def test_what_is_not_known_comes_first_then_what_is_asked_then_the_changes():
    page = unescape(render(plan_saying("+word wan"), TOWN))
    order = ["Could not be read", "Blind spots", "never from the WAN", "1 more signature"]
    places = [page.find(words) for words in [*order, "Changes by", "; seal", "<details>"]]
    assert -1 not in places
    assert places == sorted(places)


def test_the_table_counts_by_building_and_system():
    risky = replace(CHANGE, system="vpn", risk=("cuts-path",), reversible=False)
    page = render(plan_of(HostPlan("pc-fen", "base", "ok", (CHANGE, risky, CHANGE, risky))), TOWN)
    rows = [line for line in unescape(page).splitlines() if line.startswith("| <code>")]
    code = "| <code>Fen İşleri</code> | <code>{}</code> | 2 | {} | {} |".format
    assert rows == [
        code("base", "", ""),
        code("vpn", "<code>may cut the connection</code> 2", "2"),
    ]


def test_it_tells_how_many_signatures_the_rules_ask_for():
    risky = replace(CHANGE, risk=("cuts-path",))
    page = render(plan_of(HostPlan("pc-fen", "base", "ok", (risky,))), TOWN)
    assert "2 more signatures" in page


@pytest.mark.parametrize(
    ("host_plans", "says"),
    [
        ([HostPlan("pc-fen", "base", "ok")], "Nothing to change: 1 readings agree"),
        ([HostPlan("pc-fen", "base", "error", reason="x")], "not everything is known"),
        ([HostPlan("pc-fen", "base", "ok", (CHANGE,))], "1 changes on 1 hosts"),
    ],
)
def test_the_first_line_says_it_all(host_plans, says):
    assert says in render(plan_of(*host_plans), TOWN).splitlines()[0]


def test_it_speaks_turkish():
    try:
        set_language("tr")
        assert "Gereken imzalar" in render(plan_saying("word"), TOWN)
    finally:
        set_language("en")
