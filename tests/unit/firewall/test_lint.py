"""Rules that are useless, too wide or past their day are told, with file, line and what to do."""

from copy import deepcopy
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kahya.firewall import lint
from kahya.firewall.boxes import Box, less, meet, remains, spans
from kahya.firewall.policy import parse

CASES = yaml.safe_load(Path(__file__).with_name("lint_cases.yml").read_text(encoding="utf-8"))
TODAY = date(2026, 11, 27)
ROOT = Path(__file__).parents[3]


def told(town, case):
    data = deepcopy(town.hosts["gw-merkez"].vars["firewall"])
    about = {"owner": "x", "reason": "y"}
    data["rules"] = [about | rule for rule in case["rules"]]
    data["published"] = []
    remarks = lint.examine(parse(data), town, TODAY)
    return [f"{r.level}: {r.problem.key}: {r.problem.message}" for r in remarks]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["title"])
def test_what_is_told(town, case):
    assert told(town, case) == case.get("told", [])


def test_the_lab_has_nothing_to_correct(town):
    policy = parse(town.hosts["gw-merkez"].vars["firewall"])
    assert lint.examine(policy, town, TODAY) == []


def test_file_and_line_are_named(town):
    policy = parse(town.hosts["gw-merkez"].vars["firewall"])
    twice = replace(policy, rules=(policy.rules[0], policy.rules[0]))
    (remark,) = [r for r in lint.examine(twice, town, TODAY) if r.level == "error"]
    file = ROOT / "inventories/lab/group_vars/gateways/firewall.yml"
    assert ROOT / remark.problem.file == file
    names = [f"- name: {rule.name}" for rule in policy.rules]
    assert names[1] in file.read_text(encoding="utf-8").splitlines()[remark.problem.line - 1]


SPANS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)).map(sorted)).map(spans)
BOXES = st.builds(Box, SPANS, SPANS, SPANS)


def points(box):
    sides = [{n for low, high in side for n in range(low, high + 1)}
             for side in (box.sources, box.destinations, box.services)]  # fmt: skip
    return {(a, b, c) for a in sides[0] for b in sides[1] for c in sides[2]}


@given(SPANS, SPANS)
def test_spans_are_sets(one, other):
    def numbers(of):
        return {n for low, high in of for n in range(low, high + 1)}

    assert numbers(meet(one, other)) == numbers(one) & numbers(other)
    assert numbers(less(one, other)) == numbers(one) - numbers(other)


@given(BOXES, st.lists(BOXES, max_size=3))
def test_what_remains_is_what_no_hole_has(box, holes):
    parts = [points(part) for part in remains([box], holes)]
    assert set().union(*parts) == points(box).difference(*map(points, holes))
    assert sum(map(len, parts)) == len(set().union(*parts))
