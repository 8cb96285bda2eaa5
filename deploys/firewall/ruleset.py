"""The packet filter as one resource: what is loaded and what will be loaded at boot."""

from collections.abc import Iterator
from io import StringIO
from typing import Any

from pyinfra import host
from pyinfra.api import FactBase, FileUploadCommand, QuoteString, StringCommand, operation
from pyinfra.facts.files import FileContents
from pyinfra.operations import files

from deploys.steps import told

PATH = "/etc/nftables.conf"
MIDDLE = "--- as intended ---"

# One pass of load and list still differs from the next in its wording; two do not.
NORMAL_FORM = """
one=$(cat); printf '%s\\n' "$one" | nft -f - || exit 1
two=$(nft -sp list ruleset); nft flush ruleset
printf '%s\\n' "$two" | nft -f - && nft -sp list ruleset
"""

SAVE = "! command -v nft >/dev/null || { echo flush ruleset; nft -s list ruleset; } >rules.nft"


class Ruleset(FactBase):
    """The loaded rules, and ``text`` in the same wording; nothing where nft is missing.

    ``text`` is loaded and listed in a network namespace of its own, which ends with the command.
    """

    default = dict

    def command(self, text: str) -> StringCommand:
        return StringCommand(
            "command -v nft >/dev/null || exit 0; nft -sp list ruleset &&",
            f"echo '{MIDDLE}' &&",
            "printf %s", QuoteString(text), "| unshare -n sh -c", QuoteString(NORMAL_FORM),
        )  # fmt: skip

    def process(self, output: list[str]) -> dict[str, list[str]]:
        middle = output.index(MIDDLE)
        return {"loaded": output[:middle], "intended": output[middle + 1 :]}


@operation()
def loaded(text: str) -> Iterator[Any]:
    """Load ``text`` at once and at boot."""
    rules = host.get_fact(Ruleset, text=text)
    now, wanted = rules.get("loaded", []), rules.get("intended", text.splitlines())
    put = list(files.put._inner(StringIO(text), PATH, user="root", group="root", mode="644"))
    if now == wanted and not put:
        return
    before, after = list(now), list(wanted)
    if any(isinstance(c, FileUploadCommand) for c in put):
        _tell_file(before, after, text.splitlines())
    elif put:
        before.append(f"{PATH}: other owner or mode")
        after.append(f"{PATH}: root:root 0644")
    commands = [*_checked(text), *put, *([f"nft -f {PATH}"] if now != wanted else [])]
    yield from told(
        commands,
        {
            "resource": "nftables ruleset",
            "action": "update" if now else "create",
            "before": "\n".join(before),
            "after": "\n".join(after),
            "risk": ("cuts-path",) if now != wanted else (),
        },
        back={
            "saves": (PATH,),
            "dumps": (SAVE,),
            "steps": ("test ! -e rules.nft || nft -f rules.nft",),
        },
    )


def _tell_file(before: list[str], after: list[str], text: list[str]) -> None:
    """Add the file to both sides: whole where it alone deviates, else in one line."""
    there = host.get_fact(FileContents, path=PATH)
    if before == after:
        before += [f"{PATH}:", *(there or ["(missing)"])]
        after += [f"{PATH}:", *text]
    else:
        before.append(f"{PATH}: {'other content' if there is not None else 'missing'}")
        after.append(f"{PATH}: as loaded")


def _checked(text: str) -> list[Any]:
    new = f"{PATH}.kahya-check"
    return [
        FileUploadCommand(StringIO(text), new),
        f"nft -c -f {new} || {{ rm -f {new}; exit 1; }}; rm -f {new}",
    ]
