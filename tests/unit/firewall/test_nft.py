"""Where a ruleset can't be loaded, that is said, with what to do."""

import pytest

from kahya.errors import PlanError
from kahya.firewall import nft

FORBIDDEN = "unshare: unshare failed: Operation not permitted"
CASES = {  # what unshare does here: the message, and what to do
    f"echo '{FORBIDDEN}' >&2; exit 1": (f"be checked here: {FORBIDDEN}", "user.max_user_namesp"),
    "/bin/sleep 20": ("here: nft takes more than 0.2 seconds", "less to do"),
    "echo 'sh: 1: nft: not found' >&2; exit 127": ("nft: not found", "Install nftables"),
    None: ("here: there is no command unshare", "util-linux"),
}


@pytest.mark.parametrize("does", CASES, ids=str)
def test_what_to_do_is_said(tmp_path, monkeypatch, does):
    if does:
        (tmp_path / "unshare").write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / "unshare").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(nft, "SECONDS", 0.2 if does and "sleep" in does else 20)
    with pytest.raises(PlanError) as told:
        nft.listed("")
    for words, said in zip(CASES[does], (str(told.value), told.value.hint), strict=True):
        assert words in said


@pytest.mark.parametrize(("user", "asks"), [(0, False), (1000, True)])
def test_root_needs_no_user_namespace(tmp_path, monkeypatch, user, asks):
    (tmp_path / "unshare").write_text('#!/bin/sh\necho "[\\"$*\\"]"\n')
    (tmp_path / "unshare").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(nft.os, "geteuid", lambda: user)
    (words,) = nft.listed("")
    assert ("--user" in words) is asks
