"""The command about the tunnels' keys. It makes them on gateways and writes the inventory."""

from __future__ import annotations

import argparse

from kahya import console, keys
from kahya.cli.common import OK, Add, open_journal, print_json, town_directory
from kahya.errors import InventoryError
from kahya.i18n import _
from kahya.inventory import load
from kahya.scope import scope


def register(add: Add) -> None:
    """Add the command of this file."""
    text = _("make the VPN keys that gateways lack, there, and write down their public halves")
    command = add("keys", _keys, text, scoped=True)
    which = command.add_mutually_exclusive_group()
    which.add_argument("--next", action="store_true", help=_("the keys that come next"))
    which.add_argument("--switch", action="store_true", help=_("let the next keys take over"))


def _keys(args: argparse.Namespace) -> int:
    town = load(town_directory(args))
    names = scope(town, args.limit).hosts
    hosts = [town.hosts[name] for name in names]
    gateways = [h for h in hosts if "gateways" in h.groups and h.vars.get("platform") == "frr"]
    own = [g for g in gateways if args.next or args.switch or "vpn_private_key" not in g.vars]
    if not own:
        raise InventoryError(
            _("the keys of these hosts come out of a vault, or they are no gateways"),
            _("A gateway without vpn_private_key has a key of its own."),
        )
    if args.switch:
        written = keys.switch(town, own, open_journal(town))
    else:
        which = keys.NEXT if args.next else keys.PRESENT
        made = keys.make(town, own, which)
        written = keys.write(town, {host: {which: key} for host, key in made.items()})
    if args.json:
        print_json({host: str(path) for host, path in written.items()})
    else:
        console.say(_("Written: {files}. Next: commit them, then kahya plan.").format(
            files=", ".join(map(str, written.values()))))  # fmt: skip
    return OK
