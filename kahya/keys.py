"""WireGuard keys that are made on the gateways and stay there; the inventory has public halves."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from kahya import ssh
from kahya.drift import KINDS, Deed, history
from kahya.errors import EngineError, InventoryError
from kahya.i18n import _
from kahya.journal import Journal
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
        InventoryError: a next key is the present one: its switch was not applied yet.
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
            key = found[host.name] = done.stdout.strip()
            if which == NEXT and key == host.vars.get(PRESENT):
                raise InventoryError(
                    _("the next key of {host} is its present one still").format(host=host.name),
                    _("Apply the plan of kahya keys --switch first."),
                )
    return found


def write(town: Town, keys: Mapping[str, Mapping[str, str]]) -> dict[str, Path]:
    """Write keys of gateways into their host_vars, "" to take one out; return the files.

    Raises:
        InventoryError: a gateway has no file there. Nothing is written.
    """
    files = {host: _file_of(town, host) for host in keys}
    for host, path in files.items():
        text = path.read_text(encoding="utf-8").rstrip("\n") + "\n"
        for key, value in keys[host].items():
            line = f"{key}: {value}\n" if value else ""
            there = rf"^{key}:.*\n(?:[ \t].*\n)*"  # its value may stand on the next line
            text, count = re.subn(there, line, text, flags=re.MULTILINE)
            text += line if not count else ""
        path.write_text(text, encoding="utf-8")
    return files


def _file_of(town: Town, host: str) -> Path:
    """Return the file of a gateway's host_vars that has its public key, or else its main one."""
    folder = Path(town.directory, "host_vars")
    paths = [folder / host / "main.yml", folder / f"{host}.yml", *sorted(folder.glob(f"{host}/*"))]
    texts = {path: path.read_text(encoding="utf-8") for path in paths if path.is_file()}
    clear = {path: text for path, text in texts.items() if not text.startswith("$ANSIBLE_VAULT")}
    if not clear:
        message = _("{host} has no file in host_vars").format(host=host)
        raise InventoryError(message, str(paths[0]))
    having = re.compile(rf"^{PRESENT}:", re.MULTILINE)
    return next((p for p, text in clear.items() if having.search(text)), next(iter(clear)))


def switch(town: Town, hosts: Iterable[Host], journal: Journal) -> dict[str, Path]:
    """Let the next keys of gateways be their present ones, in the inventory; return the files.

    Raises:
        InventoryError: one has none, or a vault has the present one, or its tunnels don't use the
            next one yet. Nothing is written.
    """
    past, keys = history(journal.entries(*KINDS)), {}
    for host in hosts:
        if "vpn_private_key" in host.vars:
            raise InventoryError(
                _("the key of {host} comes out of a vault").format(host=host.name),
                _("Take vpn_private_key out of it: then the key that the host has counts."),
            )
        if NEXT not in host.vars:
            message = _("{host} has no next key").format(host=host.name)
            raise InventoryError(message, _("kahya keys --next makes it; apply its plan first."))
        using = [t["peer_host"] for t in host.vars["tunnels"] if t["next_key"]]
        for name in (host.name, *using) if using else ():
            deeds = past.deeds.get((name, "vpn"), ())
            if not any(_named(host.vars[NEXT], deed, journal) for deed in reversed(deeds)):
                message = _("{host} doesn't know the next key of {gateway} yet")
                raise InventoryError(
                    message.format(host=name, gateway=host.name),
                    _("Apply the plan of kahya keys --next first, or all tunnels change at once."),
                )
        keys[host.name] = {PRESENT: host.vars[NEXT], NEXT: ""}
    return write(town, keys)


def _named(key: str, deed: Deed, journal: Journal) -> bool:
    """Return whether the plan of ``deed``, which was carried out, has ``key`` in it."""
    started = journal.find(deed.run)
    return deed.complete and started is not None and key in started.data["document"]
