"""Where a town's logs are, and whom the inventory names."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from chain import Log

from kahya.accesslog import town as logs
from kahya.accesslog.files import from_paths
from kahya.inventory import load
from kahya.scratch import IN_USE

TOWN = load(Path(__file__).parents[3] / "inventories/lab")


def with_vars(name, **more):
    host = TOWN.hosts[name]
    changed = replace(host, vars={**host.vars, **more})
    return replace(TOWN, hosts={**TOWN.hosts, name: changed})


def test_what_a_killed_one_leaves_is_removed_by_the_next():
    with logs.access(TOWN) as reach:
        assert (reach.folder / IN_USE).exists()
    assert not reach.folder.exists()


def test_the_gateway_behind_an_address_however_that_is_written():
    wan = {"address": "198.51.100.77/24", "address6": "2001:DB8:0::7/64", "zone": "wan"}
    town = with_vars("gw-fen", interfaces={"wan0": wan})
    assert [host.name for host in logs.behind(town, "2001:db8::7")] == ["gw-fen"]
    assert [host.name for host in logs.behind(town, "198.51.100.77")] == ["gw-fen"]
    assert len(logs.behind(town, "192.0.2.1")) == 3


def test_a_host_is_named_by_its_ipv6_address(tmp_path):
    log, end, now = Log(tmp_path, 10**6), "[fd20:0:0:1::99]:1234", datetime.now().astimezone()
    ends = {"source": end, "destination": "[fd20::1]:80", "translated": end}
    log.put("begin", at=now.timestamp(), id="1", protocol="tcp", **ends)
    town = with_vars("pc-merkez", address6="fd20:0::1:0:0:0:0099")
    (answer,) = logs.ask(from_paths([tmp_path]), "gw", town, end, now, timedelta(seconds=1))
    assert answer.host == "pc-merkez"
