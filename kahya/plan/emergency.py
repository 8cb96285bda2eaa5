"""What may go the short way of ``approval.emergency``: what incidents.yml alone asks for."""

from __future__ import annotations

from kahya.firewall.incidents import SETS, CutOff, written
from kahya.model import BlindSpot, Change, Plan, Town

FIREWALL = "firewall"
"""The system whose sets hold the addresses that are cut off."""
BOOT_FILE = "file /etc/nftables.conf"
"""What is loaded at boot follows from what is loaded: it never says more than that."""


def others(plan: Plan, town: Town) -> list[Change | BlindSpot]:
    """Return what of ``plan`` is more than incidents.yml asks for, by its meaning.

    What is told of a change is the deploys' word: whoever relies on this must know that they are
    those that were approved before (kahya/emergency.py).
    """
    policy = town.settings.get("approval", {}).get("emergency", {})
    systems = policy.get("systems", ())
    more = [c for c in plan.changes if c.system not in systems or not _follows(c, town)]
    return [*more, *plan.blind_spots]


def _follows(change: Change, town: Town) -> bool:
    """Return whether ``change`` brings a host to what incidents.yml says, and does no more."""
    host = town.hosts.get(change.host)
    kind, _space, name = change.resource.partition(" ")
    if host is None:
        return False
    if change.system == FIREWALL:
        if change.resource == BOOT_FILE:
            return bool(change.effect["after"] == "as loaded")
        wanted = map(written, CutOff.of(host.vars).elements(kind) if kind in SETS else ())
        return kind in SETS and (name in wanted) == (change.action != "delete")
    # The inventory holds that a list of this name has what incidents.yml says, and that alone.
    listed = host.vars.get("lists", {}).get("names", {}).get(name)
    after = f"sha256 {listed['sha256']}\nentries {listed['count']}" if listed else ""
    incidents = name in ("domains/incidents", "urls/incidents")
    return kind == "list" and incidents and bool(change.effect["after"] == after)
