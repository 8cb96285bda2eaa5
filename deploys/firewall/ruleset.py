"""The packet filter, chain by chain: what is loaded and what will be loaded at boot."""

import gzip
import re
from base64 import b64encode
from collections.abc import Iterator
from io import StringIO
from typing import Any

from pyinfra import host
from pyinfra.api import FactBase, FileUploadCommand, QuoteString, StringCommand, operation
from pyinfra.facts.files import FileContents
from pyinfra.operations import files

from deploys.firewall import listed
from deploys.firewall.transaction import COUNTED, transaction
from deploys.steps import told

PATH = "/etc/nftables.conf"
TABLE = "table inet kahya"
MIDDLE = "--- as intended ---"
NO_EMPTY_FRONT = "/./,$!d"
NO_LISTS = f"; /^{listed.TABLE} {{$/,/^}}$/d"
OURS = re.compile(r"nftables set (blocked|isolated)[46]")

# One pass of load and list still differs from the next in its wording; two do not. What a gateway
# loaded at boot has seen one.
AGAIN = "nft -f - && nft -sp list ruleset"
NORMAL_FORM = """
one=$(cat); printf '%s\\n' "$one" | nft -f - || exit 1
two=$(nft -sp list ruleset); nft flush ruleset
printf '%s\\n' "$two" | nft -f - && nft -sp list ruleset
"""

SAVE = "! command -v nft >/dev/null || { echo flush ruleset; nft list ruleset; } >rules.nft"


class Ruleset(FactBase):
    """The loaded rules, and ``text`` in the same wording; nothing where nft is missing.

    Both are loaded and listed in a network namespace of its own, which ends with the command.
    Where there are ``lists``, their table is not looked at.
    """

    default = dict

    def command(self, text: str, *, lists: bool = False) -> StringCommand:
        # Packed, for a shell takes no word of more than 128 KiB.
        packed = b64encode(gzip.compress(text.encode(), mtime=0)).decode()
        return StringCommand(
            "command -v nft >/dev/null || exit 0; rules=$(nft -sp list ruleset) &&",
            f"rules=$(echo \"$rules\" | sed '{NO_EMPTY_FRONT}{NO_LISTS if lists else ''}') &&",
            f"{{ echo \"$rules\" | unshare -n sh -c '{AGAIN}' 2>/dev/null",
            '|| echo "$rules"; } &&',
            f"echo '{MIDDLE}' && echo {packed} | base64 -d | gunzip |",
            "unshare -n sh -c", QuoteString(NORMAL_FORM),
        )  # fmt: skip

    def process(self, output: list[str]) -> dict[str, list[str]]:
        middle = output.index(MIDDLE)
        return {"loaded": output[:middle], "intended": output[middle + 1 :]}


@operation()
def loaded(text: str, *, lists: bool = False) -> Iterator[Any]:
    """Load ``text`` at once and at boot. Each chain is told as a resource of its own.

    Where there are block lists, their table is a matter of its own: ``lists``.
    """
    rules = host.get_fact(Ruleset, text=text, lists=lists)
    now, wanted = rules.get("loaded", []), rules.get("intended", text.splitlines())
    differing = list(changed(parts(now), parts(wanted)))  # in whatever order they are listed
    put = list(files.put._inner(StringIO(text), PATH, user="root", group="root", mode="644"))
    if not differing and not put:
        return
    load = _load(transaction(now, wanted)) if differing else []
    yield from told(
        [*_checked(text), *put, *load],
        *differing,
        *([_file(put, text, alone=not differing)] if put else []),
        back={
            "saves": (PATH,),
            "dumps": (SAVE,),
            "steps": ("test ! -e rules.nft || nft -f rules.nft",),
        },
    )


def parts(ruleset: list[str]) -> dict[str, str]:
    """Return the chains of a listed ruleset by name; a table of others is one part."""
    found: dict[str, list[str]] = {}
    table = chain = ""
    for line in ruleset:
        if line.startswith("table "):
            table, chain = line.removesuffix(" {"), ""
        if table != TABLE:
            found.setdefault(f"nftables {table}", []).append(line)
        elif line.startswith(("\tchain ", "\tset ")):
            chain = line.strip().removesuffix(" {")
            found[f"nftables {chain}"] = []
        elif line == "\t}":
            chain = ""
        elif chain:
            found[f"nftables {chain}"].append(line.strip())
        elif line.strip() not in ("", "}") and line != f"{TABLE} {{":
            found.setdefault(f"nftables {TABLE}", []).append(line.strip())
    whole = {name: "\n".join(lines).strip() or "(empty)" for name, lines in found.items()}
    return dict(part for name, text in whole.items() for part in _members(name, text))


def _members(name: str, text: str) -> Iterator[tuple[str, str]]:
    """Yield a chain whole, and of a set of ours each element: blocked 192.0.2.7."""
    of = OURS.fullmatch(name)
    head, _has, elements = text.partition("\nelements = {") if of else (text, "", "")
    yield name, head
    for element in filter(None, elements.strip("} ").split(",")):
        yield f"{of[1]} {element.strip()}", "cut off"


def changed(now: dict[str, str], wanted: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Tell each part that differs as a resource of its own."""
    for name in dict.fromkeys((*wanted, *now)):
        before, after = now.get(name, ""), wanted.get(name, "")
        if before != after:
            action = ("update" if before else "create") if after else "delete"
            yield {
                "resource": name,
                "action": action,
                "before": before,
                "after": after,
                "risk": ("cuts-path",),
            }


def _file(put: list[Any], text: str, *, alone: bool) -> dict[str, Any]:
    """Tell the file that is loaded at boot: whole where it alone deviates, else in one line."""
    there = host.get_fact(FileContents, path=PATH)
    before, after = "other owner or mode", "root:root 0644"
    if any(isinstance(command, FileUploadCommand) for command in put):
        before = "other content" if there is not None else "missing"
        after = "as loaded"
        if alone:
            before, after = "\n".join(there or ["(missing)"]), text.rstrip("\n")
    action = "update" if there is not None else "create"
    return {"resource": f"file {PATH}", "action": action, "before": before, "after": after}


def _checked(text: str) -> list[Any]:
    return _with_file(text, f"{PATH}.kahya-check", "nft -c -f")


def _load(text: str) -> list[Any]:
    path = f"{PATH}.kahya-load"
    return _with_file(text, path, f"{COUNTED.replace('FILE', path).strip()} && nft -f")


def _with_file(text: str, path: str, command: str) -> list[Any]:
    """Upload ``text`` for one command; the file goes, whatever comes of it."""
    run = f"{command} {path} || {{ rm -f {path}; exit 1; }}; rm -f {path}"
    return [FileUploadCommand(StringIO(text), path), run]
