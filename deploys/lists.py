"""Block lists on a host. A plan tells of each how many entries come and go, and a few of them.

A list is a file of sorted lines, known by the digest of its text: that is what a plan pins, and
what the host checks before it takes the file.
"""

import gzip
from collections.abc import Iterator, Mapping
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from pyinfra import host
from pyinfra.api import FactBase, FileUploadCommand, QuoteString, StringCommand, operation

from deploys.steps import told

FOLDER = "/var/lib/kahya/lists"
SHOWN = 5


class Lists(FactBase):
    """Digest and number of lines of each list in a folder, by name."""

    default = dict

    def command(self, folder: str) -> StringCommand:
        quoted = QuoteString(folder)
        return StringCommand(
            "test ! -d", quoted, "|| { cd", quoted, "&& find . -type f",
            "! -name '*.new' ! -name '*.new.gz' | LC_ALL=C sort | while read -r f; do",
            'echo "$(sha256sum <"$f" | cut -c1-64) $(wc -l <"$f") ${f#./}"; done; }',
        )  # fmt: skip

    def process(self, output: list[str]) -> dict[str, tuple[str, int]]:
        rows = [line.split(" ", 2) for line in output]
        return {name: (digest, int(count)) for digest, count, name in rows}


def unedited(there: Mapping[str, tuple[str, int]], known: Mapping[str, Any]) -> bool:
    """Return whether each list that is ``there`` is as it is to be, or as it once was.

    The latter the store of ``known`` tells; but anybody can empty a list.
    """
    return all(
        digest == known["names"].get(name, {}).get("sha256")
        or (count > 0 and (Path(known["folder"]) / digest).is_file())
        for name, (digest, count) in there.items()
    )


@operation()
def present(name: str, sha256: str, count: int, store: str, folder: str = FOLDER) -> Iterator[Any]:
    """Have the list ``name`` as the store has it: ``count`` lines with the digest ``sha256``."""
    was, before = host.get_fact(Lists, folder=folder).get(name, ("", 0))
    if was == sha256:
        return
    path = f"{folder}/{name}"
    new, parent = f"{path}.new", str(Path(path).parent)
    packed = f"{new}.gz"
    check = f"{{ gzip -dc {packed} >{new} && echo '{sha256}  {new}' | sha256sum --status -c -; }}"
    refuse = f"{{ rm -f {packed} {new}; echo '{name} is not what was approved' >&2; exit 1; }}"
    yield from told(
        [
            f"mkdir -p {parent} && chmod 755 {folder} {parent}",
            FileUploadCommand(BytesIO(_packed(store, sha256)), packed),
            f"{check} || {refuse}",
            f"rm -f {packed}; chmod 644 {new} && mv -f {new} {path}",
        ],
        {
            "resource": f"list {name}",
            "action": "update" if was else "create",
            "before": _state(was, before) if was else "",
            "after": _state(sha256, count),
            "notes": _moved(store, was, sha256),  # not every controller has the list that was
        },
        back={"saves": (path,), "dumps": (), "steps": ()},
    )


@operation()
def absent(name: str, folder: str = FOLDER) -> Iterator[Any]:
    """Have no list ``name``."""
    was, before = host.get_fact(Lists, folder=folder).get(name, ("", 0))
    if was:
        path = f"{folder}/{name}"
        meaning = {"resource": f"list {name}", "action": "delete"}
        meaning |= {"before": _state(was, before), "after": ""}
        back = {"saves": (path,), "dumps": (), "steps": ()}
        yield from told([StringCommand("rm -f", QuoteString(path))], meaning, back=back)


def _state(digest: str, count: int) -> str:
    return f"sha256 {digest}\nentries {count}"


@lru_cache(maxsize=8)
def _packed(store: str, digest: str) -> bytes:
    return gzip.compress((Path(store) / digest).read_bytes(), mtime=0)


@lru_cache  # all gateways have the same lists
def _moved(store: str, was: str, now: str) -> tuple[str, ...]:
    """Say what is added and removed between two lists of the store."""
    if was and not (Path(store) / was).is_file():
        return ("the list that is there is not in the store: its entries are not compared",)
    old, new = (
        set((Path(store) / digest).read_text("ascii").splitlines()) if digest else set()
        for digest in (was, now)
    )
    return tuple(
        f"{word} {len(names)}: {', '.join(sorted(names)[:SHOWN])}{' …' * (len(names) > SHOWN)}"
        for word, names in (("added", new - old), ("removed", old - new))
        if names
    )
