"""The configuration of a building's resolver."""

from collections.abc import Mapping
from ipaddress import ip_address, ip_interface
from pathlib import Path
from typing import Any

from pyinfra.api.util import get_template

from deploys.steps import JINJA

TEMPLATE = Path(__file__).parent / "templates/unbound.conf.j2"
# RFC 1918, 6598, 3927; 4193, 4291
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16",
           "fc00::/7", "fe80::/10", "::ffff:0:0/96")  # fmt: skip


def config(resolver: Mapping[str, Any], interfaces: Mapping[str, Mapping[str, str]]) -> str:
    """Return it; only whoever is in a network of the zones in ``resolver`` is answered."""
    served = [i for i in interfaces.values() if i["zone"] in resolver["zones"]]
    addresses = [ip_interface(i[k]) for i in served for k in ("address", "address6") if k in i]
    return str(
        get_template(str(TEMPLATE), dict(JINJA)).render(
            addresses=addresses,
            private=PRIVATE,
            domains={d: list(map(ip_address, s)) for d, s in resolver.get("domains", {}).items()},
            forwarders=list(map(ip_address, resolver["forwarders"])),  # as unbound lists them
        )
    )
