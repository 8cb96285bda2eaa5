"""Access log of a gateway: a recorder, time stamps for its files, and their removal in the end."""

import json
from io import StringIO
from pathlib import Path

from pyinfra import host
from pyinfra.operations import files, server, systemd
from pyinfra.operations.util import any_changed

from deploys.steps import packages, sysctl

HERE = Path(__file__).parent
data = host.data
wanted = data.accesslog
PACKAGES = ["conntrack", "openssl"]
LIBRARY, SETTINGS = "/usr/local/lib/kahya-accesslog", "/etc/kahya-accesslog"
UNITS = ("kahya-accesslog.service", "kahya-accesslog-seal.service")
TIMER = "kahya-accesslog-seal.timer"
ROOT = {"user": "root", "group": "root", "mode": "644"}

packages(PACKAGES)
server.user(  # noqa: S604 - the login shell
    user="accesslog",
    system=True,
    create_home=False,
    ensure_home=False,
    home="/nonexistent",
    shell="/usr/sbin/nologin",
)

# Loaded early, so that the settings are there to be set at boot.
files.put(
    src=StringIO("nf_conntrack_netlink\n"), dest="/etc/modules-load.d/kahya-accesslog.conf", **ROOT
)
for key in ("nf_conntrack_acct", "nf_conntrack_events"):  # bytes; an end for each beginning
    sysctl(
        key=f"net.netfilter.{key}", value=1, persist_file="/etc/sysctl.d/92-kahya-accesslog.conf"
    )

own = [i[key].split("/")[0] for i in data.interfaces.values() for key in i if "address" in key]
config = {
    "host": host.name,
    "own": own + [tunnel["address"].split("/")[0] for tunnel in data.tunnels],
    "interfaces": [name for name, i in data.interfaces.items() if i["zone"] != "wan"],
    "leases": wanted["leases"],
    "file_megabytes": wanted["file_megabytes"],
    "keep_days": wanted["keep_days"],
    "tsa_url": wanted["tsa_url"],
    "tsa_ca_file": f"{SETTINGS}/tsa-ca.pem",
}
text = json.dumps(config, indent=1, ensure_ascii=False) + "\n"
files.put(src=StringIO(wanted["tsa_ca"]), dest=config["tsa_ca_file"], **ROOT)
placed = [files.put(src=StringIO(text), dest=f"{SETTINGS}/config.json", **ROOT)]
for path in sorted((HERE / "service").glob("*.py")):
    program = StringIO(path.read_text(encoding="utf-8"))
    placed.append(files.put(src=program, dest=f"{LIBRARY}/{path.name}", **ROOT))

hardening = (HERE / "units/hardening").read_text(encoding="utf-8")
for name in UNITS:
    unit = StringIO((HERE / "units" / name).read_text(encoding="utf-8") + hardening)
    placed.append(files.put(src=unit, dest=f"/etc/systemd/system/{name}", **ROOT))
timer = StringIO((HERE / "units" / TIMER).read_text(encoding="utf-8"))
placed.append(files.put(src=timer, dest=f"/etc/systemd/system/{TIMER}", **ROOT))

changed = any_changed(*placed)
systemd.daemon_reload(_if=changed)
systemd.service(service=UNITS[0], restarted=True, _if=changed)
systemd.service(service=UNITS[0], running=True, enabled=True)
systemd.service(service=TIMER, running=True, enabled=True)
