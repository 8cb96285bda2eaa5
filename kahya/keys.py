"""WireGuard keys that are made on the gateways and stay there; the inventory has public halves."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterable
from pathlib import Path

from kahya import ssh
from kahya.errors import EngineError, InventoryError
from kahya.i18n import _
from kahya.model import Host, Town
from kahya.scratch import scratch

PRESENT, NEXT = "vpn_public_key", "vpn_public_key_next"
FILES = {PRESENT: "private.key", NEXT: "private.key.next"}
SCRIPT = """\
set -e; umask 077; mkdir -p /etc/wireguard; cd /etc/wireguard
[ -e {file} ] || {{ wg genkey >{file}.new && mv {file}.new {file}; }}
wg pubkey <{file}"""


def make(town: Town, hosts: Iterable[Host], which: str) -> dict[str, str]:
    """Return the public half of a key of each host; one that is not there is made there.

    Args:
        town: where the hosts are.
        hosts: gateways.
        which: PRESENT or NEXT.

    Raises:
        EngineError: a host can't be reached, or has no wg yet.
    """
    command = shlex.join(["sudo", "-n", "sh", "-c", SCRIPT.format(file=FILES[which])])
    found = {}
    with scratch() as folder:
        config = ssh.write_ssh_config(town, folder, ssh.beyond_vpn(town))
        for host in hosts:
            words = ["ssh", "-F", str(config), host.name, command]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode:
                raise EngineError(
                    f"{host.name}: {done.stderr.strip()}",
                    _("It must answer and have wg, which the system vpn installs."),
                )
            found[host.name] = done.stdout.strip()
    return found


def write(town: Town, host: str, **keys: str) -> Path:
    """Write keys of a gateway into its host_vars, "" to take one out; return the file."""
    path = Path(town.directory, "host_vars", host, "main.yml")
    text = path.read_text(encoding="utf-8")
    for key, value in keys.items():
        line = f"{key}: {value}\n" if value else ""
        text, count = re.subn(rf"^{key}:.*\n", line, text, flags=re.MULTILINE)
        text += line if not count else ""
    path.write_text(text, encoding="utf-8")
    return path


def switch(town: Town, host: Host) -> Path:
    """Let the next key of a gateway be its present one, in the inventory.

    Raises:
        InventoryError: there is none, or a vault has the present one.
    """
    if "vpn_private_key" in host.vars:
        raise InventoryError(
            _("the key of {host} comes out of a vault").format(host=host.name),
            _("Take vpn_private_key out of it: then the key that the host has counts."),
        )
    if NEXT not in host.vars:
        message = _("{host} has no next key").format(host=host.name)
        raise InventoryError(message, _("kahya keys --next makes it; apply its plan first."))
    return write(town, host.name, **{PRESENT: host.vars[NEXT], NEXT: ""})
