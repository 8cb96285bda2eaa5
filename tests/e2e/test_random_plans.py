"""A few random plans in every run of the tests; random_plans.py runs as many as you like."""

import random

import pytest
from random_plans import Generator

from kahya import workflow

pytestmark = pytest.mark.usefixtures("bring_up")


def test_random_plans_do_what_they_predict(tmp_path, monkeypatch):
    seed = random.randrange(10**6)
    monkeypatch.setattr(workflow, "waves", workflow.waves)  # given back afterwards
    generator = Generator(tmp_path, seed)
    done = [generator.one() for _ in range(5)]
    generator.all_in_order()
    assert any(result for *_, result in done), seed
