"""Kernel routes that someone added by hand: the routes between the buildings are OSPF's."""

from collections.abc import Iterator
from typing import Any

from pyinfra.api import FactBase, operation

from deploys.steps import told

BACK = """\
if [ -s {kept} ]; then ip {version} route replace {route}
else ip {version} route del {route} || true; fi"""


class HandmadeRoutes(FactBase):
    """Routes that neither the kernel nor a routing daemon made, without the default route."""

    default = list

    def command(self) -> str:
        shows = [f"ip -{v} route show proto {p}" for v in (4, 6) for p in ("boot", "static")]
        return f"( {'; '.join(shows)} ) | grep -v '^default ' || true"

    def process(self, output: list[str]) -> list[str]:
        state = {"linkdown", "dead", "offload"}
        return [" ".join(w for w in line.split() if w not in state) for line in output]


@operation()
def absent(route: str) -> Iterator[Any]:
    """Remove one kernel route, named as ``ip route`` shows it."""
    where = route.partition(" ")[0]
    kept = f"route-{where.replace('/', '_')}"
    version = "-6" if ":" in route.partition(" ")[0] else "-4"
    yield from told(
        [f"ip {version} route del {route}"],
        {
            "resource": f"route {route}",
            "action": "delete",
            "before": route,
            "after": "",
            "risk": ("cuts-path",),
        },
        back={
            "dumps": (f"ip {version} route show {where} >{kept}",),
            "steps": (BACK.format(kept=kept, version=version, route=route),),
        },
    )
