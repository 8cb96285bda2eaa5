"""What the journal tells of applies."""

from types import SimpleNamespace

from kahya import story
from kahya.journal import Journal
from kahya.model import Change, HostPlan, Plan
from kahya.plan.waves import URGENT, Wave
from kahya.run import Run
from kahya.story import Story

CHANGE = Change("pc-fen", "fen_isleri", "base", "pyinfra", "user x", "create", "+x", "+x")


def plan(identity):
    found = HostPlan("pc-fen", "base", "ok", (CHANGE,), identity=identity)
    nothing = HostPlan("pc-merkez", "base", "ok", identity="an old machine")
    return Plan("ornek", "c0ffee", {}, "", "", (nothing, found))


def test_a_machine_is_new_until_something_was_applied_to_it(tmp_path):
    journal = Journal(f"sqlite:///{tmp_path}/journal.sqlite")
    about = {"host": "pc-fen", "system": "base", "status": "applied", "identity": "one"}
    assert story.is_new_to(plan("one"), story.machines(journal))
    journal.record("outcome", "", {"run": 1, **about, "applied": []})
    assert story.is_new_to(plan("one"), story.machines(journal))
    journal.record("outcome", "", {"run": 1, **about, "applied": [story.brief(CHANGE)]})
    assert not story.is_new_to(plan("one"), story.machines(journal))
    assert story.is_new_to(plan("another, in its place"), story.machines(journal))


def test_where_it_is_not_known_which_machine_it_is_none_is_new(tmp_path):
    journal = Journal(f"sqlite:///{tmp_path}/journal.sqlite")
    about = {"host": "pc-fen", "status": "applied", "applied": [story.brief(CHANGE)]}
    journal.record("outcome", "", {"run": 1, **about, "system": "vpn"})
    assert story.is_new_to(plan("one"), story.machines(journal))
    journal.record("outcome", "", {"run": 1, **about, "system": "base", "identity": "one"})
    assert story.is_new_to(plan("another"), story.machines(journal))
    assert not story.is_new_to(plan(""), story.machines(journal))
    journal.record("outcome", "", {"run": 1, **about, "system": "base"})
    assert not story.is_new_to(plan("another"), story.machines(journal))


def test_in_an_emergency_nothing_waits_for_probes(tmp_path):
    journal = Journal(f"sqlite:///{tmp_path}/journal.sqlite")
    for name, probed in ((URGENT, False), ("merkez", True)):
        begun = Story(1, "", plan("one"), (Wave(name, ("pc-fen",)),), {"bare": False})
        asked = []
        fleet = SimpleNamespace(town=None, plan=lambda _pairs: ())
        run = Run(fleet, journal, begun, lambda pairs, asked=asked: asked.append(pairs) or [], None)
        run._baseline()
        run._look([("pc-fen", "base")], set())
        assert len(asked) == 2 * probed
