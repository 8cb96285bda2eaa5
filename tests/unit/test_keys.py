"""Keys that gateways make: what is asked of them, and what is written down."""

import shutil
from base64 import b64encode
from pathlib import Path

import pytest

from kahya import keys
from kahya.errors import EngineError, InventoryError
from kahya.inventory import load

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


def test_a_turn_of_keys(place, said, monkeypatch):
    monkeypatch.chdir(place.parents[1])
    town = load(place)
    old = town.hosts["gw-fen"].vars["vpn_public_key"]
    asked = said(f"echo {NEW}")
    made = keys.make(town, [town.hosts["gw-fen"]], keys.NEXT)
    assert made == {"gw-fen": NEW}
    assert asked.read_text().startswith("gw-fen sudo -n sh -c")
    assert "wg pubkey <private.key.next" in asked.read_text()
    keys.write(town, "gw-fen", vpn_public_key_next=NEW)
    host = load(place).hosts["gw-fen"]
    assert (host.vars["vpn_public_key"], host.vars["vpn_public_key_next"]) == (old, NEW)
    keys.switch(town, host)
    host = load(place).hosts["gw-fen"]
    assert host.vars["vpn_public_key"] == NEW
    with pytest.raises(InventoryError, match="no next key"):
        keys.switch(town, host)
    with pytest.raises(InventoryError, match="vault"):
        keys.switch(town, town.hosts["gw-merkez"])


def test_who_cannot_make_one_is_named(place, said, monkeypatch):
    monkeypatch.chdir(place.parents[1])
    town = load(place)
    said("echo 'sh: wg: not found' >&2; exit 127")
    with pytest.raises(EngineError, match="gw-fen: sh: wg: not found"):
        keys.make(town, [town.hosts["gw-fen"]], keys.PRESENT)
