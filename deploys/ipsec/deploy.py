"""IPsec to the gateways of others, by IKEv2: strongSwan, with ESP in user space.

So it is the same on kernels with and without ESP, and what comes out of a tunnel is on ``ipsec0``,
where the firewall looks at it. On a gateway without such peers it is stopped, or not there at all.
"""

from pathlib import Path

from pyinfra import host
from pyinfra.facts.deb import DebPackages
from pyinfra.operations import files, systemd
from pyinfra.operations.util import any_changed

from deploys.ipsec import connections
from deploys.steps import JINJA, packages

HERE = Path(__file__).parent / "templates"
PACKAGES = [
    *("charon-systemd", "strongswan-swanctl"),
    *("libcharon-extra-plugins", "libstrongswan-standard-plugins"),
]
SETTINGS = {
    "strongswan.conf.j2": ("/etc/strongswan.d/kahya.conf", "644"),
    "swanctl.conf.j2": ("/etc/swanctl/conf.d/kahya.conf", "644"),
    "secrets.conf.j2": ("/etc/swanctl/conf.d/kahya-secrets.conf", "600"),
}
UNITS = {
    "again.service.j2": ("/etc/systemd/system/kahya-ipsec.service", "644"),
    "again.timer.j2": ("/etc/systemd/system/kahya-ipsec.timer", "644"),
}
peers = host.data.ipsec_peers
missing = set(PACKAGES) - set(host.get_fact(DebPackages))
if peers:
    packages(PACKAGES)
if peers or not missing:
    own = host.data.lines[0]["address"]  # of the main line, by which IKE leaves
    placed = {
        name: files.template(
            name=f"secret: {path}" if mode == "600" else path,
            src=str(HERE / name),
            dest=path,
            user="root",
            group="root",
            mode=mode,
            jinja_env_kwargs=JINJA,
            peers=peers,
            own=own,
            about=connections,
        )
        for name, (path, mode) in {**SETTINGS, **UNITS}.items()
    }
    systemd.daemon_reload(_if=any_changed(*(placed[name] for name in UNITS)))
    for service in (connections.UNIT, "kahya-ipsec.timer"):
        systemd.service(service=service, running=bool(peers), enabled=bool(peers))
    settings = [placed[name] for name in SETTINGS]
    if peers and any(one.will_change for one in settings):
        systemd.service(service=connections.UNIT, restarted=True, _if=any_changed(*settings))
    elif peers:
        connections.loaded({peer["name"]: connections.listed(peer, own) for peer in peers})
