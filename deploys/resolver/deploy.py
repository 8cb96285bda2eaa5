"""Resolver of a building: unbound, which knows no name that is on a block list."""

from io import StringIO
from pathlib import Path

from pyinfra import host
from pyinfra.facts.deb import DebPackages
from pyinfra.operations import apt, files, server, systemd
from pyinfra.operations.util import any_changed

from deploys import lists
from deploys.resolver import zones
from deploys.resolver.config import config
from deploys.steps import checked_file

HERE = Path(__file__).parent
PACKAGES = ["dns-root-data", "unbound"]
PLACED = {
    zones.PROGRAM: ("zones", "755"),
    "/etc/systemd/system/unbound.service.d/kahya.conf": ("templates/unbound.service", "644"),
}
data = host.data

missing = set(PACKAGES) - set(host.get_fact(DebPackages))
install = apt.packages(packages=PACKAGES, update=bool(missing), no_recommends=True)

known = data.get("lists") or {"folder": "", "names": {}}
names = known["names"].keys() & {
    f"domains/{n}" for n in ("allow", "incidents", *data.resolver["lists"])
}
there = host.get_fact(lists.Lists, folder=zones.FOLDER)
moved = [
    lists.present(name, **known["names"][name], store=known["folder"], folder=zones.FOLDER)
    for name in sorted(names)
]
moved += [lists.absent(name, folder=zones.FOLDER) for name in sorted(there.keys() - names)]

placed = [
    files.put(
        src=StringIO((HERE / src).read_text(encoding="utf-8")),
        dest=dest,
        user="root",
        group="root",
        mode=mode,
    )
    for dest, (src, mode) in PLACED.items()
]
conf = checked_file(
    src=StringIO(config(data.resolver, data.interfaces)),
    dest="/etc/unbound/unbound.conf.d/kahya.conf",
    check="unbound-checkconf {}",
)
changed = any_changed(conf, *placed)
systemd.daemon_reload(_if=changed)
systemd.service(service="unbound", restarted=True, _if=changed)
# The package starts it by itself.
started = {"_if": install.did_change} if missing else {}
systemd.service(service="unbound", running=True, enabled=True, **started)

if {n: there[n][0] for n in there} == {n: known["names"][n]["sha256"] for n in names}:
    zones.as_listed()
else:
    tell = [f"{zones.PROGRAM} sync"]
    server.shell(name="tell the resolver", commands=tell, _if=any_changed(*moved))
