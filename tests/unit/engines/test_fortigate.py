"""A FortiGate through the Ansible engine: the collection's own modules against a stand-in."""

import shutil
from pathlib import Path
from threading import Thread

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from devices.eapi import certificate
from devices.fortios import ABOUT, DEFAULTS, IN_USE, FortiGate, server

from kahya.engines.ansible import AnsibleEngine
from kahya.engines.base import Mandate, Task
from kahya.errors import InventoryError
from kahya.firewall.fortigate import ADDRESS, POLICY
from kahya.firewall.fortigate_eval import Configuration
from kahya.firewall.matrix import Matrix
from kahya.firewall.policy import policy_of
from kahya.firewall.proof import prove
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
        password = ROOT / "inventories/lab/.vault-password"
        (folder / "ansible.cfg").write_text(f"[defaults]\nvault_identity_list = lab@{password}\n")
        (folder / "systems.yml").write_text(yaml.safe_dump({"systems": [SYSTEM]}), encoding="utf-8")
        self.device = FortiGate(folder / "device", PORTS)
        self.device.token = TOKEN
        self.server = server(self.device, "127.20.1.1")
        Thread(target=self.server.serve_forever, daemon=True).start()
        shutil.copy(folder / "device/certificate.pem", self.town_folder / "gw-merkez.pem")
        self.write(
            "host_vars/gw-merkez/here.yml", {"ansible_httpapi_port": self.server.server_port}
        )
        secret = VaultSecret(password.read_bytes().strip())
        token = VaultLib().encrypt(f"fortigate_access_token: {TOKEN}\n", secret, vault_id="lab")
        (self.town_folder / "host_vars/gw-merkez/vault.yml").write_bytes(token)
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

    def seed(self):
        """Let the device have what it should, as if it had been brought up before."""
        self.load()
        for table, rows in self.town.hosts["gw-merkez"].vars["rendered"].items():
            self.tables[table] += [{**DEFAULTS.get(table, {}), **row} for row in rows.values()]

    def row(self, table, name):
        return next(row for row in self.tables[table] if row["name"] == name)

    def deviations(self):
        hosts = {h.name: h.vars for h in self.town.hosts.values()}
        there = Configuration(self.tables, "2026-11-27")
        return list(prove(Matrix(policy_of(self.town), hosts, "2026-11-27"), {"gw-merkez": there}))


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    bench.seed()
    yield bench
    bench.server.shutdown()
    bench.server.server_close()


def test_a_token_in_the_open_is_refused(bench):
    bench.write("host_vars/gw-merkez/vault.yml", {"fortigate_access_token": TOKEN})
    with pytest.raises(InventoryError, match=r"vault.yml:1: fortigate_access_token: stands in"):
        bench.load()


def resources(changes):
    return [f"{change.action} {change.resource}" for change in changes]


def test_what_is_changed_by_hand_is_told_and_mended_and_nothing_else(bench):
    hole = {**bench.row(POLICY, "web-for-all/1"), "policyid": 7, "name": "temp"}
    bench.tables[POLICY].insert(0, hole)
    bench.row(POLICY, "ping/1")["status"] = "disable"
    late = bench.row(POLICY, "guests-stay-out/1")
    bench.tables[POLICY].remove(late)
    bench.tables[POLICY].append(late)
    bench.row(ADDRESS, "kahya:127.20.1.100/32")["subnet"] = "127.20.1.100 255.255.255.254"
    assert bench.deviations()
    plan = bench.plan()
    assert (plan.status, plan.blind_spots, plan.identity) == ("ok", (), ABOUT["serial"])
    assert resources(plan.changes) == [
        "set address 127.20.1.100/32",
        "set policy ping/1",
        "remove policy temp",
        "set place of policy guests-stay-out/1",
    ]
    assert "+status: enable" in plan.changes[1].diff
    assert {change.risk for change in plan.changes} == {("cuts-path",)}

    bench.device.fail("DELETE", "firewall/policy", 500, IN_USE)
    stopped = bench.apply(plan)
    assert stopped.status == "failed"
    assert "policy temp: the FortiGate says 500, error -23" in stopped.reason
    assert [c.id for c in stopped.applied] == [c.id for c in plan.changes[:2]]

    rest = bench.plan()
    assert [c.id for c in rest.changes] == [c.id for c in plan.changes[2:]]
    done = bench.apply(rest)
    assert (done.status, [c.id for c in done.applied]) == ("applied", [c.id for c in rest.changes])
    assert bench.plan().changes == ()
    assert bench.deviations() == []
    told = repr((plan, stopped, rest, done))
    kept = "".join(p.read_text("utf-8") for p in bench.engine.workdir.rglob("*.*") if p.is_file())
    assert TOKEN not in told + kept


def test_a_device_that_cannot_be_read_is_an_error(bench):
    bench.device.token = "another"
    lost = bench.plan()
    assert (lost.status, lost.changes) == ("error", ())
    assert "Read the firewall" in lost.reason
    assert TOKEN not in lost.reason


def test_a_device_under_another_certificate_is_asked_nothing(bench):
    other, _key = certificate(bench.town_folder, "127.20.1.1", "other")
    shutil.copy(other, bench.town_folder / "gw-merkez.pem")
    lost = bench.plan()
    assert lost.status in ("error", "unreachable")
    assert not (bench.device.folder / "requests.log").exists()
