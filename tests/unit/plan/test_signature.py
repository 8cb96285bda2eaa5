"""Signing and verifying by the real ssh-keygen and ssh-agent."""

import os
import pty
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from kahya.errors import PlanError
from kahya.plan import signature

NOW = datetime.now(UTC)


def verified(people, statement, signed):
    return signature.verify(statement, signed, people.all[0], "kahya-plan", (NOW,))


@pytest.fixture
def agent(monkeypatch, tmp_path):
    """Start an ssh-agent and return what adds a key to it."""
    socket = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.PIPE) as process:
        process.stdout.readline()  # it listens once it has said where
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        yield lambda key: subprocess.run(["ssh-add", "-q", key], check=True)
        process.terminate()


def test_a_signature_is_of_one_statement_by_one_person(people):
    signed = signature.sign(b"this", people.key("ayse"), "kahya-plan")
    assert verified(people, b"this", signed) == ""
    assert verified(people, b"that", signed)
    other = signature.sign(b"this", people.key("mehmet"), "kahya-plan")
    assert verified(people, b"this", other)


def test_the_only_key_of_an_approver_in_the_agent_is_used(people, agent):
    agent(people.key("stranger"))
    with (
        pytest.raises(PlanError, match="ssh-agent offers 0 keys"),
        signature.signing_key(None, people.all),
    ):
        pass
    agent(people.key("ayse"))
    with signature.signing_key(None, people.all) as (who, key):
        assert who.name == "ayse@ornek.bel.tr"
        assert verified(people, b"x", signature.sign(b"x", key, "kahya-plan")) == ""
    agent(people.key("mehmet"))
    with (
        pytest.raises(PlanError, match="ssh-agent offers 2 keys"),
        signature.signing_key(None, people.all),
    ):
        pass


def test_a_public_key_signs_through_the_agent(people, agent, tmp_path):
    key = tmp_path / "ayse.pub"  # the private half is not beside it
    key.write_text(people.key("ayse").with_suffix(".pub").read_text())
    agent(people.key("ayse"))
    with signature.signing_key(key, people.all) as (who, file):
        assert who.name == "ayse@ornek.bel.tr"
        assert verified(people, b"x", signature.sign(b"x", file, "kahya-plan")) == ""


def test_no_agent_is_an_error_that_says_what_to_do(people, monkeypatch):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(PlanError) as caught, signature.signing_key(None, people.all):
        pass
    assert "--key" in caught.value.hint


@pytest.mark.parametrize("name", ["stranger", "approvers", "missing"])
def test_a_key_that_is_nobodys_is_refused(people, name):
    with (
        pytest.raises(PlanError, match=r"nobody's key|is not a key") as caught,
        signature.signing_key(people.key(name), people.all),
    ):
        pass
    assert caught.value.hint


def test_the_passphrase_is_asked_for_on_the_terminal(people):
    """The child has a terminal of its own, but neither as its input nor as its output."""
    key = people.make("locked", "geheim")
    code = (
        "import sys; from pathlib import Path; from kahya.plan.signature import sign;"
        "open(sys.argv[2], 'w').write(sign(b'x', Path(sys.argv[1]), 'kahya-plan'))"
    )
    out = people.folder / "signed"
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", code, str(key), str(out)])
    shown = b""
    while b"passphrase" not in shown:
        shown += os.read(terminal, 1000)
    os.write(terminal, b"geheim\n")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(terminal)
    assert b"geheim" not in shown
    assert out.read_text().startswith("-----BEGIN SSH SIGNATURE-----")
