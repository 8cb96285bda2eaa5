"""Linux baseline: packages, people, SSH, time, kernel settings, updates, sensitive files."""

from io import StringIO
from pathlib import Path
from typing import Any

from pyinfra import host
from pyinfra.facts.server import Users
from pyinfra.operations import files, server, systemd
from pyinfra.operations.util import any_changed

from deploys.steps import JINJA, checked_file, packages, path_shell, sysctl, timezone

HERE = Path(__file__).parent / "templates"
data = host.data
HUMAN = range(1000, 60000)  # the uids that Debian gives to people
ROOT = {"user": "root", "group": "root"}
FROM_TEMPLATE = {**ROOT, "jinja_env_kwargs": JINJA}

files.template(
    src=str(HERE / "apt.conf.j2"), dest="/etc/apt/apt.conf.d/90kahya", mode="644", **FROM_TEMPLATE
)
# A package starts its own services: those follow from it and are not changes of their own.
install, missing = packages(data.base_packages)


def follows(package: str) -> dict[str, Any]:
    """Return the condition for what the installation of ``package`` brings about by itself."""
    return {"_if": install.did_change} if package in missing else {}


timezone(timezone=data.base_timezone)

# People
admins = {admin["name"]: admin for admin in data.base_admins}
users = host.get_fact(Users)
for name, admin in admins.items():
    server.user(  # noqa: S604 - the login shell
        user=name,
        comment=admin["comment"],
        home=f"/home/{name}",
        create_home=True,
        shell="/bin/bash",
        groups=["sudo"],
        public_keys=admin["keys"],
        delete_keys=True,
    )
for name, user in users.items():
    if user["uid"] in HUMAN and name not in {*admins, data.ansible_user}:
        server.user(user=name, present=False)
checked_file(
    src=StringIO((HERE / "sudoers").read_text(encoding="utf-8")),
    dest="/etc/sudoers.d/10-kahya-admins",
    check="visudo -cqf {}",
    mode="440",
)

# SSH
banner = files.template(
    src=str(HERE / "issue.net.j2"), dest="/etc/issue.net", mode="644", **FROM_TEMPLATE
)
sshd = files.template(
    src=str(HERE / "sshd.conf.j2"),
    dest="/etc/ssh/sshd_config.d/10-kahya.conf",
    mode="600",
    **FROM_TEMPLATE,
)
path_shell(
    name="check and reload sshd",
    commands=["sshd -t", "systemctl reload ssh"],
    _if=any_changed(banner, sshd),
)
systemd.service(service="ssh", running=True, enabled=True)

# Time
sources = files.template(
    src=str(HERE / "chrony.j2"), dest="/etc/chrony/conf.d/kahya.conf", mode="644", **FROM_TEMPLATE
)
# A container may not set its clock: chronyd then only measures, and starts in spite of it.
options = files.put(
    src=StringIO(f'DAEMON_OPTS="-F 1{"" if data.base_sets_clock else " -x"}"\n'),
    dest="/etc/default/chrony",
    mode="644",
    **ROOT,
)
UNIT = "/etc/systemd/system/chrony.service.d/kahya.conf"
if data.base_sets_clock:
    unit = files.file(path=UNIT, present=False)
else:
    text = "[Unit]\nConditionCapability=\n"
    unit = files.put(src=StringIO(text), dest=UNIT, mode="644", **ROOT)
systemd.service(service="chrony", running=True, enabled=True, **follows("chrony"))
systemd.service(
    service="chrony",
    restarted=True,
    daemon_reload=True,
    _if=any_changed(sources, options, unit),
)

# Kernel
for key, value in data.base_sysctl.items():
    sysctl(key=key, value=value, persist_file="/etc/sysctl.d/90-kahya.conf")

# Updates
files.template(
    src=str(HERE / "unattended-upgrades.j2"),
    dest="/etc/apt/apt.conf.d/91kahya-upgrades",
    mode="644",
    **FROM_TEMPLATE,
)
for timer in ("apt-daily.timer", "apt-daily-upgrade.timer"):
    systemd.service(service=timer, running=True, enabled=True)

for path, wanted in data.base_sensitive_files.items():
    files.file(path=path, user="root", group=wanted.get("group", "root"), mode=wanted["mode"])
