"""Resolver of a building: unbound, which knows no name that is on a block list."""

from io import StringIO
from pathlib import Path

from pyinfra import host
from pyinfra.operations import files, server, systemd
from pyinfra.operations.util import any_changed

from deploys import lists
from deploys.resolver import zones
from deploys.resolver.config import config
from deploys.steps import checked_file, packages

HERE = Path(__file__).parent
PACKAGES = ["dns-root-data", "unbound"]
CONF = "/etc/unbound/unbound.conf.d"
ROOT = {"user": "root", "group": "root"}
data = host.data

install, missing = packages(PACKAGES)

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

program, unit, control = (
    files.put(src=StringIO((HERE / src).read_text("utf-8")), dest=dest, mode=mode, **ROOT)
    for src, dest, mode in (
        ("zones", zones.PROGRAM, "755"),
        ("templates/unbound.service", "/etc/systemd/system/unbound.service.d/kahya.conf", "644"),
        ("templates/remote-control.conf", f"{CONF}/remote-control.conf", "644"),
    )
)
conf = checked_file(
    src=StringIO(config(data.resolver, data.interfaces)),
    dest=f"{CONF}/kahya.conf",
    check="unbound-checkconf {}",
)
systemd.daemon_reload(_if=unit.did_change)
systemd.service(service="unbound", restarted=True, _if=any_changed(conf, control, unit))
# The package starts it by itself.
started = {"_if": install.did_change} if missing else {}
systemd.service(service="unbound", running=True, enabled=True, **started)

server.shell(name="tell the resolver", commands=[zones.TELL], _if=any_changed(program, *moved))
if lists.unedited(there, known):  # who edited a list is told of that alone
    zones.as_listed()
