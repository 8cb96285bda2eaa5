"""What is wrong in an inventory is found, all of it, with file, line, key and what to write."""

import shutil
from pathlib import Path
from textwrap import indent

import pytest
import yaml

from kahya.cli import main
from kahya.errors import InventoryError
from kahya.i18n import set_language
from kahya.inventory import examine, load

ROOT = Path(__file__).parents[2]
SMALL_TOWNS = sorted(
    file.parent for folder in ("molecule", "tests") for file in (ROOT / folder).rglob("town.yml")
)
CASES = yaml.safe_load((Path(__file__).parent / "cases/inventory_errors.yml").read_text())


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Return a copy of the inventory and of what it points at."""
    for name in ("inventories", "roles", "deploys", "templates", "probes"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("systems.yml", "ansible.cfg"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def change(root: Path, case: dict) -> None:
    """Do what a case says to one file; a text to replace must be there."""
    file = root / case["file"]
    text = case["write"] if "write" in case else file.read_text()
    if "replace" in case:
        old, new = case["replace"]
        assert old in text
        text = text.replace(old, new, 1)
    file.write_text(text + case.get("append", ""))


def test_the_lab_is_in_order():
    town, problems = examine(ROOT / "inventories/lab")
    assert problems == []
    assert town is not None
    assert len(town.buildings) == 3


@pytest.mark.parametrize("town", SMALL_TOWNS, ids=lambda town: town.name)
def test_every_town_of_the_tests_is_in_order(town, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert examine(town)[1] == []


@pytest.mark.parametrize("case", CASES, ids=[c["name"] for c in CASES])
def test_every_problem_is_reported(case, checkout):
    change(checkout, case)
    if "also" in case:
        change(checkout, case["also"])
    town, problems = examine(Path("inventories/lab"))
    shown = [str(problem) for problem in problems]
    assert town is None
    assert len(shown) == len(case["problems"]), shown
    assert "hunter2" not in str(shown)
    for place, words in case["problems"]:
        assert any(place in line and words in line for line in shown), shown


def test_broken_yaml_names_file_and_line(checkout):
    (checkout / "inventories/lab/group_vars/merkez.yml").write_text("building: {title: [\n")
    with pytest.raises(InventoryError, match=r"group_vars/merkez\.yml:2: .* not YAML"):
        load(Path("inventories/lab"))


def test_validate_speaks_turkish(checkout, monkeypatch, capsys):
    monkeypatch.setenv("ANSIBLE_CONFIG", "ansible.cfg")
    for name in ("a device without platform", "a host in two buildings", "bad host address"):
        change(checkout, next(c for c in CASES if c["name"] == name))
    try:
        with pytest.raises(SystemExit, match="1"):
            main(["validate", "-i", "inventories/lab", "--lang", "tr"])
    finally:
        set_language("en")
    shown = capsys.readouterr().err
    for words in (
        "platform: gw-fen için eksik (beklenen: platform: aygıtın işletim sistemi (frr ya da",
        "pc-merkez: birden çok binada yer alıyor: merkez ve fen_isleri (beklenen: makine,",
        "'10.20.2.500' geçerli değil (beklenen: bir IPv4 adresi, örneğin 10.20.1.10)",
        "Düzeltilecek: 3.",
    ):
        assert words in shown


def test_a_vault_that_does_not_open_is_an_error(checkout):
    (checkout / "inventories/lab/.vault-password").write_text("wrong")
    with pytest.raises(InventoryError, match=r"(?i)decrypt"):
        load(Path("inventories/lab"))


def test_secrets_are_known_and_never_shown():
    town = load(ROOT / "inventories/lab")
    keys = {h.vars["vpn_private_key"] for h in town.hosts.values() if "gateways" in h.groups}
    assert keys <= set(town.secrets)
    assert not any(key in repr(town) for key in keys)


def test_a_value_encrypted_by_itself_is_read_and_a_secret(checkout):
    from ansible.parsing.vault import VaultLib, VaultSecret

    password = (checkout / "inventories/lab/.vault-password").read_bytes().strip()
    key = "YAnxXpZhZsxOtSBMPJYWiAmTEbCpUrwj/3QNpbWrHUs="
    text = VaultLib([("lab", VaultSecret(password))]).encrypt(key, vault_id="lab").decode()
    file = checkout / "inventories/lab/host_vars/gw-fen/vault.yml"
    file.write_text("vpn_private_key: !vault |\n" + indent(text, "  "))
    town = load(Path("inventories/lab"))
    assert town.hosts["gw-fen"].vars["vpn_private_key"] == key
    assert key in town.secrets


def test_networks_are_known_by_their_zone():
    building = load(ROOT / "inventories/lab").hosts["pc-fen"].vars["building"]
    assert building["networks"] == {
        "ofis": ["10.20.2.0/24", "fd20:0:0:2::/64"],
        "misafir": ["10.20.102.0/24", "fd20:0:0:102::/64"],
    }
    assert (building["gateway"], building["gateway6"]) == ("10.20.2.1", "fd20:0:0:2::1")


def test_a_host_outside_may_stand_in_a_building():
    town = load(ROOT / "inventories/lab")
    assert not town.hosts.keys() & town.outside.keys()
    places = {host.name: host.building for host in town.outside.values()}
    assert places == {
        "internet": "", "web-merkez": "merkez", "misafir-fen": "fen_isleri",
        "kamera-itfaiye": "itfaiye",
    }  # fmt: skip


def test_both_ends_of_a_tunnel_agree():
    town = load(ROOT / "inventories/lab")
    for gateway in (h for h in town.hosts.values() if "gateways" in h.groups):
        for tunnel in gateway.vars["tunnels"]:
            peer = town.hosts[tunnel["peer_host"]]
            address = tunnel["address"].split("/")[0]
            [back] = [t for t in peer.vars["tunnels"] if t["peer_address"] == address]
            assert tunnel["peer_address"] == back["address"].split("/")[0]
            assert (tunnel["line"], tunnel["peer_line"]) == (back["peer_line"], back["line"])
            assert tunnel["peer_address6"] == back["address6"].split("/")[0]
            assert tunnel["endpoint"].endswith(f":{back['listen_port']}")
            assert tunnel["peer_public_key"] == peer.vars["vpn_public_key"]
