"""The checkout has one name for one state, and can be had as it was before."""

import subprocess
import time
from pathlib import Path

import pytest

from kahya.checkout import at_commit, authors, commit
from kahya.errors import CheckoutError

HOSTS = "inventories/town/hosts.yml"


def git(root, *words, who="Ayşe"):
    person = ["-c", f"user.name={who}", "-c", f"user.email={who.upper()}@ornek.bel.tr"]
    command = ["git", "-C", str(root), *person, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def save(root, name, text, who="Ayse"):
    """Write a file, commit it and return the commit."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")
    git(root, "add", "--all")
    git(root, "commit", "-m", name, who=who)
    return git(root, "rev-parse", "HEAD")


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    root = tmp_path / "checkout"
    root.mkdir()
    git(root, "init", "-q")
    git(root, "config", "user.email", "Planner@ornek.bel.tr")
    save(root, ".gitignore", ".kahya/\n*.password\n")
    save(root, HOSTS, "one", "Ayse")
    (root / ".kahya").mkdir()
    (root / ".kahya/key").write_text("key", encoding="utf-8")
    return root


def test_a_clean_checkout_is_its_commit(root):
    assert commit(root) == git(root, "rev-parse", "HEAD")
    for name in ("plan.json", "inventories/town/x.password", ".kahya/more"):
        (root / name).write_text("changes nothing that Kâhya does", encoding="utf-8")
    assert commit(root) == git(root, "rev-parse", "HEAD")


def test_every_dirty_state_has_a_name_of_its_own(root):
    clean = git(root, "rev-parse", "HEAD")
    path, names = root / HOSTS, []

    def name():
        names.append(commit(root))
        assert names[-1] == commit(root), "the same state has the same name"

    path.write_text("two", encoding="utf-8")
    name()
    git(root, "add", "--all")
    assert commit(root) == names[-1], "what is staged doesn't matter"
    path.write_text("six", encoding="utf-8")
    name()
    (root / "roles").mkdir()
    (root / "roles/new one.yml").write_text("a", encoding="utf-8")
    name()
    (root / "roles/new one.yml").chmod(0o755)
    name()
    (root / "roles/new one.yml").unlink()
    (root / "roles/new one.yml").symlink_to("/etc/passwd")
    name()
    path.unlink()
    name()
    assert len(set(names)) == len(names)
    for found in names:
        head, digits = found.split("+")
        assert head == clean
        assert len(bytes.fromhex(digits)) == 4


def test_a_town_may_lie_deeper_in_its_repository(root):
    deeper = root / "it"
    before = save(root, f"it/{HOSTS}", "one")
    names = []
    for text in ("two", "six"):
        (deeper / HOSTS).write_text(text, encoding="utf-8")
        names.append(commit(deeper))
    assert len({before, *names}) == 3
    with at_commit(deeper, before) as files:
        assert (files / HOSTS).read_text(encoding="utf-8") == "one"


def test_the_name_is_there_at_once():
    here = Path(__file__).parents[2]
    commit(here)
    begin = time.monotonic()
    commit(here)
    assert time.monotonic() - begin < 0.5  # 0.03 s on an idle machine


def test_without_git_there_is_no_commit_and_no_author(tmp_path):
    assert commit(tmp_path) == "none"
    assert authors(tmp_path, None) == ()
    with pytest.raises(CheckoutError, match="has no history"), at_commit(tmp_path, "none"):
        pass


def test_authors_are_those_of_what_is_new(root):
    first = git(root, "rev-parse", "HEAD")
    save(root, HOSTS, "two", "Mehmet")
    second = git(root, "rev-parse", "HEAD")
    (root / HOSTS).write_text("three", encoding="utf-8")
    git(root, "commit", "-am", "x", "--author=Can <can@ornek.bel.tr>", who="Zeynep")
    here = "planner@ornek.bel.tr"
    both = ("can@ornek.bel.tr", here, "zeynep@ornek.bel.tr")
    assert authors(root, second) == both
    assert authors(root, first) == tuple(sorted({*both, "mehmet@ornek.bel.tr"}))
    assert authors(root, f"{first}+12345678") == authors(root, first)
    for own in (None, "HEAD", git(root, "rev-parse", "HEAD"), "0" * 40, "--all", "none"):
        assert authors(root, own) == both


def test_files_are_as_they_were(root):
    (root / "inventories/town/vault.password").write_text("secret", encoding="utf-8")
    before = git(root, "rev-parse", "HEAD")
    save(root, HOSTS, "two")
    (root / HOSTS).write_text("dirty", encoding="utf-8")
    state = git(root, "status", "--porcelain")
    with at_commit(root, before) as files:
        assert (files / HOSTS).read_text(encoding="utf-8") == "one"
        assert (files / ".kahya/key").read_text(encoding="utf-8") == "key"
        assert (files / "inventories/town/vault.password").read_text("utf-8") == "secret"
        assert files.parent.stat().st_mode & 0o777 == 0o700
        with at_commit(root, "HEAD") as other:
            assert (other / HOSTS).read_text(encoding="utf-8") == "two"
            assert files.exists(), "what is in use stays"
    assert not files.parent.exists()
    assert (root / ".kahya/key").exists()
    assert (root / "inventories/town/vault.password").exists()
    assert git(root, "status", "--porcelain") == state


@pytest.mark.parametrize("name", ["0" * 40, "no such commit", "none", "--help"])
def test_a_commit_that_is_gone_is_said_to_be(root, name):
    with (
        pytest.raises(CheckoutError, match="can't be had any more") as caught,
        at_commit(root, name),
    ):
        pass
    assert caught.value.hint


def test_what_was_never_committed_whole_can_not_be_had(root):
    name = git(root, "rev-parse", "HEAD") + "+12345678"
    with pytest.raises(CheckoutError, match="can't be had any more"), at_commit(root, name):
        pass
