"""Kernel routes that someone added by hand: the routes between the buildings are OSPF's."""

from collections.abc import Iterable, Iterator
from typing import Any

from pyinfra.api import FactBase, operation

from deploys.steps import told

HANDMADE = "for p in boot static; do ip -{version} route show {about} proto $p; done"
BACK = """\
if [ -s {kept} ]; then ip -{version} route replace {route}
else ip -{version} route del {route} || true; fi"""
KINDS = ("blackhole", "prohibit", "unreachable")


class HandmadeRoutes(FactBase):
    """Routes that neither the kernel nor a routing daemon made, of the main table and of others.

    The main one's default route is left out. IPv6's is called ``::/0``.
    """

    default = list

    def command(self, tables: Iterable[int]) -> str:
        shows = HANDMADE.format(version="$v", about="table $t")
        each = f'{{ {shows}; }} 2>/dev/null | sed "s/^/$v $t /"'  # a table may not be there yet
        return f"for v in 4 6; do for t in main {' '.join(map(str, tables))}; do {each}; done; done"

    def process(self, output: list[str]) -> list[str]:
        return [route for line in output if (route := _route(*line.split()))]


def _route(version: str, table: str, *words: str) -> str:
    state = {"linkdown", "dead", "offload"}
    found = ["::/0" if (version, w) == ("6", "default") else w for w in words if w not in state]
    if table == "main":
        return "" if words[0] == "default" else " ".join(found)
    return " ".join([*found, "table", table])


@operation()
def absent(route: str) -> Iterator[Any]:
    """Remove one kernel route, named as ``HandmadeRoutes`` does."""
    text, _, table = route.partition(" table ")
    where = next(word for word in text.split() if word not in KINDS)
    kept = f"route-{where.replace('/', '_')}-{table or 'main'}"
    version = "6" if ":" in where else "4"
    show = HANDMADE.format(version=version, about=f"{where} table {table or 'main'}")
    yield from told(
        [f"ip -{version} route del {route}"],
        {
            "resource": f"route {route}",
            "action": "delete",
            "before": route,
            "after": "",
            "risk": ("cuts-path",),
        },
        back={
            "dumps": (f"{{ {show}; }} >{kept}",),
            "steps": (BACK.format(kept=kept, version=version, route=route),),
        },
    )
