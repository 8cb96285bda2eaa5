"""A device's configuration is what its template makes of the inventory, and nothing is left out."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import jinja2
import pytest

from kahya.engines.napalm_render import render
from kahya.inventory import load
from kahya.model import System

ROOT = Path(__file__).parents[3]
TOWN = replace(
    load(ROOT / "tests/e2e/towns/three_switches"),
    directory=str(ROOT / "inventories/lab"),  # whose templates it uses
)
SWITCHING = System("switching", {}, "napalm", "templates/network", "switches", "", (), "L1")
PLATFORMS = ("eos", "ios", "junos")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_configuration_is_the_one_that_was_reviewed(platform):
    golden = ROOT / "tests/golden/network" / f"{platform}.conf"
    shown = render(TOWN, SWITCHING, TOWN.hosts[f"sw-{platform}"])
    assert shown == golden.read_text(encoding="utf-8")


def without(host, *path):
    """Return ``host`` without the variable at ``path``."""
    poor = deepcopy(host.vars)
    inner = poor
    for step in path[:-1]:
        inner = inner[step]
    del inner[path[-1]]
    return replace(host, vars=poor)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(
    ("path", "name"),
    [
        (("network",), "network"),
        (("network", "syslog"), "network.syslog"),
        (("switch", "users", 0, "hash"), "switch.users[0].hash"),
        (("switch", "ports", 5, "description"), "switch.ports[5].description"),
        (("switch", "management", "vlan", "id"), "switch.management.vlan.id"),
    ],
)
def test_a_missing_value_names_device_and_key(platform, path, name):
    poor = without(TOWN.hosts[f"sw-{platform}"], *path)
    with pytest.raises(jinja2.UndefinedError) as error:
        render(TOWN, SWITCHING, poor)
    assert str(error.value) == f"{name} is missing of sw-{platform}"
