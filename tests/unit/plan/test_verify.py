"""The verifier goes its own way, agrees with what Kâhya writes, and finds any byte that changed."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_town import approval, plan
from strategies import PLANS, by_host

from kahya.model import Plan
from kahya.plan import store, verify
from kahya.plan.document import to_document

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)


def content(made: Plan) -> bytes:
    return store.as_text(to_document(made)).encode()


@given(PLANS)
def test_it_agrees_with_what_kahya_writes(made):
    assert verify.plan_file(content(made)) == []


@given(PLANS, st.data())
def test_any_byte_that_changed_is_found(made, data):
    good = content(made)
    place = data.draw(st.integers(0, len(good) - 1), label="place")
    byte = data.draw(st.binary(max_size=1).filter(lambda b: b != good[place : place + 1]))
    assert verify.plan_file(good[:place] + byte + good[place + 1 :])


def test_every_single_byte_of_one_plan(people):
    good = content(plan({"blind": [{"host": "pc-fen"}], "unread": ["db-merkez"]}))
    for place in range(len(good)):
        assert verify.plan_file(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])


def shuffled(value, random):
    """Return the same data with the keys of all objects in another order."""
    if isinstance(value, dict):
        items = [(k, shuffled(v, random)) for k, v in value.items()]
        random.shuffle(items)
        return dict(items)
    return [shuffled(item, random) for item in value] if isinstance(value, list) else value


@given(PLANS, st.randoms(use_true_random=False))
def test_order_of_hosts_and_keys_means_nothing(made, random):
    hosts = list(made.host_plans)
    random.shuffle(hosts)
    changed = [
        replace(p, changes=tuple(replace(c, effect=shuffled(c.effect, random)) for c in p.changes))
        for p in hosts
    ]
    other = replace(
        made,
        host_plans=by_host(changed),
        tools=shuffled(dict(made.tools), random),
        host_keys=shuffled(dict(made.host_keys), random),
    )
    assert (other.digest, other.seal) == (made.digest, made.seal)
    assert verify.plan_file(content(other)) == []


MEANING = {
    "host": ("host", "system", "status", "base", "reason", "identity"),
    "change": ("building", "engine", "resource", "action", "diff", "effect"),
    "spot": ("resource", "reason"),
}


@given(PLANS.filter(lambda p: p.changes and p.blind_spots), st.data())
def test_any_change_of_meaning_changes_digest_and_seal(made, data):
    kind = data.draw(st.sampled_from(sorted(MEANING)))
    key = data.draw(st.sampled_from(MEANING[kind]))

    def other(item):
        value = getattr(item, key)
        return replace(item, **{key: "unreachable" if value == "error" else f"{value} "})

    def meant(item):
        match kind:
            case "host":
                return other(item)
            case "change":
                return replace(item, changes=tuple(map(other, item.changes)))
            case _:
                return replace(item, blind_spots=tuple(map(other, item.blind_spots)))

    index = data.draw(
        st.sampled_from(
            [
                i
                for i, p in enumerate(made.host_plans)
                if kind == "host" or (p.changes if kind == "change" else p.blind_spots)
            ]
        )
    )
    found = list(made.host_plans)
    found[index] = meant(found[index])
    changed = replace(made, host_plans=tuple(found))
    assert changed.digest != made.digest
    assert changed.seal != made.seal


@pytest.mark.parametrize(
    "about",
    [
        {"commit": "d"},
        {"tools": {"kahya": "9"}},
        {"created": "2026-03-09T06:00:01Z"},
        {"expires": "2026-03-10T06:00:01Z"},
        {"authors": ("ayse@ornek.bel.tr",)},
        {"journal": "7:abc"},
    ],
    ids=lambda a: next(iter(a)),
)
def test_what_is_about_the_plan_is_in_the_seal_alone(about):
    made = plan({})
    other = replace(made, **about)
    assert other.digest == made.digest
    assert other.seal != made.seal


@pytest.mark.parametrize(
    "about",
    [
        {"town": "baska"},
        {"host_keys": {"pc-fen": "SHA256:x"}},
        {"restores": {"pc-fen": "0f" * 20}},
    ],
)
def test_town_host_keys_and_restores_are_meant(about):
    other = replace(plan({}), **about)
    assert other.digest != plan({}).digest
    assert verify.plan_file(content(other)) == []


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda d: d.update(extra=1), ["'extra' was unexpected"]),
        (lambda d: d.pop("seal"), ["'seal' is a required property"]),
        (lambda d: d["changes"][0].update(effect=0.5), ["0.5 has no one spelling"]),
        (
            lambda d: d["changes"][0].update(resource="file /etc/y"),
            ["$.changes[0]: the id", "$.digest", "$.seal", "$.plan"],
        ),
        (lambda d: d["changes"][0].update(diff="-a\n+c"), ["$.digest", "$.seal", "$.plan"]),
        (lambda d: d.update(expires="2027-01-01T00:00:00Z"), ["$.seal"]),
        (
            lambda d: d["changes"][0].update(host="gw-yok"),
            ["the id", "the plan has no gw-yok base", "$.digest", "$.seal", "$.plan"],
        ),
        (lambda d: d["hosts"]["pc-fen"].update(status="unknown"), ["$.hosts.pc-fen.status"]),
        (lambda d: d.update(unreachable=["pc-fen"]), ["$.unreachable"]),
        (
            lambda d: d.update(created="2026-04-01T00:00:00Z"),
            ["$.seal", "$.plan", "$.expires: is not after"],
        ),
        (lambda d: d["changes"].reverse(), ["not in the order of the hosts"]),
        (
            lambda d: d.update(restores={"gw-yok": "0f" * 20}),
            ["$.restores: the plan has no gw-yok", "$.digest", "$.seal", "$.plan"],
        ),
        (lambda d: d.update(restores={"pc-fen": "main"}), ["'main' does not match"]),
    ],
)
def test_all_failures_are_told(edit, words):
    document = to_document(plan({"changes": [{"host": "pc-fen"}, {"host": "db-merkez"}]}))
    document = json.loads(json.dumps(document))
    edit(document)
    failures = verify.plan_file(store.as_text(document).encode())
    assert len(failures) == len(words), failures
    for failure, word in zip(failures, words, strict=True):
        assert word in failure


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"\xff", b"[" * 100_000, b'{"format": 2}', b'"\\ud800"', b"1" * 5000],
    ids=["empty", "list", "not UTF-8", "deep", "bare", "half a letter", "long number"],
)
def test_what_is_no_plan_is_told_and_not_raised(content):
    assert verify.plan_file(content)


def test_approvals_beside_a_plan(people, tmp_path):
    made, file = plan({"blind": [{"host": "pc-fen"}]}), tmp_path / "plan.json"
    store.write(made, file)
    path = store.write_approval(approval(made, people, "ayse", blind="all"), file)
    assert path.name == "plan.json.ayse@ornek.bel.tr.approval"
    assert path.stat().st_mode & 0o777 == 0o600
    document = to_document(made)
    assert verify.approvals(file, document, people.all, NOW) == (["ayse@ornek.bel.tr"], [])
    store.write_approval(approval(made, people, "stranger"), file)
    store.write_approval(approval(made, people, "mehmet", blind=["0" * 16]), file)
    file.with_name("plan.json.zeynep.approval").write_text("{}")
    signers, failures = verify.approvals(file, document, people.all, NOW)
    assert signers == ["ayse@ornek.bel.tr"]
    assert [words in failure for words, failure in zip(
        ("blind spots that the plan has not", "not among the approvers", "is not an approval"),
        failures, strict=True)] == [True] * 3  # fmt: skip
    assert len(store.read_approvals(tmp_path / "other.json")) == 0
