"""Windows hosts through the Ansible engine: the collections' own modules against a stand-in."""

import asyncio
import shutil
from pathlib import Path
from tempfile import mkdtemp
from threading import Thread

import asyncssh
import pytest
import yaml
from devices.windows import MACHINE, Windows, serve

from kahya import probes
from kahya.engines.ansible import AnsibleEngine
from kahya.engines.base import Mandate, Task
from kahya.firewall.matrix import Matrix
from kahya.firewall.policy import policy_of
from kahya.firewall.windows_eval import Firewall, deviations
from kahya.inventory import load
from kahya.ssh import write_ssh_config

ROOT = Path(__file__).parents[3]
HOST, ADDRESS = "dosya-merkez", "127.20.1.20"
SYSTEM = yaml.safe_load(
    (ROOT / "docs/adding.md")
    .read_text(encoding="utf-8")
    .partition("## A Windows host")[2]
    .partition("```yaml")[2]
    .partition("```")[0]
)
"""The row of systems.yml as it is described."""


class Bench:
    """The town in a folder of its own, one of its Windows hosts and the engine."""

    def __init__(self, folder):
        self.folder, self.device = folder, Windows()
        self.town_folder = folder / "inventories/one_windows"
        shutil.copytree(ROOT / "tests/unit/towns/one_windows", self.town_folder)
        for name in ("roles", "probes"):
            (folder / name).symlink_to(ROOT / name)
        (folder / "ansible.cfg").touch()
        (folder / "systems.yml").write_text(yaml.safe_dump({"systems": SYSTEM}), encoding="utf-8")
        self.work = Path(mkdtemp(prefix="kahya-"))  # short, for OpenSSH has a socket in it
        self.listen()
        for file in filter(Path.is_file, self.town_folder.rglob("*.yml")):
            # The host stands on this machine: all of 127.0.0.0/8 does.
            text = file.read_text(encoding="utf-8").replace("10.20.", "127.20.")
            text = text.replace("[127.20.1.100/32", "[127.0.0.1/32, 127.20.1.100/32")
            file.write_text(text.replace("tcp: [22]", f"tcp: [22, {self.port}]"), encoding="utf-8")
        here = {
            "ansible_port": self.port,
            "ansible_ssh_private_key_file": str(folder / "key"),
            "ssh_known_hosts_file": str(folder / "known_hosts"),
        }
        self.write("group_vars/windows/here.yml", here)
        self.load()

    def listen(self):
        """Accept logins in a thread, by a key that is made for it."""
        key, own = (asyncssh.generate_private_key("ssh-ed25519") for _ in "ab")
        key.write_private_key(self.folder / "key")
        (self.folder / "key").chmod(0o600)
        key.write_public_key(self.folder / "authorized_keys")
        own.write_private_key(self.folder / "host_key")
        self.loop = asyncio.new_event_loop()
        listening = self.loop.run_until_complete(serve(self.device, ADDRESS, 0, self.folder))
        self.port = listening.get_port()
        public = own.export_public_key().decode()
        (self.folder / "known_hosts").write_text(f"[{ADDRESS}]:{self.port} {public}")
        self.thread = Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        shutil.rmtree(self.work)

    def write(self, name, data):
        (self.town_folder / name).parent.mkdir(exist_ok=True)
        (self.town_folder / name).write_text(yaml.safe_dump(data), encoding="utf-8")

    def load(self):
        self.town = load(self.town_folder)
        config = write_ssh_config(self.town, self.work)
        self.engine = AnsibleEngine(config, self.work)
        (system,) = self.town.systems
        self.task = Task(system, (self.town.hosts[HOST],))

    def plan(self):
        (plan,) = self.engine.plan(self.town, [self.task], lambda *_: None)
        return plan

    def apply(self, plan):
        approved = {(HOST, "windows_firewall"): Mandate(tuple(c.mark for c in plan.changes))}
        (out,) = self.engine.apply(self.town, [self.task], approved, lambda *_: None)
        return out

    def rule(self, name):
        return next(rule for rule in self.device.rules if rule["Name"] == name)

    def deviations(self):
        """Hold what the host has against the matrix: all but what IP itself needs."""
        hosts = {h.name: h.vars for h in self.town.hosts.values()}
        matrix = Matrix(policy_of(self.town), hosts, "2026-11-27")
        rules = [plain(r) for r in self.device.rules if "Core Networking" not in r["Name"]]
        return list(deviations(matrix, HOST, Firewall(rules, self.device.profiles)))


def plain(rule):
    """Return a rule with "" for nothing, as it is rendered."""
    return {key: "" if value is None else value for key, value in rule.items()}


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def resources(changes):
    return [f"{change.action} {change.resource}" for change in changes]


def test_a_host_is_brought_to_what_the_policy_says_and_kept_there(bench):
    plan = bench.plan()
    assert (plan.status, plan.blind_spots, plan.identity) == ("ok", (), MACHINE), plan.reason
    assert resources(plan.changes) == [
        *(f"set rule admin/{kind}" for kind in ("icmp", "icmpv6", "tcp")),
        *(f"set rule files/{kind}" for kind in ("icmp", "icmpv6", "tcp")),
        *(f"set profile {name}" for name in ("Domain", "Private", "Public")),
        "set foreign rule Core Networking - IPHTTPS (TCP-In)",
        "set foreign rule File and Printer Sharing (SMB-In)",
        "set foreign rule OpenSSH SSH Server (sshd)",
    ]
    assert {change.risk for change in plan.changes} == {("cuts-path",)}
    assert "+Description: Mehmet Demir: the offices' folders" in plan.changes[5].diff
    assert "+RemoteAddresses: 127.20.102.0/29" in plan.changes[5].diff
    assert {name for name, check in bench.device.log if not check} == {"win_powershell"}
    assert bench.rule("OpenSSH SSH Server (sshd)")["Enabled"]

    done = bench.apply(plan)
    assert done.status == "applied", done.reason
    assert [c.id for c in done.applied] == [c.id for c in plan.changes]
    assert bench.deviations() == []
    assert bench.plan().changes == ()
    assert bench.rule("kahya:files/tcp")["RemoteAddresses"].startswith("127.20.1.0-127.20.1.99,")


def test_what_is_changed_by_hand_is_told_and_mended_and_nothing_else(bench):
    assert bench.apply(bench.plan()).status == "applied"
    hole = {**bench.rule("kahya:files/tcp"), "Name": "temp", "Grouping": None}
    bench.device.rules += [hole | {"RemoteAddresses": "*"}, hole | {"Name": "no", "Action": 0}]
    bench.device.rules.append(bench.rule("kahya:admin/tcp") | {"Name": "kahya:gone/tcp"})
    bench.rule("kahya:admin/icmp")["RemoteAddresses"] = "*"
    bench.rule("kahya:files/icmp")["ApplicationName"] = r"C:\x.exe"
    bench.device.profiles["Public"]["AllowInboundRules"] = "False"
    plan = bench.plan()
    assert resources(plan.changes) == [
        "set rule admin/icmp",
        "set rule files/icmp",
        "set profile Public",
        "set foreign rule temp",
        "set foreign rule no",
        "remove rule gone/tcp",
    ]
    assert "-RemoteAddresses: *" in plan.changes[0].diff

    bench.device.faults["Public"] = "Access is denied."
    stopped = bench.apply(plan)
    assert (stopped.status, stopped.reason.split(": ", 1)[1]) == (
        "failed", "profile Public: Access is denied.",
    )  # fmt: skip
    assert [c.id for c in stopped.applied] == [c.id for c in plan.changes[:2]]

    rest = bench.plan()
    assert [c.id for c in rest.changes] == [c.id for c in plan.changes[2:]]
    assert bench.apply(rest).status == "applied"
    assert bench.plan().changes == ()
    assert bench.deviations() == []


def test_who_is_logged_in_is_not_locked_out(bench):
    """The workstation may log in by the policy, but here somebody logs in from elsewhere."""
    file = bench.town_folder / "group_vars/gateways/firewall.yml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("127.0.0.1/32, ", ""), encoding="utf-8")
    bench.load()
    lost = bench.plan()
    assert (lost.status, lost.changes) == ("error", ())
    assert "would lock out this very login (127.0.0.1 " in lost.reason


def test_where_group_policy_decides_nothing_is_done(bench):
    bench.device.modify_state = 1
    lost = bench.plan()
    assert (lost.status, lost.changes) == ("error", ())
    assert "group policy decides" in lost.reason


def test_the_probe_knocks_for_real(bench):
    """No firewall stands before a loopback address: the probe gets in, and sees that so may all."""
    (system,) = bench.town.systems
    hosts, config = bench.task.hosts, bench.engine.ssh_config
    seen = probes.run(bench.town, system, hosts, ROOT, config, bench.work)
    assert {r.name: r.status for r in seen} == {
        "the port to log in by is open to this machine": "passed",
        "what the policy does not open to this machine gives no answer, not even a refusal":
        "failed",
    }  # fmt: skip


def test_a_host_under_another_key_is_asked_nothing(bench):
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    (bench.folder / "known_hosts").write_text(f"[{ADDRESS}]:{bench.port} {other}")
    lost = bench.plan()
    assert lost.status == "unreachable"
    assert bench.device.log == []
