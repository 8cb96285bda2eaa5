"""Web filter of a building: e2guardian, the proxy by which its hosts go to the web."""

from io import StringIO
from pathlib import Path

from pyinfra import host
from pyinfra.facts.files import FindFiles
from pyinfra.operations import files, server, systemd
from pyinfra.operations.util import any_changed

from deploys import lists
from deploys.steps import packages
from deploys.webfilter import settings
from deploys.webfilter.audience import audience
from kahya.firewall.nftables import PROXY_USER

HERE = Path(__file__).parent
ROOT = {"user": "root", "group": "root", "mode": "644"}
UNITS = "/etc/systemd/system"
data = host.data
wanted = data.webfilter


def put(text: str, dest: str) -> object:
    """Have the file ``dest``."""
    return files.put(src=StringIO(text), dest=dest, **ROOT)


# The firewall knows it by its number.
server.user(  # noqa: S604 - the login shell
    user="e2guardian",
    uid=PROXY_USER,
    system=True,
    create_home=False,
    ensure_home=False,
    home="/nonexistent",
    shell="/usr/sbin/nologin",
)

# Lists first, then who names them, then the package: it never runs with another configuration.
known = data.get("lists") or {"folder": "", "names": {}}
named = ("allow", *settings.categories(wanted))
names = known["names"].keys() & {f"{kind}/{name}" for kind in settings.KINDS for name in named}
there = host.get_fact(lists.Lists, folder=settings.LISTS)
moved = [
    lists.present(name, **known["names"][name], store=known["folder"], folder=settings.LISTS)
    for name in sorted(names)
]

networks, addresses = audience(data.dict())
texts = settings.files(wanted, networks, addresses, names)
placed = {name: put(text, f"{settings.FOLDER}/{name}") for name, text in texts.items()}
restarts = [placed.pop(name) for name in settings.AT_START]
found = host.get_fact(FindFiles, path=settings.FOLDER) or ()
odd = sorted(path for path in found if path.removeprefix(f"{settings.FOLDER}/") not in texts)
moved += [files.file(path=path, present=False) for path in odd]
moved += [lists.absent(name, folder=settings.LISTS) for name in sorted(there.keys() - names)]

unit = put((HERE / "e2guardian.service").read_text(encoding="utf-8"), f"{UNITS}/e2guardian.service")
# e2guardian depends on a virus scanner that it doesn't use here.
put(
    "# Kept by Kâhya.\n[Unit]\nConditionPathExists=!/etc/kahya-webfilter\n",
    f"{UNITS}/clamav-freshclam.service.d/kahya.conf",
)
install, missing = packages(["e2guardian"])
put(settings.text("logrotate.j2", **wanted), "/etc/logrotate.d/e2guardian")

changed = any_changed(*restarts, unit)
systemd.daemon_reload(_if=unit.did_change)
systemd.service(service="e2guardian", restarted=True, _if=changed)
started = {"_if": install.did_change} if missing else {}
systemd.service(service="e2guardian", running=True, enabled=True, **started)
# After the start: who is stopped can't be told to read anew.
systemd.service(service="e2guardian", reloaded=True, _if=any_changed(*placed.values(), *moved))
