"""A device: its hardware, its configurations and files, and the timer that undoes a change."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devices.config import Config
from devices.faults import Faults
from devices.grammar import Grammar
from devices.passwords import fits

FLASH_BYTES = 122_185_728


@dataclass
class Timer:
    """A change that waits to be confirmed: what to go back to, whose it is, when it ends."""

    back: Config
    owner: str
    seconds: float
    ends: float  # time.time()
    handle: asyncio.TimerHandle
    name: str = ""


class Device:
    """One switch. All that survives a power loss is in ``folder``.

    Args:
        folder: startup-config, flash/, hardware.json, faults.json, commands.log.
        platform: ``ios`` or ``eos``; must fit what the folder was made for.
        factory: the configuration of a new device.
        hardware: ``serial``, ``model``, ``ports`` (names) of a new device.
    """

    def __init__(
        self, folder: Path, platform: str, factory: str = "", hardware: dict[str, Any] | None = None
    ) -> None:
        self.folder, self.platform = folder, platform
        self.flash = folder / "flash"
        self.flash.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.faults = Faults(folder / "faults.json")
        if not self._hardware.exists():
            write(self._hardware, json.dumps({"neighbours": []} | (hardware or {}), indent=1))
        self.grammar = Grammar(platform, self.hardware["ports"])
        if not self._startup.exists():
            first = Config(self.grammar)
            if errors := first.load(factory):
                raise ValueError(f"factory configuration, {errors[0]}")
            self.save(first)
        self.minute = 60.0  # seconds; shorter for tests
        self.known_as = "127.0.0.1"  # the address that its certificate is for
        self.watchers: list[Callable[[str], None]] = []
        self.power_on()

    @property
    def _hardware(self) -> Path:
        return self.folder / "hardware.json"

    @property
    def _startup(self) -> Path:
        return self.folder / "startup-config"

    @property
    def hardware(self) -> dict[str, Any]:
        """Serial number, model, ports, and what is plugged in now (``neighbours``)."""
        found: dict[str, Any] = json.loads(self._hardware.read_text(encoding="utf-8"))
        return found

    @property
    def startup(self) -> Config:
        """What the device starts with."""
        config = Config(self.grammar)
        config.load(self._startup.read_text(encoding="utf-8"))
        return config

    @property
    def hostname(self) -> str:
        """Its name, as its configuration has it."""
        found = self.running.find(r"hostname (\S+)")
        return found[0][0][1] if found else {"ios": "Switch", "eos": "localhost"}[self.platform]

    @property
    def uptime(self) -> float:
        """Seconds since it was switched on."""
        return time.time() - self.booted

    def power_on(self) -> None:
        """Start from the startup configuration; whatever ran, and any timer, is gone."""
        self.booted = time.time()
        self.timer: Timer | None = None
        self.sessions: dict[str, Any] = {}
        self.running = self.startup

    def reload(self) -> None:
        """Restart: all connections are lost."""
        if self.timer:
            self.timer.handle.cancel()
        self.power_on()
        self.tell("reload")

    def save(self, config: Config | None = None) -> None:
        """Write the running configuration, or ``config``, for the next start."""
        write(self._startup, "\n".join((config or self.running).lines()) + "\n")

    def run(self, config: Config) -> None:
        """Make ``config`` the running one."""
        self.running = config
        self.tell("changed")

    def arm(self, seconds: float, owner: str, name: str = "") -> None:
        """Go back to what runs now unless ``disarm`` comes within ``seconds``."""
        handle = asyncio.get_running_loop().call_later(seconds, self.revert)
        ends = time.time() + seconds
        self.timer = Timer(self.running.clone(), owner, seconds, ends, handle, name)

    def disarm(self) -> Timer | None:
        """End the timer, and return it if there was one."""
        timer, self.timer = self.timer, None
        if timer:
            timer.handle.cancel()
        return timer

    def revert(self) -> bool:
        """Undo the change that waits to be confirmed; return whether there was one."""
        timer = self.disarm()
        if timer:
            self.sessions.pop(timer.name, None)
            self.run(timer.back)
        return timer is not None

    def login(self, user: str, password: str) -> int | None:
        """Return the privilege of ``user`` (0 to 15), None when the password isn't theirs."""
        for found, _ in self.running.find(r"username (\S+) (.*)"):
            words = found[2].split()
            if found[1] == user and ("nopassword" in words or fits(password, words[-1])):
                return int(words[words.index("privilege") + 1]) if "privilege" in words else 1
        return None

    def free(self) -> int:
        """Return how many bytes of flash are free."""
        if self.faults.find("full"):
            return 0
        return FLASH_BYTES - sum(path.stat().st_size for path in self.flash.iterdir())

    def file(self, name: str) -> Path:
        """Return where the file ``flash:/name`` is kept."""
        return self.flash / os.path.basename(name.split(":", 1)[-1])  # noqa: PTH119

    def store(self, name: str, text: str) -> None:
        """Write a file.

        Raises:
            OSError: there is no room for it.
        """
        if len(text) > self.free():
            raise OSError("No space left on device")
        write(self.file(name), text)

    def log(self, who: str, command: str) -> None:
        """Note a command for tests that ask what was sent; lines of configuration aren't noted."""
        with (self.folder / "commands.log").open("a", encoding="utf-8") as file:
            file.write(f"{time.time():.3f} {who} {command}\n")

    def tell(self, event: str) -> None:
        """Tell all watchers that it ``changed`` or that there was a ``reload``."""
        for watcher in list(self.watchers):
            watcher(event)


def write(path: Path, text: str) -> None:
    """Write ``path`` whole or not at all, readable by its owner only."""
    temporary = path.with_suffix(".new")
    temporary.touch(mode=0o600)
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
