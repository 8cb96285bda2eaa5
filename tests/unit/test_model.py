"""The plan's encoding: the same meaning has the same digest, another meaning another one."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import DATA, PLANS

from kahya.model import Change, canonical


def shuffled(value, seed):
    """Return ``value`` with the keys of every dict in another order."""
    if isinstance(value, dict):
        items = [(k, shuffled(v, seed)) for k, v in value.items()]
        random.Random(seed).shuffle(items)
        return dict(items)
    return [shuffled(v, seed) for v in value] if isinstance(value, list) else value


@given(DATA, st.integers())
def test_the_order_of_keys_never_matters(data, seed):
    assert canonical(data) == canonical(shuffled(data, seed))


@given(DATA, DATA)
def test_only_equal_data_is_encoded_equally(one, other):
    def typed(value):
        if isinstance(value, dict):
            return {k: typed(v) for k, v in value.items()}
        return [typed(v) for v in value] if isinstance(value, list) else (type(value), value)

    assert (canonical(one) == canonical(other)) == (typed(one) == typed(other))


@pytest.mark.parametrize("value", [1.5, {1, 2}, b"x", {1: "x"}, object(), [{"a": 1.0}]])
def test_what_has_no_one_encoding_is_refused(value):
    with pytest.raises(TypeError, match=r"\$"):
        canonical(value)


@given(PLANS, st.randoms())
def test_the_order_of_hosts_and_the_time_never_change_the_digest(plan, chance):
    mixed = list(plan.host_plans)
    chance.shuffle(mixed)
    other = replace(plan, host_plans=tuple(mixed), created="x", expires="y", tools={}, commit="z")
    assert other.digest == plan.digest


@given(PLANS.filter(lambda p: p.changes), st.sampled_from(["resource", "action", "effect", "gone"]))
def test_another_meaning_has_another_digest(plan, what):
    at = next(i for i, p in enumerate(plan.host_plans) if p.changes)
    first, *rest = plan.host_plans[at].changes
    value = [first.effect, "more"] if what == "effect" else "another"
    new = rest if what == "gone" else [replace(first, **{what: value}), *rest]
    if what != "gone" and getattr(first, what) == value:
        return
    changed = list(plan.host_plans)
    changed[at] = replace(plan.host_plans[at], changes=tuple(new))
    assert replace(plan, host_plans=tuple(changed)).digest != plan.digest


def test_the_words_for_people_are_not_part_of_a_change_id():
    change = Change("h", "b", "s", "napalm", "r", "update", "- a\n+ b", {"add": ["b"]})
    assert replace(change, diff="other words", risk=("restart",)).id == change.id
