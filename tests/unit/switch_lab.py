"""A stand-in for a switch, and the town that has it: how the tests of the engine ask about it."""

from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from switches import PASSWORD, USER, Switch, switch

from kahya.engines.base import Mandate, Task
from kahya.engines.napalm import NapalmEngine
from kahya.model import Building, Host, System, Town
from kahya.ssh import write_ssh_config

CONFIGS = Path(__file__).parent / "engines/switches"
PORTS = {"ios": "GigabitEthernet1/0/1-8", "eos": "Ethernet1-8"}
MINUTE = 12  # seconds of a minute of the IOS stand-in's timer
SYSTEM = System("switching", {}, "napalm", "templates", "switches", "", (), "L1")


@dataclass
class Managed:
    """One device, what is intended for it, and Kâhya's engine."""

    device: Switch
    town: Town
    engine: NapalmEngine
    task: Task
    news: list = field(default_factory=list)
    at_commit: object = None

    @property
    def platform(self):
        """Return its platform."""
        return self.device.platform

    def intend(self, text=None):
        """Say what its configuration is to be; without ``text``, what it was from the beginning."""
        self.task.hosts[0].vars["config"] = text or config(self.platform)
        return self.task.hosts[0].vars["config"]

    def type(self, commands):
        """Type at its console, from configuration mode."""
        return self.device.type_in(f"configure terminal\n{commands}\nend")

    def shows(self):
        """Return its running configuration."""
        return self.device.type_in("show running-config")

    def flash(self):
        """Return the names of the files on it."""
        return sorted(path.name for path in (self.device.folder / "flash").iterdir())

    def plan(self):
        """Return what would change."""
        [plan] = self.engine.plan(self.town, [self.task], lambda *_: None)
        return plan

    def apply(self, plan, run="a run"):
        """Apply what was planned, and return the outcome."""
        mandate = Mandate(tuple(c.mark for c in plan.changes), plan.identity, run=run)
        approved = {(plan.host, plan.system): mandate}
        [outcome] = self.engine.apply(self.town, [self.task], approved, self.hear)
        return outcome

    def hear(self, _host, _system, text):
        """Note what the engine tells; ``at_commit`` is called when it is about to commit."""
        self.news.append(text)
        if text.startswith("committing") and self.at_commit:
            self.at_commit()

    def revert(self, run="a run"):
        """Revert, and return the outcome."""
        [outcome] = self.engine.revert(self.town, [self.task], lambda *_: None, run)
        return outcome


@contextmanager
def managed(platform, folder):
    """Switch a device on, and off afterwards. It is as intended."""
    where = folder / "device"
    with switch(
        platform, where, config(platform), "--minute", str(MINUTE), ports=PORTS[platform]
    ) as device:
        yield Managed(device, *many(platform, folder, [device.port], lambda _: where))


def config(platform):
    """Return what a device has from the beginning."""
    return (CONFIGS / f"{platform}.cfg").read_text(encoding="utf-8")


def many(platform, folder, ports, where=None):
    """Return a town with a device at each of these ports, an engine, and the task of all of them.

    What is intended for each is one description other than it has.
    """
    where = where or (lambda number: folder / f"device-{number}")
    templates = folder / f"templates/{platform}"
    templates.mkdir(parents=True)
    (templates / "main.j2").write_text("{{ config }}", encoding="utf-8")
    (folder / "town/inventory").mkdir(parents=True)
    (folder / "ssh").mkdir(mode=0o700)
    hosts, known = {}, []
    for number, port in enumerate(ports):
        if platform == "ios":
            key = (where(number) / "host_key.pub").read_text(encoding="utf-8")
            known.append(f"[127.0.0.1]:{port} {key}")
        data = {
            "platform": platform,
            "config": config(platform).replace("description Ayse", "description Zeynep"),
            "ansible_user": USER,
            "ansible_password": PASSWORD,
            "ansible_become_password": PASSWORD,
            "ssh_known_hosts_file": str(folder / "known_hosts"),
            "ansible_httpapi_ca_path": str(where(number) / "certificate.pem"),
            {"ios": "ansible_port", "eos": "ansible_httpapi_port"}[platform]: port,
        }
        name = f"sw{number}"
        hosts[name] = Host(name, "127.0.0.1", "merkez", ("switches",), data)
    (folder / "known_hosts").write_text("".join(known), encoding="utf-8")
    made = Town(
        *("ornek", "Örnek", str(folder / "town/inventory"), "en", 10),
        {"merkez": Building("merkez", "Merkez", 1, "10.20.1.0/24")},
        *(hosts, {}, (SYSTEM,), (PASSWORD,)),
    )
    engine = NapalmEngine(write_ssh_config(made, folder / "ssh"), folder)
    return made, engine, Task(SYSTEM, tuple(hosts.values()))
