"""Drift, pending and waived, told apart on real hosts, from a clone that is ahead of the town."""

import pytest
from admin import ROOT, found, kahya, on, run

from kahya.checkout import commit

pytestmark = pytest.mark.usefixtures("bring_up")
TOWN = "inventories/lab"
ZONE = "file /etc/timezone"
SSHD = "file /etc/ssh/sshd_config"
WAIVER = """\
- host: pc-merkez
  system: base
  resource: user *
  owner: ayse@ornek.bel.tr
  reason: a guest until the fair ends
  until: {until}
"""


@pytest.fixture
def clone(tmp_path):
    """A clone of the checkout, on the same lab and journal, whose commits nobody applies."""
    if "+" in commit(ROOT):
        pytest.skip("the town was set up from files that were never committed: they can't be had")
    clone = tmp_path / "clone"
    assert run("git", "clone", "--quiet", ROOT, clone).returncode == 0
    (clone / ".kahya").symlink_to(ROOT / ".kahya")
    return clone


def save(clone, name, text):
    file = clone / TOWN / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    me = ("-c", "user.name=Ayse", "-c", "user.email=ayse@ornek.bel.tr")
    assert run("git", "-C", clone, "add", "--all", TOWN).returncode == 0
    assert run("git", "-C", clone, *me, "commit", "--quiet", "-m", name).returncode == 0


def look(clone, limit):
    """Return the exit code, and by host and resource what each difference means."""
    code, document = found("-i", TOWN, "--limit", limit, cwd=clone)
    assert not document["doubts"]
    return code, {(f["host"], f["resource"]): f for f in document["findings"]}


def test_a_value_of_the_inventory_is_pending_and_a_change_by_hand_is_drift(clone):
    save(clone, "host_vars/pc-fen/main.yml", "base_timezone: Asia/Tokyo\n")
    code, only = look(clone, "pc-fen")
    assert code == 2
    assert {f["kind"] for f in only.values()} == {"pending"}
    on("pc-fen", "chmod 0666 /etc/ssh/sshd_config")
    try:
        code, both = look(clone, "pc-fen,pc-itfaiye")
        assert code == 2
        assert both.keys() == {*only, ("pc-fen", SSHD)}
        assert both["pc-fen", SSHD]["kind"] == "drift"
        for key, finding in only.items():
            assert both[key]["kind"] == "pending"
            assert both[key]["since"] == finding["since"], "it was there at the first look"
        shown = kahya("drift", "-i", TOWN, "--limit", "pc-fen", cwd=clone).stdout
        drift, pending = shown.index("Drift: "), shown.index("Pending: ")
        assert drift < shown.index(SSHD) < pending < shown.index("Asia/Tokyo")
        # Seen from the town's own checkout the clone is not ahead: there is drift alone.
        assert {f["resource"]: f["kind"] for f in look(ROOT, "pc-fen")[1].values()} == {
            SSHD: "drift"
        }
    finally:
        on("pc-fen", "chmod 0600 /etc/ssh/sshd_config")
    assert look(ROOT, "pc-fen") == (0, {})


def test_a_waiver_excuses_what_it_is_about_until_it_ends(clone):
    guest = "pc-merkez", "user misafir"
    on("pc-merkez", "useradd misafir")
    try:
        assert look(clone, "pc-merkez")[0] == 2
        save(clone, "waivers.yml", WAIVER.format(until="2999-12-31"))
        code, findings = look(clone, "pc-merkez")
        assert (code, list(findings)) == (0, [guest])
        assert findings[guest]["kind"] == "drift"
        assert findings[guest]["waiver"]["owner"] == "ayse@ornek.bel.tr"
        save(clone, "waivers.yml", WAIVER.format(until="2020-12-31"))
        code, findings = look(clone, "pc-merkez")
        assert (code, findings[guest]["waiver"]["expired"]) == (2, True)
        shown = kahya("drift", "-i", TOWN, "--limit", "pc-merkez", cwd=clone).stdout
        assert "the waiver of ayse@ornek.bel.tr ended on 2020-12-31" in shown
    finally:
        on("pc-merkez", "userdel misafir")
    assert look(clone, "pc-merkez") == (0, {})
