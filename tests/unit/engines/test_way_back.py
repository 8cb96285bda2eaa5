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


def test_what_can_not_be_armed_is_not_called_armed(tmp_path, way):
    make, run = way
    (tmp_path / "file").write_text("before")
    system = make("system")
    run(system, "save")
    run(system, "arm", "30")
    assert (system / "armed").exists()
    assert {p.name for p in tmp_path.glob("kahya-return-*")} == {
        "kahya-return-system.service",
        "kahya-return-system.timer",
    }
    run(system, "disarm")
    (tmp_path / "programs/systemctl").unlink()
    (tmp_path / "programs/systemctl").symlink_to("/bin/false")
    with pytest.raises(subprocess.CalledProcessError):
        run(system, "arm", "30")
    assert not (system / "armed").exists()
    assert not [*tmp_path.glob("kahya-return-*"), *tmp_path.glob("timers.target.wants/*")]


def test_units_left_by_a_power_loss_are_removed_by_the_timer_that_they_start(tmp_path, way):
    make, run = way
    (tmp_path / "file").write_text("before")
    system = make("system")
    run(system, "save")
    run(system, "arm", "30")
    (system / "armed").unlink()  # the last to be written, and the power failed before
    run(system, "undo", "timer")
    assert not [*tmp_path.glob("kahya-return-*"), *tmp_path.glob("timers.target.wants/*")]


def test_a_timer_left_by_a_power_loss_after_the_return_is_removed(tmp_path, way):
    make, run = way
    (tmp_path / "file").write_text("before")
    system = make("system")
    run(system, "save")
    run(system, "arm", "30")
    (system / "returned").write_text("timer\n")  # it is back, and the power failed right after
    (tmp_path / "file").write_text("after")
    run(system, "undo", "timer")
    assert (tmp_path / "file").read_text() == "after", "once is enough"
    assert not (system / "armed").exists(), "else nothing could be changed here any more"
    assert not [*tmp_path.glob("kahya-return-*"), *tmp_path.glob("timers.target.wants/*")]
