"""What nft loads to get from some rules to others: one transaction, which touches what differs.

No packet meets what is not touched half made: for a moment after the exchange of all rules, kernels
may find the ranges of new sets empty, and take an office for a liar. A rule that stays in a chain
that is touched goes on counting all the same.
"""

import re

TABLE = "table inet kahya"
FLUSHED = ("table ", "chain ", "set ", "map ")
"""What can be emptied; a counter or flowtable that somebody put there can't."""

Sections = dict[str, list[str]]

# Gives each rule of a file that its chain has already the count it has reached there.
COUNTED = r"""
nft -p list table inet kahya 2>/dev/null | awk '
    $1 == "chain" { chain = $2 }
    listed && match($0, /counter packets [0-9]+ bytes [0-9]+/) {
        rule = substr($0, 1, RSTART + 6) substr($0, RSTART + RLENGTH)
        at[chain, rule] = RSTART
        count[chain, rule] = substr($0, RSTART, RLENGTH)
    }
    listed { next }
    (chain, $0) in at {
        start = at[chain, $0]
        $0 = substr($0, 1, start - 1) count[chain, $0] substr($0, start + 7)
    }
    { print }
' listed=1 - listed= FILE >FILE.counted && mv FILE.counted FILE"""


def transaction(now: list[str], wanted: list[str]) -> str:
    """Return the text for ``nft -f``; both rulesets are as nft lists them, without numbers."""
    old, new = _sections(now), _sections(wanted)
    differ = {name for name in old | new if old.get(name) != new.get(name)}
    both = differ & old.keys() & new.keys()
    made_anew = {name for name in both if _frame(name, old[name]) != _frame(name, new[name])}
    if (
        TABLE not in old
        or any(not name.startswith(FLUSHED) for name in differ)
        or any(not _plain_chain(name, old[name]) for name in made_anew)
    ):
        return "\n".join(["flush ruleset", *wanted, ""])
    gone = (differ - new.keys()) | made_anew
    jumps = [f"jump {name.partition(' ')[2]}" for name in gone]
    callers = {n for n, lines in old.items() if any(x.endswith(y) for x in lines for y in jumps)}
    touched = differ | callers
    ours = [name for name in old if name in touched and not name.startswith("table ")]
    tables = [name for name in gone if name.startswith("table ")]
    return "\n".join([
        *(f"delete {name}" for name in tables),
        *(f"flush {_address(name)}" for name in ours),
        *(f"delete {_address(name)}" for name in sorted(ours) if name in gone),  # chains, then sets
        f"{TABLE} {{",
        *(line for name, lines in new.items() if name in touched
          for line in (f"\t{name} {{", *lines, "\t}")),
        "}", "",
    ])  # fmt: skip


def _sections(ruleset: list[str]) -> Sections:
    """Return what our table holds, such as ``chain input``, and each other table, line by line."""
    found: Sections = {}
    table = name = ""
    for line in ruleset:
        if line.startswith("table "):
            table = name = line.removesuffix(" {")
            found[name] = []
        elif table == TABLE and re.match(r"\t\w.* \{$", line):
            name = line.strip().removesuffix(" {")
            found[name] = []
        elif line.strip() not in ("", "}"):
            found[name].append(line)
    return found


def _address(name: str) -> str:
    """Return a section as nft's commands name it: ``chain inet kahya input``."""
    kind, _space, own = name.partition(" ")
    return f"{kind} {TABLE.removeprefix('table ')} {own}"


def _frame(name: str, lines: list[str]) -> list[str]:
    """Return what of a section can't be changed while it is there."""
    if name.startswith("set "):
        return [line for line in lines if not re.match(r"\t\t(elements = |\t)", line)]
    if name.startswith("chain "):
        return [line for line in lines if line.startswith(("\t\ttype ", "\t\tcomment "))]
    return lines


def _plain_chain(name: str, lines: list[str]) -> bool:
    return name.startswith("chain ") and not any(line.startswith("\t\ttype ") for line in lines)
