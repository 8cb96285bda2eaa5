"""Start a stand-in for a switch for a test: see tests/devices/README.md.

with switch("eos", tmp_path / "sw1") as device, device.open() as driver:
    driver.get_facts()
"""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devices.console import type_in
from napalm import get_network_driver
from napalm.base import NetworkDriver

TESTS = Path(__file__).parent
USER, PASSWORD = "kahya", "parola"
PORTS = {"ios": "GigabitEthernet1/0/1-4", "eos": "Ethernet1-4"}
FACTORY = {
    "ios": f"""\
hostname sw1
username {USER} privilege 15 secret 0 {PASSWORD}
archive
 path flash:archive
ip scp server enable
""",
    "eos": f"""\
hostname sw1
username {USER} privilege 15 role network-admin secret 0 {PASSWORD}
management api http-commands
 no shutdown
""",
}


@dataclass
class Switch:
    """A device as a process of its own. ``port`` is 0 while it is off."""

    platform: str
    folder: Path
    arguments: tuple[str, ...] = ()
    port: int = 0
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def power_on(self) -> None:
        """Start it and wait until it listens."""
        command = [sys.executable, "-m", "devices", self.platform, "--state", str(self.folder)]
        self.process = subprocess.Popen(
            [*command, "--port", "0", *self.arguments], cwd=TESTS, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        said = self.process.stdout.readline()
        assert "listens" in said, "it says why above"
        self.port = int(said.split()[-1])

    def power_off(self, sign: signal.Signals = signal.SIGKILL) -> None:
        """Pull the plug."""
        if self.process:
            self.process.send_signal(sign)
            self.process.communicate()
        self.process, self.port = None, 0

    def options(self) -> dict[str, Any]:
        """Return the ``optional_args`` of NAPALM's driver."""
        if self.platform == "ios":
            return {"port": self.port}
        trust = ssl.create_default_context(cafile=str(self.folder / "certificate.pem"))
        return {"port": self.port, "context": trust}

    def driver(self, password: str = PASSWORD, **options: Any) -> NetworkDriver:
        """Return NAPALM's driver for it, not yet open; ``options`` go before the usual ones."""
        driver = get_network_driver(self.platform)
        return driver("127.0.0.1", USER, password, 30, self.options() | options)

    @contextmanager
    def open(self, **options: Any) -> Iterator[NetworkDriver]:
        """Yield NAPALM's driver, connected."""
        driver = self.driver(**options)
        driver.open()
        try:
            yield driver
        finally:
            driver.close()

    def type_in(self, commands: str) -> str:
        """Type at its console; return the screen."""
        return type_in(self.folder, commands)

    def faults(self, *faults: dict[str, Any]) -> None:
        """Have it do these things wrong, and no others."""
        (self.folder / "faults.json").write_text(json.dumps(faults))

    def plug(self, neighbours: list[dict[str, str]]) -> None:
        """Change what is plugged in: ``port``, ``system`` and ``remote_port`` of each."""
        path = self.folder / "hardware.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"neighbours": neighbours}))

    def commands(self) -> list[str]:
        """Return what it was sent, console apart."""
        rows = [
            row.split(" ", 2) for row in (self.folder / "commands.log").read_text().splitlines()
        ]
        return [command for _, who, command in rows if who != "console"]


@contextmanager
def switch(
    platform: str, folder: Path, factory: str = "", *arguments: str, ports: str = ""
) -> Iterator[Switch]:
    """Switch a device on, and off afterwards. ``arguments`` are those of ``python -m devices``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "factory").write_text(factory or FACTORY[platform])
    own = (
        "--factory",
        str(folder / "factory"),
        "--ports",
        ports or PORTS[platform],
        "--minute",
        "2",
    )
    device = Switch(platform, folder, (*own, *arguments))
    device.power_on()
    try:
        yield device
    finally:
        device.power_off()
