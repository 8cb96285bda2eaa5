"""way_back.sh by itself, as the host's own timer runs it; systemctl does nothing here."""

import os
import subprocess

import pytest

from kahya.engines.pyinfra_return import SCRIPT


@pytest.fixture
def way(tmp_path):
    """A folder of the script for one file, and what runs an action of the script there."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "systemctl").symlink_to("/bin/true")
    text = SCRIPT.read_text(encoding="utf-8").replace("/etc/systemd/system", str(tmp_path))

    def make(name):
        folder = tmp_path / name
        folder.mkdir()
        files = {"way_back": text, "paths": f"{tmp_path}/file\n", "dumps": "", "steps": ""}
        for file, content in files.items():
            (folder / file).write_text(content, encoding="utf-8")
        return folder

    def run(folder, *words):
        path = f"{programs}:{os.environ['PATH']}"
        command = ["sh", str(folder / "way_back"), *words]
        subprocess.run(command, check=True, env={"PATH": path})

    return make, run


def test_the_timer_goes_back_beyond_an_apply_that_was_resumed(tmp_path, way):
    make, run = way
    file = tmp_path / "file"
    file.write_text("before")
    first = make("first")
    run(first, "save")
    file.write_text("half of it")  # here the controller was killed
    system = make("system")
    run(system, "save")
    first.rename(system / "earlier")
    file.write_text("all of it")
    (system / "armed").touch()
    run(system, "undo", "timer")
    assert (file.read_text(), (system / "returned").read_text()) == ("before", "timer\n")


def test_the_timer_does_nothing_once_it_was_confirmed(tmp_path, way):
    make, run = way
    (tmp_path / "file").write_text("before")
    system = make("system")
    run(system, "save")
    (tmp_path / "file").write_text("after")
    run(system, "undo", "timer")
    assert (tmp_path / "file").read_text() == "after"
