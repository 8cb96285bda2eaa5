"""Reads devices, many at once: whatever a question asks of each through the driver's getters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from napalm.base.helpers import canonical_interface_name

from kahya import cabling
from kahya.cabling import Neighbour, Port
from kahya.engines.napalm import PARALLEL, Job
from kahya.engines.napalm_device import UNREACHABLE, Device, connect
from kahya.i18n import _
from kahya.model import Host, Status

T = TypeVar("T")
Ask = Callable[[Host, Device], T]
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


def read(ssh_config: Path, jobs: Sequence[Job], ask: Ask[T]) -> Iterator[Reading[T]]:
    """Ask all devices at once; one that can't be read is answered so, in the order of ``jobs``."""

    def one(job: Job) -> Reading[T]:
        job.tell("reading")
        try:
            with connect(job.host, ssh_config) as device:
                if device.driver.has_pending_commit():  # what it has now may not last
                    words = _("a change waits for its confirmation; try again in a minute")
                    return Reading(job.host, "unknown", reason=words)
                return Reading(job.host, "ok", ask(job.host, device))
        except UNREACHABLE as error:
            return Reading(job.host, "unreachable", reason=job.words(error))
        except Exception as error:  # noqa: BLE001 - a driver may raise anything; it is quoted
            return Reading(job.host, "error", reason=job.words(error))

    with ThreadPoolExecutor(min(PARALLEL, len(jobs)) or 1) as pool:
        yield from pool.map(one, jobs)


def running(_host: Host, device: Device) -> str:
    """Return the running configuration, whole."""
    return device.running()


def configurations(_host: Host, device: Device) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return running and startup as they are, and as the driver shows them to others."""
    return device.configurations()


def facts(host: Host, device: Device) -> cabling.Device:
    """Return what a device says of itself, its ports and its neighbours."""
    driver = device.driver
    about = driver.get_facts()
    try:
        heard = driver.get_lldp_neighbors_detail()
    except NotImplementedError:  # the driver's platform, or this device, has no LLDP
        heard = None
    return cabling.Device(
        host.name,
        vendor=str(about["vendor"]),
        model=str(about["model"]),
        os_version=str(about["os_version"]),
        serial=str(about["serial_number"]),
        ports={name: _port(port) for name, port in driver.get_interfaces().items()},
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
