"""What the journal tells of hosts that were lost."""

from dataclasses import replace

from small_town import town

from kahya.journal import Journal
from kahya.standing import standing

PAIR = {"host": "pc-fen", "system": "base"}


def test_a_host_is_lost_until_it_is_known_what_became_of_it(tmp_path):
    estate = town({})
    journal = Journal(f"sqlite:///{tmp_path}/journal.sqlite")

    def then(kind, run, status):
        journal.record(kind, "", {"run": run, **PAIR, "status": status, "applied": []})
        return standing(journal, estate).lost

    assert then("outcome", 1, "unreachable") == (), "its apply has not ended"
    journal.record("applied", "", {"run": 1})
    assert standing(journal, estate).lost == (("pc-fen", "base"),)
    assert then("outcome", 2, "refused") == (("pc-fen", "base"),), "nothing was done"
    assert then("reverted", 1, "reverted") == ()


def test_a_host_that_is_no_longer_ours_is_not_waited_for(tmp_path):
    journal, estate = Journal(f"sqlite:///{tmp_path}/journal.sqlite"), town({})
    journal.record("outcome", "", {"run": 1, **PAIR, "status": "unreachable", "applied": []})
    journal.record("applied", "", {"run": 1})
    assert standing(journal, estate).lost
    assert not standing(journal, replace(estate, hosts={})).lost
