"""Firewall of a gateway: the town's policy, as nftables, and the addresses on its block lists."""

from io import StringIO
from pathlib import Path

from pyinfra import host
from pyinfra.operations import files, systemd
from pyinfra.operations.util import any_changed

from deploys import lists
from deploys.firewall import listed
from deploys.firewall.ruleset import loaded
from deploys.steps import path_shell
from kahya.firewall.nftables import ruleset

HERE = Path(__file__).parent
known = host.data.get("lists") or {"folder": "", "names": {}}

names = [n for n in known["names"] if n.startswith("addresses/") and n != "addresses/allow"]
there = host.get_fact(lists.Lists, folder=listed.FOLDER)

text = ruleset(host.data.dict())
rules = loaded(text, lists=bool(names), name="load the rules", _timeout=60)
systemd.service(service="nftables", running=None, enabled=True)

moved = [
    lists.present(name, **known["names"][name], store=known["folder"], folder=listed.FOLDER)
    for name in sorted(names)
]
moved += [lists.absent(name, listed.FOLDER) for name in sorted(there.keys() - set(names))]
if names:
    placed = [
        files.put(src=StringIO(content), dest=path, user="root", group="root", mode=mode)
        for content, path, mode in (
            ((HERE / "listed").read_text(encoding="utf-8"), listed.PROGRAM, "755"),
            (listed.UNIT, listed.DROP_IN, "644"),
        )
    ]
    systemd.daemon_reload(_if=any_changed(*placed))
    listed.loaded(name="load the addresses")
    path_shell(
        name="load the addresses of the lists",
        commands=[listed.LOAD_OR_GONE],
        _if=any_changed(rules, *moved, *placed),
    )
elif there:
    gone = [files.file(path=path, present=False) for path in (listed.PROGRAM, listed.DROP_IN)]
    systemd.daemon_reload(_if=any_changed(*gone))
