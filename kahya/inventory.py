"""One inventory for all three engines: read, checked, and frozen into a Town."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from kahya import approvers
from kahya.errors import InventoryError
from kahya.feeds.store import Store
from kahya.firewall.check import check_policy
from kahya.firewall.fortigate import configuration
from kahya.firewall.networks import derive as derive_places
from kahya.firewall.webfilter import check_webfilter
from kahya.firewall.windows import derive as derive_windows
from kahya.i18n import _
from kahya.inventory_check import (
    Problem,
    check_file,
    check_hosts,
    check_syntax,
    check_systems,
    check_waivers,
)
from kahya.inventory_feeds import (
    check_block,
    check_feeds,
    check_resolvers,
    resolve_lists,
    store,
)
from kahya.inventory_incidents import FILE as INCIDENTS
from kahya.inventory_incidents import check_incidents, with_incidents
from kahya.inventory_incidents import derive as derive_incidents
from kahya.inventory_network import check_network
from kahya.inventory_reader import RawHost, RawInventory, longest_first, plain, read
from kahya.inventory_zones import check_zones
from kahya.model import Building, Host, Incident, System, Town, Waiver
from kahya.switching import derive as derive_switches
from kahya.topology import derive

CONFIRM_SECONDS = 45


def load(directory: Path, *, past: Store | None = None, lists: bool = True) -> Town:
    """Read the town in ``directory`` (such as inventories/lab); systems.yml lies two levels up.

    Args:
        directory: the town.
        past: it is read only to know what was meant then, so nobody has to be able to approve it,
            and its block lists are in this store, the one of today.
        lists: find the block lists; False for whoever is about to make others.

    Raises:
        InventoryError: anything in it is wrong; the message lists every problem.
    """
    town, problems = examine(directory, past=past, lists=lists)
    if town is None:
        hint = _("Correct these {count} and run kahya validate.").format(count=len(problems))
        raise InventoryError("\n".join(map(str, problems)), hint)
    return town


def examine(
    directory: Path, *, past: Store | None = None, lists: bool = True
) -> tuple[Town | None, list[Problem]]:
    """Read the town and return it, or None with every problem found; see ``load``.

    Raises:
        InventoryError: Ansible can't read the files at all.
    """
    root = project_root(directory)
    about, problems = check_file(directory / "town.yml", "town")
    approval = {} if problems else about.get("approval", {})
    table, more = check_file(root / "systems.yml", "systems")
    problems += more
    if broken := check_syntax(directory):
        return None, sorted({*problems, *broken})
    raw = read(directory)
    systems = table["systems"] if table and not more else []
    problems += check_systems(raw, systems, root, root / "systems.yml") if systems else []
    problems += check_hosts(raw, systems, root)
    problems += check_zones(raw) if not problems else []
    problems += check_network(raw) if not problems else []
    problems += check_policy(raw) if not problems else []
    feeds, more = check_feeds(directory / "feeds.yml")
    problems += more
    incidents: tuple[Incident, ...] = ()
    if not problems:
        names = [system["name"] for system in systems]
        incidents, problems = check_incidents(directory / INCIDENTS, raw, feeds, names)
        problems += check_block(directory / "feeds.yml", feeds, raw)
    if not problems:
        feeds = with_incidents(feeds, incidents)
        about = {**about, "feeds": feeds} if feeds else about
        kept = past or store(feeds or {}, directory, _state(root, about["town"]["id"]))
        problems += resolve_lists(raw, feeds, kept) if lists else []
    problems += check_resolvers(raw) if lists and not problems else []
    problems += check_webfilter(raw) if lists and not problems else []
    if past:
        return (None if problems else _town(directory, about, systems, raw, incidents)), problems
    problems += _check_approval(directory, approval, systems, raw)
    managed = [name for name in raw.hosts if name not in raw.groups.get("outside", ())]
    names = [system["name"] for system in systems]
    waivers, more = check_waivers(directory / "waivers.yml", managed, names)
    problems += more
    if problems:
        return None, problems
    town = _town(directory, about, systems, raw, incidents)
    return replace(town, waivers=tuple(Waiver(**waiver) for waiver in waivers)), problems


def _check_approval(
    directory: Path,
    approval: dict[str, Any],
    systems: list[dict[str, Any]],
    raw: RawInventory,
) -> list[Problem]:
    buildings = list(map(plain, raw.children.get("buildings", ())))
    people, problems = approvers.read(directory / "approvers", buildings)
    names = {
        "system": [s["name"] for s in systems],
        "engine": sorted({s["engine"] for s in systems}),
        "host": list(raw.hosts),
        "building": buildings,
        "group": list(raw.groups),
    }
    if not problems and systems:  # else every name would be called unknown
        file = directory / "town.yml"
        problems += approvers.check_rules(file, approval.get("rules", []), people, names)
        problems += approvers.check_emergency(file, approval, people, names["system"])
    return problems


def project_root(directory: Path) -> Path:
    """Return the folder above ``directory`` that holds systems.yml.

    Raises:
        InventoryError: there is none.
    """
    for parent in directory.resolve().parents:
        if (parent / "systems.yml").is_file():
            return parent
    raise InventoryError(
        _("{directory}: no systems.yml in any folder above it").format(directory=directory),
        _("Keep towns under inventories/ of a checkout of this repository."),
    )


def state_folder(town: Town) -> Path:
    """Return the private folder of what Kâhya knows of ``town``; make it if need be."""
    folder = _state(project_root(Path(town.directory)), town.name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def list_store(town: Town) -> Store:
    """Return where the block lists of ``town`` are kept."""
    directory = Path(town.directory)
    return store(town.settings.get("feeds", {}), directory, state_folder(town))


def _state(root: Path, town: str) -> Path:
    return root / ".kahya" / town


def _town(
    directory: Path,
    about: dict[str, Any],
    systems: list[dict[str, Any]],
    raw: RawInventory,
    incidents: tuple[Incident, ...],
) -> Town:
    outside_names = raw.groups.get("outside", ())
    managed = {n: h for n, h in raw.hosts.items() if n not in outside_names}
    for name, host in raw.hosts.items():
        for place in (b for b in raw.children["buildings"] if name in raw.groups[b]):
            host.vars["building"] = {"name": plain(place), **host.vars["building"]}
    variables = {n: h.vars for n, h in managed.items()}
    derive(variables, about["town"])
    outside = {name: raw.hosts[name].vars for name in outside_names}
    derive_places(variables, outside, time.strftime("%Y-%m-%d"))
    derive_incidents(variables, outside, incidents)
    for own in variables.values():
        if own.get("platform") == "fortios" and "firewall" in own:
            own["rendered"] = configuration(own)
    derive_windows(variables, raw.groups.get("windows", ()))
    made = derive_switches(variables)
    places = {v["building"]["name"]: v["building"] for v in variables.values()}
    for guest in (raw.hosts[n].vars for n in outside_names):
        if name := guest.get("building", {}).get("name"):
            guest["building"] = places[name]
    buildings = {
        name: Building(name, v["title"], v["number"], v["lan"]) for name, v in places.items()
    }
    return Town(
        name=about["town"]["id"],
        title=about["town"]["name"],
        directory=str(directory),
        language=about["town"].get("language", "en"),
        confirm_seconds=about.get("apply", {}).get("confirm_seconds", CONFIRM_SECONDS),
        buildings=buildings,
        hosts={plain(n): _host(h, h.vars["building"]["name"]) for n, h in managed.items()},
        outside={
            plain(n): _host(h, h.vars.get("building", {}).get("name", ""))
            for n, h in ((n, raw.hosts[n]) for n in outside_names)
        },
        settings=about,
        systems=tuple(System(**{**s, "controls": tuple(s["controls"])}) for s in systems),
        incidents=incidents,
        secrets=longest_first((*raw.secrets, *made)),
    )


def _host(raw: RawHost, building: str) -> Host:
    return Host(plain(raw.name), raw.vars["ansible_host"], building, raw.groups, raw.vars)
