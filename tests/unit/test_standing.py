"""What the journal tells of hosts that were lost."""

from kahya.journal import Journal
from kahya.standing import standing

PAIR = {"host": "pc-fen", "system": "base"}


def test_a_host_is_lost_until_it_is_known_what_became_of_it(tmp_path):
    journal = Journal(f"sqlite:///{tmp_path}/journal.sqlite")

    def then(kind, run, status):
        journal.record(kind, "", {"run": run, **PAIR, "status": status, "applied": []})
        return standing(journal, "ornek").lost

    assert then("outcome", 1, "unreachable") == (), "its apply has not ended"
    journal.record("applied", "", {"run": 1})
    assert standing(journal, "ornek").lost == (("pc-fen", "base"),)
    assert then("outcome", 2, "refused") == (("pc-fen", "base"),), "nothing was done"
    assert then("reverted", 1, "reverted") == ()
