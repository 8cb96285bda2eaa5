"""A few random plans in every run of the tests; random_plans.py runs as many as you like."""

import random

import pytest
from random_plans import Generator

pytestmark = pytest.mark.usefixtures("bring_up")


def test_random_plans_do_what_they_predict(tmp_path):
    seed = random.randrange(10**6)
    generator = Generator(tmp_path, seed)
    done = [generator.one() for _ in range(5)]
    assert any(result for *_, result in done), seed
