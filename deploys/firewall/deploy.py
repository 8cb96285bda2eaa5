"""Firewall of a gateway: a static policy between the zones of its interfaces and the VPN."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pyinfra import host
from pyinfra.operations import systemd

from deploys.firewall.ruleset import loaded
from deploys.steps import JINJA

data = host.data
TEMPLATES = FileSystemLoader(Path(__file__).parent / "templates")


zones: dict[str, list[str]] = {"vpn": [tunnel["name"] for tunnel in data.tunnels]}
for name, interface in data.interfaces.items():
    zones.setdefault(interface["zone"], []).append(name)
inside = [
    network
    for building in data.town["buildings"].values()
    for networks in building["networks"].values()
    for network in networks
]
template = Environment(  # noqa: S701 - no HTML
    loader=TEMPLATES, undefined=StrictUndefined, keep_trailing_newline=True, **JINJA
).get_template("nftables.conf.j2")
policy = template.render(
    **data.dict(),
    zones=zones,
    own=[n for n, interface in data.interfaces.items() if interface["zone"] != "wan"],
    ssh_from=[name for zone in data.firewall_ssh_from for name in zones.get(zone, ())],
    inside=[network for network in inside if ":" not in network],
    inside6=[network for network in inside if ":" in network],
)
loaded(policy, name="load the rules", _timeout=60)
systemd.service(service="nftables", running=None, enabled=True)
