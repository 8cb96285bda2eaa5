"""Keys that gateways make: what is asked of them, and what is written down."""

import shutil
from base64 import b64encode
from pathlib import Path
from types import SimpleNamespace

import pytest

from kahya import keys
from kahya.errors import EngineError, InventoryError
from kahya.inventory import load
from kahya.journal import Journal

ROOT = Path(__file__).parents[2]
NEW = b64encode(bytes(range(32))).decode()


@pytest.fixture
def place(tmp_path):
    """A copy of the example town, whose gw-fen has its own key."""
    for part in ("inventories", "roles", "deploys", "templates", "probes"):
        shutil.copytree(ROOT / part, tmp_path / part)
    for file in ("systems.yml", "ansible.cfg"):
        shutil.copy(ROOT / file, tmp_path)
    (tmp_path / "inventories/lab/host_vars/gw-fen/vault.yml").unlink()
    return tmp_path / "inventories/lab"


@pytest.fixture
def said(monkeypatch, tmp_path):
    """What ssh answers, and a file with what it was asked."""
    asked = tmp_path / "asked"

    def answer(script):
        ssh = tmp_path / "bin/ssh"
        ssh.parent.mkdir(exist_ok=True)
        ssh.write_text(f'#!/bin/sh\necho "$3 $4" >>{asked}\n{script}\n', encoding="utf-8")
        ssh.chmod(0o755)
        monkeypatch.setenv("PATH", f"{ssh.parent}:/usr/bin:/bin")
        monkeypatch.setattr("kahya.ssh.beyond_vpn", lambda _town: ())
        return asked

    return answer


class Past:
    """A journal in which the VPN of gateways was applied by a plan that has a key in it."""

    def __init__(self, folder):
        self.journal = Journal(f"sqlite:///{folder}/journal.sqlite")

    def applied(self, key, *hosts, status="applied"):
        run = self.journal.record("started", "", {"document": f'{{"diff": "+PublicKey = {key}"}}'})
        about = {"system": "vpn", "run": run.number, "applied": [], "commit": "none"}
        for host in hosts:
            self.journal.record("outcome", "", {**about, "host": host, "status": status})


def test_a_turn_of_keys(place, said, monkeypatch, tmp_path):
    monkeypatch.chdir(place.parents[1])
    town, past = load(place), Past(tmp_path)
    old = town.hosts["gw-fen"].vars["vpn_public_key"]
    asked = said(f"echo {NEW}")
    made = keys.make(town, [town.hosts["gw-fen"]], keys.NEXT)
    assert made == {"gw-fen": NEW}
    assert asked.read_text().startswith("gw-fen sudo -n sh -c")
    assert "wg pubkey <private.key.next" in asked.read_text()
    keys.write(town, {"gw-fen": {keys.NEXT: NEW}})
    host = load(place).hosts["gw-fen"]
    assert (host.vars["vpn_public_key"], host.vars["vpn_public_key_next"]) == (old, NEW)
    past.applied(NEW, "gw-fen", "gw-merkez")
    past.applied(NEW, "gw-itfaiye", status="failed")
    with pytest.raises(InventoryError, match="gw-itfaiye doesn't know the next key of gw-fen"):
        keys.switch(town, [host], past.journal)
    past.applied(NEW, "gw-itfaiye")
    with pytest.raises(InventoryError, match="vault"):
        keys.switch(town, [host, town.hosts["gw-merkez"]], past.journal)
    assert load(place).hosts["gw-fen"].vars == host.vars
    keys.switch(town, [host], past.journal)
    host = load(place).hosts["gw-fen"]
    assert host.vars["vpn_public_key"] == NEW
    with pytest.raises(InventoryError, match="no next key"):
        keys.switch(town, [host], past.journal)
    with pytest.raises(InventoryError, match="its present one still"):
        keys.make(town, [host], keys.NEXT)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("gw/main.yml", "platform: frr", "platform: frr\nvpn_public_key: NEW\n"),
        ("gw/main.yml", "vpn_public_key: OLD", "vpn_public_key: NEW\n"),
        ("gw/main.yml", "vpn_public_key:\n  OLD\na: 1\n", "vpn_public_key: NEW\na: 1\n"),
        ("gw/vpn.yml", "vpn_public_key: OLD\n", "vpn_public_key: NEW\n"),
        ("gw.yml", "a: 1\n", "a: 1\nvpn_public_key: NEW\n"),
    ],
)
def test_a_key_is_written_where_the_host_has_it(tmp_path, name, before, after):
    path = tmp_path / "host_vars" / name
    path.parent.mkdir(parents=True)
    path.write_text(before)
    others = path.parent / "gw" if name == "gw.yml" else path.parent
    others.mkdir(exist_ok=True)
    (others / "a.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n00\n")
    town = SimpleNamespace(directory=str(tmp_path))
    with pytest.raises(InventoryError, match="other has no file in host_vars"):
        keys.write(town, {"gw": {keys.PRESENT: "NEW"}, "other": {keys.PRESENT: "NEW"}})
    assert path.read_text() == before
    assert keys.write(town, {"gw": {keys.PRESENT: "NEW"}}) == {"gw": path}
    assert path.read_text() == after


def test_who_cannot_make_one_is_named(place, said, monkeypatch):
    monkeypatch.chdir(place.parents[1])
    town = load(place)
    said("echo 'sh: wg: not found' >&2; exit 127")
    with pytest.raises(EngineError, match="gw-fen: sh: wg: not found"):
        keys.make(town, [town.hosts["gw-fen"]], keys.PRESENT)
