"""Whatever a FortiGate has, the steps lead to what it should have, and then there are none left."""

import importlib.util
import json
from pathlib import Path
from urllib.parse import quote

import pytest
from devices.fortios import FortiGate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kahya.firewall.fortigate import ADDRESS, LOCAL, LOCAL6, POLICY, SERVICE, TABLES, VIP
from kahya.inventory import load

ROOT = Path(__file__).parents[3]
TOWN = ROOT / "tests/unit/towns/one_fortigate"
PORTS = ["port1", "port2", "port3", "wan1"]
KEYS = {t: "policyid" if t in (POLICY, LOCAL, LOCAL6) else "name" for t in TABLES}


def plugin(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


steps = plugin(ROOT / "roles/fortigate/filter_plugins/fortigate.py").steps
entries = plugin(ROOT / "roles/fortigate/action_plugins/fortigate_entries.py")


@pytest.fixture(scope="session")
def wanted():
    return load(TOWN).hosts["gw-merkez"].vars["rendered"]


def ask(device, method, table, key="", query="", body=None):
    """Send one request, as the collection does."""
    path = f"/api/v2/cmdb/{table}" + (f"/{quote(key, safe='')}" if key else "")
    data = json.dumps(body).encode() if body else b""
    return device.answer(method, f"{path}?vdom=root{query}", device.token, data)


def read(device):
    return [ask(device, "GET", table)[1] for table in TABLES]


def carry_out(device, step):
    if "move" in step:
        side, other = step["move"]
        query = f"&action=move&{side}={other}"
        status, answer = ask(device, "PUT", step["table"], step["key"], query)
    elif step["state"] == "absent":
        status, answer = ask(device, "DELETE", step["table"], step["key"])
    else:
        there = ask(device, "GET", step["table"], step["key"])[0] == 200
        method, key = ("PUT", step["key"]) if there else ("POST", "")
        status, answer = ask(device, method, step["table"], key, body=step["entry"])
    assert (status, answer.get("error")) == (200, None), step["label"]
    assert answer["revision_changed"], step["label"]


def mended(device, wanted):
    """Carry out all steps and return how they are called."""
    found = steps(wanted, read(device))
    for step in found:
        carry_out(device, step)
    assert steps(wanted, read(device)) == []
    return [f"{'-' if step['state'] == 'absent' else ''}{step['label']}" for step in found]


@pytest.fixture
def device(tmp_path, wanted):
    device = FortiGate(tmp_path, PORTS)
    device.token = "t"
    mended(device, wanted)
    return device


def test_a_factory_new_device_gets_the_whole_in_its_order(device, wanted):
    for table in TABLES:
        there = [str(row[KEYS[table]]) for row in device.tables["root"][table]]
        assert [key for key in there if key in wanted[table]] == [
            key for key in (wanted if table in (POLICY, LOCAL, LOCAL6) else {table: there})[table]
            if key in wanted[table]
        ]  # fmt: skip
        assert set(wanted[table]) <= set(there)
    assert len(device.tables["root"][POLICY]) == len(wanted[POLICY])
    names = {row["name"] for row in device.tables["root"][ADDRESS]}
    assert "SSLVPN_TUNNEL_ADDR1" in names  # not ours, and without effect


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_disorder_is_mended(tmp_path_factory, wanted, data):
    device = FortiGate(tmp_path_factory.mktemp("device"), PORTS)
    device.token = "t"
    tables = device.tables["root"]
    for table in TABLES:
        rows = [dict(row) for row in wanted[table].values()]
        tables[table] += data.draw(st.permutations(rows), label=table)
    for table in (POLICY, LOCAL, LOCAL6, VIP):
        for row in data.draw(
            st.lists(st.sampled_from(list(tables[table])), max_size=2, unique_by=id)
        ):
            tables[table].remove(row)
    for number in data.draw(st.sets(st.integers(1, 9), max_size=3)):
        by_hand = {"policyid": number, "name": f"by-hand-{number}", "status": "enable"}
        tables[POLICY].insert(number, {**tables[POLICY][0], **by_hand})
    mended(device, wanted)
    for table in (POLICY, LOCAL, LOCAL6):
        assert [str(row["policyid"]) for row in tables[table]] == list(wanted[table])


def by_hand(tables, name):
    return next(row for row in tables[POLICY] if row["name"] == name)


def moved(tables):
    policy = by_hand(tables, "guests-stay-out/1")
    tables[POLICY].remove(policy)
    tables[POLICY].append(policy)


DRIFT = {  # what somebody does by hand, and how it is called
    "a policy more": (
        lambda t: t[POLICY].insert(0, {**t[POLICY][2], "policyid": 7, "name": "temp"}),
        ["-policy temp"],
    ),
    "a policy disabled": (
        lambda t: by_hand(t, "ping/1").update(status="disable"), ["policy ping/1"],
    ),
    "a policy negated": (
        lambda t: by_hand(t, "ping/1").update({"srcaddr-negate": "enable"}), ["policy ping/1"],
    ),
    "a policy for a group alone": (
        lambda t: by_hand(t, "ping/1").update(groups=[{"name": "it"}]), ["policy ping/1"],
    ),
    "words of a comment": (
        lambda t: by_hand(t, "ping/1").update(comments="fault every of question first the"),
        ["policy ping/1"],
    ),
    "a policy moved": (moved, ["place of policy guests-stay-out/1"]),
    "an address widened": (
        lambda t: next(r for r in t[ADDRESS] if r["name"] == "kahya:10.20.1.100/32").update(
            subnet="10.20.1.96 255.255.255.224"
        ),
        ["address 10.20.1.100/32"],
    ),
    "a service of ours more": (
        lambda t: t[SERVICE].append({"name": "kahya:tcp/9", "tcp-portrange": "9"}),
        ["-service tcp/9"],
    ),
    "a forwarded port more": (
        lambda t: t[VIP].append({**t[VIP][0], "name": "mail", "extport": "25"}),
        ["-forwarded port mail"],
    ),
    "the device's own interface": (
        lambda t: t[LOCAL][-1].update(intf=[{"name": "wan1"}]), ["policy to itself no-rule/1"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DRIFT)
def test_what_is_changed_by_hand_is_found_as_itself(device, wanted, name):
    change, told = DRIFT[name]
    change(device.tables["root"])
    assert mended(device, wanted) == told


def test_every_entry_is_one_that_the_collections_modules_take(wanted):
    """Options and choices by the schemas that fortinet.fortios ships."""
    for table, rows in wanted.items():
        for key, row in rows.items():
            step = {"table": table, "state": "present", "entry": row, "key": key}
            module, arguments = entries.changed(step)
            name = f"ansible_collections.fortinet.fortios.plugins.modules.{module}"
            known = importlib.import_module(name).versioned_schema["children"]
            (about,) = (v for k, v in arguments.items() if k != "state")
            for option, value in about.items():
                choices = [o["value"] for o in known[option].get("options", ())]
                assert not choices or value in choices, (table, option)
                assert isinstance(value, list) is (known[option]["type"] == "list"), option
