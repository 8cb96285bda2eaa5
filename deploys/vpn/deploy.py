"""VPN between the buildings: one WireGuard tunnel per peer; FRRouting, which routes over them."""

from io import StringIO
from pathlib import Path

from pyinfra import host
from pyinfra.operations import files, systemd

from deploys.steps import JINJA, packages, path_shell, sysctl
from deploys.vpn import keys, routes, rules, tunnel

HERE = Path(__file__).parent / "templates"
data = host.data

install, missing = packages(data.vpn_packages)

for key, value in data.vpn_sysctl.items():
    sysctl(key=key, value=value, persist_file="/etc/sysctl.d/91-kahya-vpn.conf")

# Which daemons run; what they do is the system "routing".
daemons = files.template(
    src=str(HERE / "daemons.j2"),
    dest="/etc/frr/daemons",
    user="frr",
    group="frr",
    mode="640",
    jinja_env_kwargs=JINJA,
)
follows = {"_if": install.did_change} if "frr" in missing else {}
systemd.service(service="frr", running=True, enabled=True, **follows)
systemd.service(service="frr", restarted=True, _if=daemons.did_change)

# Several lines to carriers: a tunnel leaves by its own, whatever the default route.
by_line = rules.rules_of(data.lines, data.interfaces, data.get("ipsec_peers") or ())
unit = files.template(
    src=str(HERE / "kahya-lines.service.j2"),
    dest="/etc/systemd/system/kahya-lines.service",
    user="root",
    group="root",
    mode="644",
    jinja_env_kwargs=JINJA,
    rules=by_line,
)
systemd.daemon_reload(_if=unit.did_change)
systemd.service(service="kahya-lines", running=None, enabled=True)
rules.exactly(by_line, name="tell lines apart")

KEY = f"{keys.FOLDER}/{keys.NOW}"
own, vault = data.get("vpn_public_key"), data.get("vpn_private_key")
upcoming = data.get("vpn_public_key_next", "")
if vault:
    private_key = files.put(
        src=StringIO(f"{vault}\n"), dest=KEY, user="root", group="root", mode="600"
    )
elif own:
    keys.present(own, upcoming, name="have the keys of the tunnels")
for wanted in data.tunnels:
    tunnel.present(wanted, name=f"bring up tunnel {wanted['name']}")
names = [wanted["name"] for wanted in data.tunnels]
for name in host.get_fact(tunnel.TunnelNames):
    if name not in names:
        tunnel.absent(name)
if vault:
    path_shell(
        name="give the running tunnels the key",
        commands=[
            f"test ! -e {KEY} || wg set {wanted['name']} private-key {KEY}"
            for wanted in data.tunnels
            if not wanted["next_key"]
        ],
        _if=private_key.did_change,
    )

tables = [line["table"] for line in data.lines]
for route in host.get_fact(routes.HandmadeRoutes, tables=tables):
    routes.absent(route)
