"""Reads devices, many at once: whatever a question asks of each through the driver's getters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from napalm.base import NetworkDriver
from napalm.base.exceptions import NapalmException
from napalm.base.helpers import canonical_interface_name

from kahya.cabling import Device, Neighbour, Port
from kahya.engines.base import Progress
from kahya.engines.napalm import PARALLEL, UNREACHABLE, NapalmEngine, _words
from kahya.i18n import _
from kahya.model import Host, Status, Town

KINDS = ("running", "startup")

T = TypeVar("T")
Ask = Callable[[Host, NetworkDriver], T]
"""What is asked of a device; it only reads."""

# A phone or an access point may bridge, too; it is no part of the cabling between devices.
NETWORK, TERMINAL = {"bridge", "router"}, {"telephone", "wlan-access-point", "station"}
MAC = re.compile(r"(?:[0-9A-Fa-f]{2}[:.-]?){6}")


@dataclass(frozen=True)
class Reading(Generic[T]):
    """What a device answered; ``value`` is None unless ``status`` is "ok"."""

    host: Host
    status: Status
    value: T | None = field(default=None, repr=False)
    reason: str = ""


def read(
    engine: NapalmEngine, town: Town, hosts: Sequence[Host], ask: Ask[T], progress: Progress
) -> Iterator[Reading[T]]:
    """Ask all devices at once; one that can't be read is answered so, in the order of hosts."""

    def one(host: Host) -> Reading[T]:
        progress(host.name, "", "reading")
        try:
            with engine._device(host) as device:  # noqa: SLF001 - a part of the same engine
                if device.has_pending_commit():  # what it has now may not last
                    words = _("a change waits for its confirmation; try again in a minute")
                    return Reading(host, "unknown", reason=words)
                return Reading(host, "ok", ask(host, device))
        except UNREACHABLE as error:
            return Reading(host, "unreachable", reason=_words(error, town))
        except (NapalmException, ValueError) as error:
            return Reading(host, "error", reason=_words(error, town))

    with ThreadPoolExecutor(min(PARALLEL, len(hosts)) or 1) as pool:
        yield from pool.map(one, hosts)


@dataclass(frozen=True)
class Configurations:
    """A device's configurations by kind, as they are and sanitized by its driver."""

    raw: Mapping[str, str] = field(repr=False)
    clean: Mapping[str, str] = field(repr=False)


def configurations(_host: Host, device: NetworkDriver) -> Configurations:
    """Return the running and the startup configuration."""
    both = (device.get_config(sanitized=clean) for clean in (False, True))
    raw, clean = ({kind: config[kind] for kind in KINDS} for config in both)
    return Configurations(raw, clean)


def facts(host: Host, device: NetworkDriver) -> Device:
    """Return what a device says of itself, its ports and its neighbours."""
    about = device.get_facts()
    try:
        heard = device.get_lldp_neighbors_detail()
    except NotImplementedError:  # the driver's platform, or this device, has no LLDP
        heard = None
    return Device(
        host.name,
        vendor=str(about["vendor"]),
        model=str(about["model"]),
        os_version=str(about["os_version"]),
        serial=str(about["serial_number"]),
        ports={name: _port(port) for name, port in device.get_interfaces().items()},
        neighbours=heard and {name: tuple(map(_neighbour, n)) for name, n in heard.items()},
    )


def _port(about: Mapping[str, Any]) -> Port:
    return Port(bool(about["is_up"]), bool(about["is_enabled"]), float(about["speed"]))


def _neighbour(about: Mapping[str, Any]) -> Neighbour:
    names = [name for name in (about["remote_port"], about["remote_port_description"]) if name]
    names.sort(key=lambda name: bool(MAC.fullmatch(name)))  # people know ports by other names
    capable = set(about["remote_system_enable_capab"] or about["remote_system_capab"])
    return Neighbour(
        about["remote_system_name"].partition(".")[0] or about["remote_chassis_id"],
        tuple(dict.fromkeys([*names, *map(canonical_interface_name, names)])),
        not capable or bool(capable & NETWORK and not capable & TERMINAL),
    )
