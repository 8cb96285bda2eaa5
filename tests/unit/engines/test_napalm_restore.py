"""A switch gets a backup back, over upstream's drivers: read, masked, filled in, applied, equal."""

from functools import partial

import pytest
from switch_lab import SYSTEM, managed
from switches import PASSWORD

from kahya.engines.napalm import Job
from kahya.engines.napalm_read import configurations, read
from kahya.mask import Mask

HASHES = {"ios": "kahyaxyz", "eos": "sha512 $"}


@pytest.fixture(params=["eos", "ios"])
def switch(request, tmp_path):
    with managed(request.param, tmp_path) as made:
        yield made


def test_what_was_backed_up_comes_back(switch):
    [host] = switch.task.hosts
    mask = Mask(host.name, b"k" * 32, (PASSWORD,))

    def kept():
        job = Job(switch.town, SYSTEM, host, lambda *_: None)
        [found] = read(switch.engine.ssh_config, [job], configurations)
        assert (found.status, found.reason) == ("ok", "")
        raw, clean = found.value
        return {kind: mask.hide(text, clean[kind]) for kind, text in raw.items()}

    first = kept()
    assert first == kept()
    assert "<secret:" in first["running"]
    assert HASHES[switch.platform] in switch.shows()
    assert HASHES[switch.platform] not in str(first)
    switch.type("vlan 77\nno username yedek\nsnmp-server community gizli ro")
    assert kept()["running"] != first["running"]
    switch.engine.restores = {host.name: partial(mask.fill, first["running"])}
    plan = switch.plan()
    assert (plan.status, plan.reason) == ("ok", "")
    assert {"vlan 77"} < {change.resource for change in plan.changes}
    assert "gizli" not in repr(plan)
    outcome = switch.apply(plan)
    assert (outcome.status, outcome.reason) == ("applied", "")
    now = kept()
    assert now["running"] == first["running"]
    assert "vlan 77" not in now["startup"]
    assert HASHES[switch.platform] not in now["startup"], "NAPALM's EOS driver leaves it there"
    assert switch.plan().changes == ()
