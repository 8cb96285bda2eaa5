"""What devices make of what is typed: cases, and what holds for any configuration."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis.strategies as st
import pytest
import yaml
from devices import diff
from devices.config import Config, Cursor
from devices.console import CLI
from devices.device import Device
from devices.grammar import Grammar
from hypothesis import assume, given, settings
from random_configs import random_config, random_line

CASES = yaml.safe_load((Path(__file__).with_name("cases.yml")).read_text())
GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "network"
PORTS = {
    "ios": [f"GigabitEthernet1/0/{n}" for n in range(1, 4)],
    "eos": [f"Ethernet{n}" for n in range(1, 4)],
}
GRAMMARS = {platform: Grammar(platform, ports) for platform, ports in PORTS.items()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_what_is_typed(case: dict[str, Any], tmp_path: Path) -> None:
    platform = case["platform"]
    config = Config(GRAMMARS[platform])
    assert not config.load(case.get("before", ""))
    refused = config.load(case["type"])
    device = Device(
        tmp_path, platform, "", {"ports": PORTS[platform], "serial": "X1", "model": "m"}
    )
    cli = CLI[platform](device, "test")
    words = [
        cli.refusal(error, 0) if platform == "ios" else cli.refusal(error) for error in refused
    ]
    assert [text.rstrip("\n") for text in words] == case.get("refused", [])
    assert shown(config) == case["shown"].splitlines()


@pytest.mark.parametrize("platform", sorted(GRAMMARS))
def test_the_templates_write_what_the_device_shows(platform: str) -> None:
    text = (GOLDEN / f"{platform}.conf").read_text(encoding="utf-8")
    ports = re.findall(r"^interface (\S*Ethernet\S+)$", text, re.MULTILINE)
    config = Config(Grammar(platform, ports))
    assert not config.load(text)
    separators = ("!", "end")
    intended = [line for line in text.splitlines() if line.strip() not in separators]
    assert [line for line in config.lines() if line.strip() not in separators] == intended


def shown(config: Config) -> list[str]:
    """Return what is shown, without separators and what a device without configuration shows."""
    always = sections(Config(config.grammar))
    return [line for section in sections(config) if section not in always for line in section]


def sections(config: Config) -> list[list[str]]:
    """Return the sections of what is shown; a single line is one, too."""
    found: list[list[str]] = []
    for line in config.lines():
        if line.startswith(" ") and found:
            found[-1].append(line)
        elif line != "!":
            found.append([line])
    return found


platforms = st.sampled_from(sorted(GRAMMARS))
seeds = st.integers(0, 2**32).map(Random)
unhurried = settings(deadline=None, max_examples=100)


def some(dice: Random, grammar: Grammar, most: int) -> Config:
    """Return a random configuration."""
    config = Config(grammar)
    assert not config.load("\n".join(random_config(dice, grammar, most)))
    return config


@unhurried
@given(seeds, platforms)
def test_what_is_shown_can_be_typed(dice: Random, platform: str) -> None:
    config, again = some(dice, GRAMMARS[platform], 20), Config(GRAMMARS[platform])
    assert not again.load("\n".join(config.lines()))
    assert again.lines() == config.lines()


@unhurried
@given(seeds, platforms)
def test_any_configuration_can_be_replaced_by_any(dice: Random, platform: str) -> None:
    running, intended = (some(dice, GRAMMARS[platform], 15) for _ in "ab")
    wanted = intended.lines()
    assert asyncio.run(replaced(platform, running, wanted)) == wanted


async def replaced(platform: str, running: Config, wanted: list[str]) -> list[str]:
    """Replace at the command line, as the drivers do, and return what then runs."""
    with TemporaryDirectory() as folder:
        device = Device(Path(folder), platform, "", {"ports": PORTS[platform]})
        device.run(running)
        cli = CLI[platform](device, "test")
        if platform == "ios":
            device.store("flash:/new", "\n".join(wanted))
            commands = ["configure replace flash:/new force revert trigger error"]
        else:
            commands = ["configure session s", "rollback clean-config", *wanted, "commit"]
        for command in commands:
            await cli.run(command)
        return device.running.lines()


@unhurried
@given(seeds, platforms)
def test_a_line_and_its_negation_leave_nothing(dice: Random, platform: str) -> None:
    grammar = GRAMMARS[platform]
    config = some(dice, grammar, 8)
    before = config.lines()
    rule = dice.choice([r for r in grammar.modes["config"] if "ignored" not in r.flags])
    first, *more = random_line(dice, rule, grammar)
    key = " ".join(grammar.match("config", first).key)
    assume(not any(key in line for line in before))  # it would take the place of another
    Cursor(config).enter(first, iter(more))
    Cursor(config).enter(f"{'default' if rule.default == 'on' else 'no'} {key}")
    assert config.lines() == before


@unhurried
@given(seeds)
def test_ios_shows_a_difference_exactly_where_there_is_one(dice: Random) -> None:
    one, other = (some(dice, GRAMMARS["ios"], 5) for _ in "ab")
    old, new = ("\n".join(config.lines()) for config in (one, other))
    assert bool(diff.contextual(old, new)) == (one != other)
    assert not diff.contextual(old, old)
