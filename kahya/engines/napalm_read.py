"""What devices are set to, read for a backup: their running and startup configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from kahya.engines.base import Progress
from kahya.engines.napalm import PARALLEL, Job, NapalmEngine
from kahya.engines.napalm_device import UNREACHABLE
from kahya.i18n import _
from kahya.model import Host, Status, System, Town


@dataclass(frozen=True)
class Reading:
    """The configurations of one device by kind, as they are and sanitized by its driver."""

    host: Host
    system: System
    status: Status
    raw: Mapping[str, str] = field(default_factory=dict, repr=False)
    clean: Mapping[str, str] = field(default_factory=dict, repr=False)
    reason: str = ""


def read(
    engine: NapalmEngine, town: Town, devices: Sequence[tuple[Host, System]], progress: Progress
) -> Iterator[Reading]:
    """Read all devices at once; one that can't be read is answered so, in their order."""

    def one(device: tuple[Host, System]) -> Reading:
        host, system = device
        job = Job(town, system, host, progress)
        job.tell("reading")
        try:
            with engine._device(host) as there:  # noqa: SLF001 - a part of the same engine
                if there.driver.has_pending_commit():  # what it has now may not last
                    words = _("a change waits for its confirmation; try again in a minute")
                    return Reading(host, system, "unknown", reason=words)
                return Reading(host, system, "ok", *there.configurations())
        except UNREACHABLE as error:
            return Reading(host, system, "unreachable", reason=job.words(error))
        except Exception as error:  # noqa: BLE001 - a driver may raise anything; it is quoted
            return Reading(host, system, "error", reason=job.words(error))

    with ThreadPoolExecutor(min(PARALLEL, len(devices)) or 1) as pool:
        yield from pool.map(one, devices)
