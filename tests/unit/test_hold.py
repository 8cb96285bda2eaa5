"""A town is held for as long as the work takes, and by one only."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from kahya import hold
from kahya.errors import LockError
from kahya.journal import Journal


def test_the_lock_is_renewed_while_the_work_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.in_folder(tmp_path)
    monkeypatch.setattr(hold, "SECONDS", 3)
    with hold.hold(journal, "ornek", "ayse", "plan"):
        first = journal.holder_of("ornek")
        until = time.monotonic() + 10
        while (now := journal.holder_of("ornek")) and first and now.until == first.until:
            assert time.monotonic() < until
            time.sleep(0.1)
        with (
            pytest.raises(LockError, match="ornek"),
            hold.hold(journal, "ornek", "mehmet", "another", take_over=True),
        ):
            pytest.fail("two hold it")
    assert journal.holder_of("ornek") is None
