"""Firewall of a gateway: a static policy between the zones lan, vpn and wan."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pyinfra import host
from pyinfra.operations import systemd

from deploys.firewall.ruleset import loaded
from deploys.steps import JINJA

data = host.data
TEMPLATES = FileSystemLoader(Path(__file__).parent / "templates")


def zone(name: str) -> list[str]:
    """Return the interfaces of a zone."""
    if name == "vpn":
        return [tunnel["name"] for tunnel in data.tunnels]
    return [n for n, interface in data.interfaces.items() if interface["zone"] == name]


template = Environment(  # noqa: S701 - no HTML
    loader=TEMPLATES, undefined=StrictUndefined, keep_trailing_newline=True, **JINJA
).get_template("nftables.conf.j2")
policy = template.render(
    **data.dict(),
    zones={name: zone(name) for name in ("lan", "vpn", "wan")},
    ssh_from=[name for of in data.firewall_ssh_from for name in zone(of)],
    inside=[b["lan"] for b in data.town["buildings"].values()],
)
loaded(policy, name="load the rules", _timeout=60)
systemd.service(service="nftables", running=None, enabled=True)
