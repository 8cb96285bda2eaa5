"""What passes files leaves nothing behind."""

import os
import subprocess
import sys

import pytest

from kahya.scratch import IN_USE, PREFIX, scratch

HOLD = """
import time
from kahya.scratch import scratch
with scratch() as folder:
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The folder for passing files, for us and for what we start."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


def test_a_folder_is_private_and_gone_afterwards(place):
    with scratch() as one, scratch() as other:
        assert {one, other} == set(place.iterdir())
        assert one.stat().st_mode & 0o777 == 0o700
        (one / "file").touch()
    assert not list(place.iterdir())


def test_what_a_killed_process_left_is_removed_by_the_next(place):
    killed = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    left = place / killed.stdout.readline().strip()
    with scratch():
        assert left.exists(), "it is in use"
    killed.kill()
    killed.wait()
    assert left.exists()
    with scratch():
        assert not left.exists()


def test_only_left_folders_of_ones_own_are_removed(place, monkeypatch):
    begun, another, left = kept = [
        place / f"{PREFIX}begun",
        place / "kahya",
        place / f"{PREFIX}left",
    ]
    for folder in kept:
        folder.mkdir()
    for folder in (another, left):
        (folder / IN_USE).touch()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getuid", lambda: left.stat().st_uid + 1)
        with scratch():
            assert set(kept) < set(place.iterdir())
    with scratch():
        assert begun.exists()
        assert another.exists()
        assert not left.exists()
