"""First bring-up: which systems come at once, and which wait for others."""

from pathlib import Path

from kahya.bringup import stages
from kahya.inventory import load

TOWN = load(Path(__file__).parents[2] / "inventories/lab")


def test_systems_wait_for_those_that_they_need():
    assert [[system.name for system in stage] for stage in stages(TOWN.systems, TOWN.systems)] == [
        ["base"],
        ["vpn"],
        ["routing"],
        ["firewall"],
        ["resolver", "ipsec", "webfilter", "accesslog", "switching", "postgresql"],
    ]


def test_those_that_are_left_out_bring_no_others_together():
    part = [system for system in TOWN.systems if system.name in ("firewall", "postgresql")]
    assert [len(stage) for stage in stages(TOWN.systems, part)] == [1, 1]
