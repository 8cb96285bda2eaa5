"""The town's switches as they are delivered, brought to what the inventory says, and back."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from standins import factory
from switches import switch

from kahya.engines.base import Mandate, Task
from kahya.engines.napalm import NapalmEngine
from kahya.inventory import load
from kahya.ssh import write_ssh_config

TOWN = load(Path(__file__).parents[3] / "inventories/lab")
SWITCHING = next(s for s in TOWN.systems if s.name == "switching")
PORT = {"ios": "ansible_port", "eos": "ansible_httpapi_port"}


@pytest.fixture
def town(tmp_path):
    """Return the town with a stand-in for each of its switches."""
    with ExitStack() as stack:
        hosts, known = {}, []
        for host in TOWN.hosts_of(SWITCHING):
            where, platform = tmp_path / host.name, host.vars["platform"]
            ports = ",".join(port["name"] for port in host.vars["switch"]["ports"])
            made = switch(platform, where, factory(host), "--minute", "60", ports=ports)
            device = stack.enter_context(made)
            data = {**host.vars, "ssh_known_hosts_file": str(tmp_path / "known_hosts")}
            data |= {PORT[platform]: device.port}
            data |= {"ansible_httpapi_ca_path": str(where / "certificate.pem")}
            hosts[host.name] = replace(host, address="127.0.0.1", vars=data)
            if platform == "ios":
                key = (where / "host_key.pub").read_text(encoding="utf-8")
                known.append(f"[127.0.0.1]:{device.port} {key}")
        (tmp_path / "known_hosts").write_text("".join(known), encoding="utf-8")
        yield replace(TOWN, hosts=TOWN.hosts | hosts)


def test_delivered_switches_are_brought_up_and_nothing_is_left(town, tmp_path):
    engine = NapalmEngine(write_ssh_config(town, tmp_path), tmp_path)
    task = Task(SWITCHING, town.hosts_of(SWITCHING))
    plans = list(engine.plan(town, [task], lambda *_: None))
    assert [(p.status, p.reason) for p in plans] == [("ok", "")] * len(task.hosts)
    assert all(len(plan.changes) > 20 for plan in plans)
    assert not any(secret in repr(plans) for secret in TOWN.secrets)
    approved = {
        (p.host, p.system): Mandate(tuple(c.mark for c in p.changes), p.identity) for p in plans
    }
    outcomes = list(engine.apply(town, [task], approved, lambda *_: None))
    assert [(o.status, o.reason) for o in outcomes] == [("applied", "")] * len(plans)
    assert all(not p.changes for p in engine.plan(town, [task], lambda *_: None))
    back = list(engine.revert(town, [task], lambda *_: None))
    assert [(o.status, o.reason) for o in back] == [("reverted", "")] * len(plans)
    again = engine.plan(town, [task], lambda *_: None)
    assert {p.host: p.changes for p in again} == {p.host: p.changes for p in plans}
