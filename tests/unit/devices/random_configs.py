"""Random configurations that a device takes, made from its grammar."""

from __future__ import annotations

from random import Random

from devices.grammar import Choice, Grammar, Leaf, Pattern, Rule


def random_config(dice: Random, grammar: Grammar, most: int, mode: str = "config") -> list[str]:
    """Return up to ``most`` lines of a mode, each with lines of the section that it opens."""
    out: list[str] = []
    for rule in dice.choices(grammar.modes[mode], k=dice.randint(0, most)):
        out += random_line(dice, rule, grammar)
        if rule.mode:
            out += [f" {line}" for line in random_config(dice, grammar, 4, rule.mode)] + ["exit"]
    return out


def random_line(dice: Random, rule: Rule, grammar: Grammar) -> list[str]:
    """Return a line of this kind, a banner with the lines of its text."""
    text = _words(dice, rule.pattern, grammar)
    if "block" not in rule.flags:
        return [" ".join(text)]
    if len(text) > 2:  # IOS: banner motd #…
        return [f"{text[0]} {text[1]} #{text[2]}", "  more of it", "#"]
    return [" ".join(text), "its text", "EOF"]


def _words(dice: Random, pattern: Pattern, grammar: Grammar) -> list[str]:
    out: list[str] = []
    for item in pattern:
        if isinstance(item, Choice):
            out += _words(dice, dice.choice(item.ways), grammar)
        else:
            out.append(_word(dice, item, grammar))
    return out


def _word(dice: Random, leaf: Leaf, grammar: Grammar) -> str:
    number = dice.randint(1, 99)
    address = f"10.{number}.{dice.randint(0, 9)}.{dice.randint(1, 9)}"
    plain = "q" + "".join(dice.choices("abcdefgh0123", k=dice.randint(2, 7))) + "z"
    kinds = {
        "": leaf.word,
        "NUM": str(number),
        "VID": str(number),
        "DECIMAL": f"{number}.50",
        "IP": address,
        "PREFIX": f"{address}/24",
        "VLANS": ",".join(str(dice.randint(1, 60)) for _ in range(dice.randint(1, 4))),
        "WORD": plain,
        "LINE": dice.choice([plain, f"{plain}  with  gaps"]),
        "PORT": dice.choice(grammar.ports),
        "PORTS": dice.choice(grammar.ports),
        "INTERFACE": f"Vlan{number}",
    }
    return kinds.get(leaf.kind) or leaf.kind.capitalize() + str(number)
