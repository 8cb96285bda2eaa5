"""Block lists reach a host as the plan said, and nothing else does (engines/local_runner.py)."""

import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from unit.engines.test_pyinfra import Place

from deploys.lists import unedited

DEPLOYS = Path(__file__).parents[3] / "deploys"
DEPLOY = """
from deploys import lists
wanted = {wanted!r}
for name in sorted(wanted):
    lists.present(name, *wanted[name], {store!r}, HERE)
for name in sorted(host.get_fact(lists.Lists, folder=HERE)):
    if name not in wanted:
        lists.absent(name, HERE)
"""


class ListPlace(Place):
    """A host whose lists come out of a store."""

    def __init__(self, folder, monkeypatch):
        super().__init__(folder, monkeypatch)
        self.store = folder / "store"
        self.store.mkdir()
        for name in ("lists.py", "steps.py"):
            shutil.copy(DEPLOYS / name, self.source.parent)

    def want(self, **lists):
        """Keep the lists in the store and have the deploy ask for them; return the plan."""
        wanted = {}
        for name, entries in lists.items():
            text = "".join(f"{entry}\n" for entry in sorted(entries))
            digest = sha256(text.encode()).hexdigest()
            (self.store / digest).write_text(text)
            wanted[f"domains/{name}"] = digest, len(entries)
        self.deploy(DEPLOY.format(wanted=wanted, store=str(self.store)))
        return self.plan()


@pytest.fixture
def place(tmp_path, monkeypatch):
    return ListPlace(tmp_path, monkeypatch)


def many(count):
    return {f"d{n}.example" for n in range(count)}


def test_a_plan_tells_of_a_list_what_comes_and_goes_and_never_all_of_it(place):
    (outcome,) = place.apply(place.want(usom=many(2000)))
    assert outcome.status == "applied", outcome.reason
    (plan,) = place.want(usom=many(3000) - {"d7.example"})
    (change,) = plan.changes
    assert (change.resource, change.action) == ("list domains/usom", "update")
    assert "-entries 2000" in change.diff
    assert "+entries 2999" in change.diff
    assert "+added 1000: d2000.example, d2001.example" in change.diff
    assert "+removed 1: d7.example" in change.diff
    assert len(change.diff.splitlines()) < 10


def test_the_plan_pins_the_very_text(place):
    """Two lists of the same length whose first entries are the same are two plans."""
    first, second = (place.want(usom=many(100) | {f"z{n}.example"}) for n in (1, 2))
    assert first[0].changes[0].mark != second[0].changes[0].mark
    place.want(usom=many(100) | {"z1.example"})
    (outcome,) = place.apply(second)
    assert outcome.status == "refused"


def test_a_change_is_the_same_to_a_controller_that_lacks_the_list_that_was(place):
    place.apply(place.want(usom=many(100)))
    (here,) = place.want(usom=many(101))
    (place.store / here.changes[0].effect["before"].split()[1]).unlink()
    (there,) = place.plan()
    assert "+added 1: d100.example" in here.changes[0].diff
    assert "not in the store" in there.changes[0].diff
    assert here.changes[0].id == there.changes[0].id


def test_an_upload_that_broke_off_is_no_list(place):
    place.apply(place.want(usom=many(5)))
    for name in ("usom.new", "usom.new.gz"):
        (place.folder / "domains" / name).write_text("half")
    (plan,) = place.plan()
    assert plan.changes == ()


def test_what_was_approved_arrives_and_then_nothing_is_left(place):
    place.apply(place.want(usom=many(50), adult={"a.example"}))
    assert (place.folder / "domains/adult").read_text() == "a.example\n"
    (plan,) = place.plan()
    assert plan.changes == ()
    assert [p.name for p in sorted((place.folder / "domains").iterdir())] == ["adult", "usom"]


def test_an_earlier_snapshot_and_a_list_less_are_changes_like_any_other(place):
    place.apply(place.want(usom=many(50), adult={"a.example"}))
    (plan,) = place.want(usom=many(40))
    assert [(c.resource, c.action) for c in plan.changes] == [
        ("list domains/usom", "update"), ("list domains/adult", "delete"),
    ]  # fmt: skip
    assert all(c.reversible for c in plan.changes)
    place.apply([plan])
    assert not (place.folder / "domains/adult").exists()
    assert place.revert().status == "reverted"
    assert (place.folder / "domains/adult").read_text() == "a.example\n"
    assert len((place.folder / "domains/usom").read_text().split()) == 50


def test_a_list_that_somebody_edited_is_found_and_put_right(place):
    place.apply(place.want(usom=many(50)))
    with (place.folder / "domains/usom").open("a") as file:
        file.write("by-hand.example\n")
    (plan,) = place.plan()
    (change,) = plan.changes
    assert "-entries 51" in change.diff
    assert "not in the store" in change.diff
    place.apply([plan])
    assert place.plan()[0].changes == ()


def test_a_store_that_was_altered_reaches_no_host(place):
    place.apply(place.want(usom=many(5)))
    before = (place.folder / "domains/usom").read_text()
    plans = place.want(usom=many(6))
    for file in place.store.iterdir():
        file.write_text("evil.example\n")
    (outcome,) = place.apply(plans)
    assert outcome.status in ("failed", "refused")
    assert (place.folder / "domains/usom").read_text() == before


@pytest.mark.parametrize(
    ("there", "untouched"),
    [
        (("wanted", 4), True),
        (("earlier", 5), True),  # what is wanted waits to be applied
        (("edited", 4), False),
        (("emptied", 0), False),  # as many a list of the store is
    ],
)
def test_a_list_that_waits_to_be_applied_is_no_edited_one(place, there, untouched):
    for name in ("wanted", "earlier", "emptied"):
        (place.store / name).touch()
    known = {"folder": str(place.store), "names": {"domains/usom": {"sha256": "wanted"}}}
    assert unedited({"domains/usom": there}, known) is untouched
