"""Backups of the lab's real routers: whose work each line is, and an older one brought back."""

import re
import shutil
import subprocess
import time

import pytest
from admin import ROOT, SIGNERS, approve, found, kahya, on, run

from kahya.inventory import load, state_folder
from kahya.journal import Journal

pytestmark = pytest.mark.usefixtures("bring_up")
TOWN = load(ROOT / "inventories/lab")
REPOSITORY = state_folder(TOWN) / "backups.git"
FEN = "fen_isleri/gw-fen/running"
RETURN_SECONDS = 120  # of a gateway that is switched on, on a busy machine
CANARY, OTHER = "Kanarya5arkisi", "BaskaBirSarki"
AUTHOR, SECOND = (f"{name}@ornek.bel.tr" for name in SIGNERS)


def git(*words):
    done = run("git", f"--git-dir={REPOSITORY}", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def blame(path=FEN):
    """Return who answers for each line of a backup."""
    told = git("blame", "--line-porcelain", "main", "--", path)
    both = re.findall(r"^author (.*)\n(?:.*\n)*?\t(.*)$", told, re.MULTILINE)
    return {line: author for author, line in both}


def vtysh(host, *lines):
    """Set lines on a router by hand, and keep them."""
    words = " ".join(f"-c '{line}'" for line in ("configure terminal", *lines, "end", "write"))
    return on(host, f"vtysh {words}")


@pytest.fixture
def repair(tmp_path):
    """Return a function that has the town's routers brought back to the inventory."""

    def repaired():
        file = tmp_path / f"repair-{len(list(tmp_path.iterdir()))}.json"
        code = kahya(
            "drift", "--limit", "gateways", "--system", "routing", "--out", file
        ).returncode
        assert code == 2
        approve(file, *SIGNERS)
        done = kahya("apply", file)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return repaired


def test_the_bring_up_was_backed_up_on_the_word_of_who_signed_it():
    for name in ("gw-merkez", "gw-fen", "gw-itfaiye"):
        building = TOWN.hosts[name].building
        lines = blame(f"{building}/{name}/running")
        assert set(lines.values()) == {AUTHOR}
        assert "router ospf" in lines
        assert git("show", f"main:{building}/{name}/startup") == git(
            "show", f"main:{building}/{name}/running"
        )
    commits = {git("log", "-1", "--format=%H %B", "main", "--", f"{path}/running")
               for path in ("merkez/gw-merkez", "itfaiye/gw-itfaiye")}  # fmt: skip
    assert len(commits) == 1, "one apply is one commit"
    assert f"Co-authored-by: {SECOND}" in commits.pop()


def test_nothing_changed_is_no_commit():
    head = git("rev-parse", "main")
    for _time in range(2):
        done = kahya("backup", "--limit", "gateways")
        assert done.returncode == 0, done.stderr
        assert "3 devices read, 0 differed" in done.stdout
    assert git("rev-parse", "main") == head


def test_a_change_by_hand_is_unknown_and_its_repair_approved(repair):
    vtysh("gw-fen", "interface wg-merkez", "ip ospf cost 500", "description by hand")
    said = repair()
    # The backup right before the apply found what was done by hand, the one after it the repair.
    assert "gw-fen differs, and nobody applied it; author unknown" in said
    assert f"Backed up: gw-fen, by {AUTHOR}, {SECOND}, plan " in said
    authors = git("log", "-2", "--format=%an", "--", FEN).split()
    assert authors == [AUTHOR, "unknown"]
    assert "by hand" in git("show", f"main~1:{FEN}")
    assert set(blame().values()) == {AUTHOR}
    entries = Journal.in_folder(state_folder(TOWN)).latest(1, "started")
    assert f"journal entry {entries[0].number}, approved by {AUTHOR}, {SECOND}." in git(
        "log", "-1", "--format=%B"
    )


def test_no_secret_gets_into_the_repository_and_a_change_of_it_is_seen(repair):
    tokens = set()
    for secret in (CANARY, OTHER):
        vtysh("gw-fen", "interface lan0", f"ip ospf message-digest-key 7 md5 {secret}")
        assert kahya("backup", "--limit", "gw-fen").returncode == 0
        token = re.search("md5 (<secret:.*>)", git("show", f"main:{FEN}"))[1]
        assert blame()[f" ip ospf message-digest-key 7 md5 {token}"] == "unknown"
        tokens.add(token)
    assert len(tokens) == 2
    repair()
    command = ["git", f"--git-dir={REPOSITORY}", "cat-file", "--batch-all-objects", "--batch"]
    objects = subprocess.run(command, check=True, capture_output=True).stdout
    assert b"<secret:" in objects
    assert not re.search(f"{CANARY}|{OTHER}".encode(), objects)


def test_a_router_that_is_off_keeps_its_backup():
    before = git("show", "main:itfaiye/gw-itfaiye/running")
    assert run("scripts/lab", "stop", "gw-itfaiye").returncode == 0
    try:
        done = kahya("backup", "--limit", "gateways")
        assert done.returncode == 3
        assert "gw-itfaiye: unreachable" in done.stdout
        assert "2 devices read, 0 differed" in done.stdout
    finally:
        assert run("scripts/lab", "start", "gw-itfaiye").returncode == 0
    assert git("show", "main:itfaiye/gw-itfaiye/running") == before
    until = time.monotonic() + RETURN_SECONDS
    while found("--limit", "gw-itfaiye")[0]:
        assert time.monotonic() < until, "the gateway does not come back"
    assert "3 devices read, 0 differed" in kahya("backup", "--limit", "gateways").stdout, (
        "a restart changes no order"
    )


def test_an_older_revision_is_restored_like_any_other_change(repair, tmp_path):
    vtysh("gw-fen", "interface lan0", f"ip ospf message-digest-key 7 md5 {CANARY}",
          "description an older one")  # fmt: skip
    assert kahya("backup", "--limit", "gw-fen").returncode == 0
    old = git("rev-parse", "main").strip()
    vtysh("gw-fen", "interface lan0", "description a newer one")
    assert kahya("backup", "--limit", "gw-fen").returncode == 0

    file = tmp_path / "restore.json"
    done = kahya("restore", "gw-fen", "main~1", "--out", file)
    assert done.returncode == 2, done.stderr
    assert f"gw-fen gets its backup of commit {old} back." in done.stdout
    assert CANARY not in file.read_text(encoding="utf-8")
    assert kahya("verify", file).returncode == 0
    refused = kahya("apply", file)
    assert refused.returncode == 1
    assert "more signatures" in refused.stderr
    approve(file, *SIGNERS)
    hidden = tmp_path / "backups.git"
    shutil.move(REPOSITORY, hidden)
    refused = kahya("apply", file)
    assert refused.returncode == 1
    assert f"no backup of gw-fen at {old}" in refused.stderr
    shutil.rmtree(REPOSITORY)
    shutil.move(hidden, REPOSITORY)

    done = kahya("apply", file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert git("show", f"main:{FEN}") == git("show", f"{old}:{FEN}")
    assert CANARY in on("gw-fen", "vtysh -c 'show running-config'")
    assert blame()[" description an older one"] == AUTHOR

    code, drift = found("--limit", "gw-fen")
    assert code == 2
    notes = {f["resource"]: (f["kind"], f["note"]) for f in drift["findings"]}
    assert notes["interface lan0"][0] == "drift"
    assert "an older configuration was restored here" in notes["interface lan0"][1]
    assert CANARY not in str(drift)

    # The key is gone from the device with the repair, and the vault never had it.
    repair()
    lost = kahya("restore", "gw-fen", old)
    assert lost.returncode == 1
    assert re.search(r"line \d+: ip ospf message-digest-key 7 md5 <\S+> Set it on", lost.stdout)
    assert found("--limit", "gw-fen")[0] == 0
