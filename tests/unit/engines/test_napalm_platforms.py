"""The table of capabilities: what is promised of a platform, and that the docs promise the same."""

from pathlib import Path

import pytest
import yaml
from napalm import get_network_driver

from kahya.engines.napalm_device import ARGUMENTS
from kahya.engines.napalm_platforms import PLATFORMS, platform_of, table

ROOT = Path(__file__).parents[3]
SECRETS = yaml.safe_load((ROOT / "tests/unit/cases/secrets.yml").read_text(encoding="utf-8"))
TAKEN = [p for p in PLATFORMS.values() if not p.refused]


def test_the_documentation_has_this_very_table():
    assert table() in (ROOT / "docs/network.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("platform", "asked", "real"),
    [("frr", 30, 30), ("eos", 30, 30), ("ios", 10, 60), ("ios", 60, 60), ("ios", 61, 120)],
)
def test_the_time_to_confirm_is_what_the_device_can_count(platform, asked, real):
    assert PLATFORMS[platform].returns_in(asked) == real


@pytest.mark.parametrize("platform", TAKEN, ids=lambda p: p.name)
def test_a_platform_that_is_taken_has_a_driver_a_log_in_and_a_way_back(platform):
    assert get_network_driver(platform.driver)
    assert platform.driver in ARGUMENTS
    assert platform.reversible
    assert platform.rules.resources
    assert {"keep", "list", "read", "drop"} == platform.files.keys() or platform.message


@pytest.mark.parametrize("platform", [p.name for p in PLATFORMS.values() if p.refused])
def test_a_refused_platform_says_why(platform):
    with pytest.raises(ValueError, match=r"is refused: .*driver"):
        platform_of(platform)


def test_only_drivers_that_can_return_by_themselves_are_taken():
    assert {p.name for p in TAKEN} == {"frr", "ios", "eos"}


@pytest.mark.parametrize("platform", ["frr", "ios", "eos", "junos"])
@pytest.mark.parametrize("secret", ["KanaryaKQXZ", "20201234"])
def test_what_a_backup_masks_is_hidden_in_plans_too(platform, secret):
    rules = PLATFORMS[platform].rules
    lines = [*SECRETS[platform], *SECRETS["platform"]]
    shown = [rules.shown(line.replace("{}", secret)) for line in lines]
    assert [line for line in shown if secret in line] == []
