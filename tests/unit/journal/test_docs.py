"""docs/journal.md tells an auditor how to check a journal without Kâhya: it works as written."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from kahya.journal import Journal

PAGE = Path(__file__).parents[3] / "docs/journal.md"


@pytest.fixture
def audit(tmp_path):
    """Return what the page's program says of a journal of three entries, and of some anchors."""
    (recipe,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(recipe.splitlines()) <= 26
    journal = Journal.in_folder(tmp_path)
    for name in ("ayşe", "b", "c"):
        journal.record("planned", "p", {"who": name, "n": [1, None, True]})

    def run(*anchors, harm=""):
        if harm:
            engine = create_engine(f"sqlite:///{tmp_path}/journal.sqlite")
            with engine.begin() as connection:
                connection.execute(text(harm))
            engine.dispose()
        command = [sys.executable, "-c", recipe, str(tmp_path / "journal.sqlite"), *anchors]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    run.head = journal.head()
    return run


def test_a_sound_journal(audit):
    assert audit(audit.head) == "3 entries; 0 wrong\n"


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        ("UPDATE entries SET plan = 'q' WHERE number = 2", "entry 2 was altered"),
        ("DELETE FROM entries WHERE number = 2", "entry 3 was altered, or what was before"),
        ("DELETE FROM entries WHERE number = 3", "the journal has no entry 3:"),
    ],
)
def test_a_journal_that_was_harmed(audit, harm, found):
    assert found in audit(audit.head, harm=harm)
