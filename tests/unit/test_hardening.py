"""Each rule of each platform holds where it should, and says what is wrong where it shouldn't."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kahya.errors import InventoryError
from kahya.hardening import Rule, Violation, check, load
from kahya.statements import statements

FOLDER = Path(__file__).parents[2] / "templates/network"
PLATFORMS = sorted(file.parent.name for file in FOLDER.glob("*/compliance.yml"))
RULES = {platform: {rule.id: rule for rule in load(FOLDER, platform)} for platform in PLATFORMS}
CASES = {
    platform: yaml.safe_load(
        (Path(__file__).parent / f"cases/compliance/{platform}.yml").read_text(encoding="utf-8")
    )
    for platform in PLATFORMS
}
EACH = [(platform, name) for platform in PLATFORMS for name in RULES[platform]]


def test_each_platform_with_templates_has_rules_and_each_rule_has_both_cases():
    assert PLATFORMS == ["eos", "frr", "ios", "junos"]
    assert len(RULES["ios"]) >= 20
    for platform in PLATFORMS:
        assert CASES[platform].keys() == RULES[platform].keys()
        assert all({"holds", "fails"} <= case.keys() for case in CASES[platform].values())


@pytest.mark.parametrize(("platform", "name"), EACH)
def test_a_rule_holds_or_says_what_is_wrong(platform, name):
    rule, case = RULES[platform][name], CASES[platform][name]
    assert list(check(rule, statements(case["holds"]))) == []
    wanted = Violation(
        rule, case.get("section", ""), tuple(case.get("lines", ())), case.get("missing", False)
    )
    assert list(check(rule, statements(case["fails"]))) == [wanted]


@pytest.mark.parametrize(("platform", "name"), EACH)
def test_a_rule_is_told_in_both_languages_with_its_ground_and_its_remedy(platform, name):
    rule = RULES[platform][name]
    for text in (rule.title, rule.why):
        assert set(text) == {"en", "tr"}
        assert all(text.values())
    assert rule.write.strip()
    assert rule.reference
    assert rule.must or rule.must_not


def test_no_topic_is_left_over():
    topics = yaml.safe_load((FOLDER / "compliance.yml").read_text(encoding="utf-8"))
    assert topics.keys() == {name for _platform, name in EACH}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_empty_device_breaks_every_rule_about_what_must_be_on_the_device(platform):
    wanted = {name for name, rule in RULES[platform].items() if rule.must and not rule.when}
    broken = {name for name, rule in RULES[platform].items() for _ in check(rule, [])}
    assert broken == wanted


def test_what_makes_up_for_a_rule_on_the_whole_device():
    [found] = list(
        check(RULES["ios"]["bpdu-guard"], statements(CASES["ios"]["bpdu-guard"]["fails"]))
    )
    default = "spanning-tree portfast bpduguard default\n"
    text = default + CASES["ios"]["bpdu-guard"]["fails"]
    assert found.section == "interface GigabitEthernet1/0/2"
    assert list(check(RULES["ios"]["bpdu-guard"], statements(text))) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no-telnet: {must: [x], write: x, color: red}", "color"),
        ("no-such-topic: {must: [x], write: x}", "no-such-topic"),
        ("no-telnet: {must: ['('], write: x}", "unterminated"),
        ("no-telnet: {must: [x]}", "write"),
        ("- a list", "list"),
        ("a: [", "a: ["),
    ],
)
def test_a_rule_that_is_no_rule_is_an_error_that_names_the_file(tmp_path, text, words):
    (tmp_path / "compliance.yml").write_text(
        (FOLDER / "compliance.yml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    (tmp_path / "ios").mkdir()
    (tmp_path / "ios/compliance.yml").write_text(text, encoding="utf-8")
    with pytest.raises(InventoryError, match=re.escape(words)) as caught:
        load(tmp_path, "ios")
    assert "ios/compliance.yml" in str(caught.value)
    with pytest.raises(InventoryError, match=r"compliance\.yml"):
        load(tmp_path, "nxos")


def test_the_page_tells_every_key_of_a_rule():
    page = (FOLDER.parents[1] / "docs/compliance.md").read_text(encoding="utf-8")
    for key in fields(Rule):
        assert f"`{key.name}`" in page
    for platform in PLATFORMS:
        assert f"| `{platform}` | {len(RULES[platform])}" in page


WORDS = st.text(st.sampled_from("abc-/ 019"), min_size=1, max_size=12).map(
    lambda s: " ".join(s.split()) or "x"
)
TREE = st.recursive(
    st.just({}), lambda below: st.dictionaries(WORDS, below, max_size=3), max_leaves=12
)


def paths(tree, above=()):
    return [
        p for name, below in tree.items() for p in [(*above, name), *paths(below, (*above, name))]
    ]


def indented(tree, depth=0):
    return "".join(
        f"{'   ' * depth}{name}\n!\n{indented(below, depth + 1)}" for name, below in tree.items()
    )


def braced(tree, depth=0):
    pad = "    " * depth
    return "".join(
        f"{pad}{name} {{\n{braced(below, depth + 1)}{pad}}}\n" if below else f"{pad}{name};\n"
        for name, below in tree.items()
    )


@given(TREE)
def test_headings_are_told_the_same_from_indents_and_braces(tree):
    assert statements(indented(tree)) == paths(tree)
    rooted = {"system": {**tree, "last": {}}}
    assert statements(braced(rooted)) == paths(rooted)


@pytest.mark.parametrize(
    "text",
    [
        "banner login ^C\nip http server\n^C\nend\n",
        "banner login ^Cip http server^C\nend\n",
        "banner login \x03\nip http server\n\x03\nend\n",
        "banner login\nip http server\nEOF\nend\n",
        "banner login\nGEOFIZIK, EOF\nip http server\nEOF\nend\n",
    ],
)
def test_the_text_of_a_banner_is_no_configuration(text):
    assert statements(text) == [("banner login",), ("end",)]


def test_what_frr_calls_a_banner_is_one_line():
    assert statements("banner motd line hello\nip route x\n")[1] == ("ip route x",)
