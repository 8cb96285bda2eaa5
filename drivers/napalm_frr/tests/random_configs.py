"""Random whole configurations for FRR, made of what frr/random.yml lists."""

import random
import re
from pathlib import Path

import yaml

STANZAS = yaml.safe_load((Path(__file__).parent / "frr" / "random.yml").read_text())
CHOICE = re.compile(r"\{([^{}]+)\}")


def config(dice: random.Random) -> str:
    """Return a configuration that FRR accepts."""
    lines = ["hostname r1"]
    for stanza in STANZAS:
        names = dice.sample(stanza.get("n", [""]), dice.randint(1, stanza.get("times", 1)))
        for name in names:
            if dice.random() < stanza.get("share", 0.9):
                lines += _stanza(stanza, str(name), dice)
    return "\n".join(lines) + "\n"


def _stanza(stanza: dict, name: str, dice: random.Random) -> list[str]:
    some = [line for line in stanza["lines"] if dice.random() < 0.5]
    flat = [one for line in some for one in ([line] if isinstance(line, str) else line)]
    lines = [*stanza.get("always", []), *flat, stanza.get("end", "!")]
    return [_chosen(line.replace("{n}", name), dice) for line in lines]


def _chosen(line: str, dice: random.Random) -> str:
    """Choose inside out, until nothing is left to choose."""

    def one(found: re.Match[str]) -> str:
        low, dash, high = found[1].partition("-")
        if dash and low.isdigit() and high.isdigit():
            return str(dice.randint(int(low), int(high)))
        return dice.choice(found[1].split("|"))

    while CHOICE.search(line):
        line = CHOICE.sub(one, line)
    return line
