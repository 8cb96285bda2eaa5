"""The lab is what the inventory says, and nothing else."""

from pathlib import Path

import pytest
from blueprint import Blueprint, Machine, MirrorPort, Port, blueprint
from containers import Container, spec
from devices.config import Config
from devices.grammar import Grammar
from hypothesis import given
from hypothesis import strategies as st
from lab import ROOT, Lab, known_hosts
from standins import factory
from tools import LabError
from wires import cable_name

from kahya.inventory import load

ONE_ROUTER = ROOT / "tests" / "e2e" / "towns" / "one_router"
ONE_SWITCH = ROOT / "tests" / "e2e" / "towns" / "one_switch"


@pytest.fixture(scope="module")
def one_router() -> Blueprint:
    return blueprint(load(ONE_ROUTER))


def test_a_router_has_the_interfaces_of_its_inventory(one_router: Blueprint) -> None:
    router, _ = one_router.machines
    assert router.ports == (
        Port("lan0", "lan0-1", "10.20.1.1/24"),
        Port("wan0", "wan", "198.51.100.12/24"),
    )
    assert router.gateway == "198.51.100.1"
    assert router.routes


def test_a_pc_hangs_on_its_buildings_lan(one_router: Blueprint) -> None:
    _, pc = one_router.machines
    assert pc == Machine("pc-depo", "depo", (Port("eth0", "lan0-1", "10.20.1.50/24"),), "10.20.1.1")
    assert not pc.routes


def test_a_switch_is_plugged_in_as_its_ports_say() -> None:
    gateway, ios, eos = blueprint(load(ONE_SWITCH)).machines
    assert not gateway.platform
    assert ios == Machine(
        "sw-depo", "depo", (Port("eth0", "lan0-1", "10.20.1.2/24"),), "10.20.1.1",
        "ios", ",".join(f"GigabitEthernet1/0/{n}" for n in range(1, 9)),
        (("GigabitEthernet1/0/1", "gw-depo", "lan0"),),
    )  # fmt: skip
    assert (eos.platform, eos.cables) == ("eos", (("Ethernet1", "gw-depo", "lan0"),))


@pytest.mark.parametrize("name", ["sw-depo", "sw-arka"])
def test_a_switch_takes_what_it_is_delivered_with(name: str) -> None:
    host = load(ONE_SWITCH).hosts[name]
    config = Config(Grammar(host.vars["platform"], []))
    assert config.load(factory(host)) == []
    shown = "\n".join(config.lines())
    assert host.address in shown
    assert "depo-parola" not in shown, "passwords are kept as hashes"


def test_a_blueprint_with_switches_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = blueprint(load(ONE_SWITCH))
    made.write(tmp_path / "blueprint.json")
    assert Blueprint.read(tmp_path / "blueprint.json") == made
    assert "parola" not in (tmp_path / "blueprint.json").read_text()


def test_a_building_finds_its_mirror_on_its_lan(one_router: Blueprint) -> None:
    assert one_router.mirrors == (MirrorPort("lan0-1", "10.20.1.254/24", 3142),)
    assert one_router.bridges == ("lan0-1", "wan")
    assert one_router.desk is None


def test_the_example_town_is_complete() -> None:
    town = load(ROOT / "inventories" / "lab")
    plan = blueprint(town)
    assert [m.name for m in plan.machines] == [*town.hosts, *town.outside]
    hosts = {**town.hosts, **town.outside}
    assert all(hosts[m.name].address in m.addresses for m in plan.machines)
    assert {m.bridge for m in plan.mirrors} == {"lan0-1", "lan0-2", "lan0-3"}
    lans = {"dmz0-1", "misafir0-2", "kamera0-3"}
    assert set(plan.bridges) == {m.bridge for m in plan.mirrors} | lans | {"wan", "wan-backup"}
    assert plan.desk in town.hosts
    outside = [m for m in plan.machines if m.name in town.outside]
    [stranger] = [m for m in outside if not m.building]
    assert (stranger.gateway, stranger.gateway6) == (None, None), "it has no way into the town"
    assert stranger.ports == (
        Port("eth0", "wan", "198.51.100.1/24", "2001:db8:0:51::1/64"),
        Port("eth1", "wan-backup", "203.0.113.1/24", "2001:db8:0:52::1/64"),
    )
    [web] = [m for m in outside if m.name == "web-merkez"]
    port = Port("eth0", "dmz0-1", "10.20.11.10/24", "fd20:0:0:11::10/64")
    assert (web.ports, web.gateway, web.gateway6) == ((port,), "10.20.11.1", "fd20:0:0:11::1")


def test_a_blueprint_is_read_as_it_was_written(one_router: Blueprint, tmp_path: Path) -> None:
    one_router.write(tmp_path / "blueprint.json")
    assert Blueprint.read(tmp_path / "blueprint.json") == one_router


def test_no_lab_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LabError) as error:
        Blueprint.read(tmp_path / "blueprint.json")
    assert "scripts/lab up" in error.value.hint


def test_a_wrong_name_is_answered_with_the_right_ones(one_router: Blueprint) -> None:
    with pytest.raises(LabError, match="gw-depoo") as error:
        one_router.pick(["gw-depoo"])
    assert "gw-depo, pc-depo" in error.value.hint


def test_limit_takes_only_those(one_router: Blueprint) -> None:
    assert [m.name for m in one_router.pick(["pc-depo"])] == ["pc-depo"]
    assert one_router.pick([]) == one_router.machines


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_cables_have_names_that_linux_takes(host: str, first: str, second: str) -> None:
    ports = [Port(name, "lan0-1", "10.0.0.1/24") for name in (first, second)]
    names = [cable_name(Machine(host, "", tuple(ports), None), port) for port in ports]
    assert all(len(name) <= 15 for name in names)
    assert (names[0] == names[1]) == (first == second)


def test_every_address_of_a_host_is_known_by_its_key(one_router: Blueprint) -> None:
    there = {"gw-depo": Container("gw-depo", 1, True, "", "ssh-ed25519 AAAA")}
    lines = known_hosts(one_router.machines, there)
    assert lines == "gw-depo,10.20.1.1,198.51.100.12 ssh-ed25519 AAAA\n"


def test_a_host_is_made_anew_when_anything_it_is_made_of_changes(one_router: Blueprint) -> None:
    router, pc = one_router.machines
    specs = [
        spec(router, "image", "key"),
        spec(pc, "image", "key"),
        spec(router, "newer image", "key"),
        spec(router, "image", "newer key"),
    ]
    assert len(set(specs)) == len(specs)
    assert spec(router, "image", "key") == specs[0]


def test_labs_of_two_inventories_are_two() -> None:
    one, other = Lab(Path("/towns/one")), Lab(Path("/towns/other"))
    assert one.id != other.id
    assert one.namespace.name != other.namespace.name
    assert one.directory != other.directory
    assert one.cache == other.cache
