"""A FortiGate through the Ansible engine: the collection's own modules against a stand-in."""

import shutil
from pathlib import Path
from threading import Thread

import yaml
from devices.fortios import FortiGate, server

from kahya.engines.ansible import AnsibleEngine
from kahya.engines.base import Mandate, Task
from kahya.inventory import load

ROOT = Path(__file__).parents[3]
TOKEN = "not-for-anyones-eyes"
PORTS = ["port1", "port2", "port3", "wan1"]


SYSTEM = {
    "name": "fortigate",
    "title": {"en": "Firewall", "tr": "Güvenlik duvarı"},
    "engine": "ansible",
    "source": "roles/fortigate",
    "group": "gateways",
    "platform": "fortios",
    "probes": "probes/fortigate",
    "controls": [],
    "level": "L1",
}


class Bench:
    """The town with one FortiGate in a folder of its own, the device and the engine."""

    def __init__(self, folder):
        self.town_folder = folder / "inventories/one_fortigate"
        shutil.copytree(ROOT / "tests/unit/towns/one_fortigate", self.town_folder)
        for file in filter(Path.is_file, self.town_folder.rglob("*.yml")):
            # The device stands on this machine: all of 127.0.0.0/8 does.
            text = file.read_text(encoding="utf-8").replace("10.20.", "127.20.")
            file.write_text(text, encoding="utf-8")
        for name in ("roles", "probes"):
            (folder / name).symlink_to(ROOT / name)
        (folder / "ansible.cfg").touch()
        (folder / "systems.yml").write_text(yaml.safe_dump({"systems": [SYSTEM]}), encoding="utf-8")
        self.device = FortiGate(folder / "device", PORTS)
        self.device.token = TOKEN
        self.server = server(self.device, "127.20.1.1")
        Thread(target=self.server.serve_forever, daemon=True).start()
        shutil.copy(folder / "device/certificate.pem", self.town_folder / "gw-merkez.pem")
        way = {"ansible_httpapi_port": self.server.server_port, "fortigate_access_token": TOKEN}
        self.write("host_vars/gw-merkez/here.yml", way)
        (folder / "work").mkdir()
        self.engine = AnsibleEngine(folder / "ssh_config", folder / "work")

    def write(self, name, data):
        (self.town_folder / name).write_text(yaml.safe_dump(data), encoding="utf-8")

    def load(self):
        self.town = load(self.town_folder)
        (system,) = self.town.systems
        self.task = Task(system, self.town.hosts_of(system))

    def plan(self):
        self.load()
        (plan,) = self.engine.plan(self.town, [self.task], lambda *_: None)
        return plan

    def apply(self, plan):
        approved = {("gw-merkez", "fortigate"): Mandate(tuple(c.mark for c in plan.changes))}
        (out,) = self.engine.apply(self.town, [self.task], approved, lambda *_: None)
        return out

    @property
    def tables(self):
        return self.device.tables["root"]

    def row(self, table, name):
        return next(
            r for r in self.tables[table] if (r.get("name") or r["comments"]).startswith(name)
        )
