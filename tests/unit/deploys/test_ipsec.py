"""What a gateway with peers of IPsec is to have, as a plan (engines/local_runner.py)."""

import os
import shutil
from pathlib import Path

import pytest
from unit.engines.test_pyinfra import Place

DEPLOYS = Path(__file__).parents[3] / "deploys"
SYSTEMCTL = "#!/bin/sh\ntrue\n"  # nothing runs
PEER = {
    "name": "hastane", "address": "203.0.113.9", "identity": "gw.hastane.example",
    "own_identity": "gw.ornek.bel.tr", "networks": ["10.90.0.0/24"],
    "own_networks": ["10.20.1.0/24"], "psk": "abcdefghijklmnopqrstuvwxyz",
}  # fmt: skip


@pytest.fixture
def place(tmp_path, monkeypatch):
    place = Place(tmp_path, monkeypatch)
    shutil.rmtree(place.source)
    shutil.copytree(DEPLOYS / "ipsec", place.source)
    shutil.copytree(DEPLOYS / "ipsec", place.source.parent / "ipsec")
    shutil.copy(DEPLOYS / "steps.py", place.source.parent)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/systemctl").write_text(SYSTEMCTL)
    (tmp_path / "bin/systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return place


def test_it_speaks_by_the_main_line_whichever_is_written_first(place):
    place.town.hosts["one"].vars.update(
        ipsec_peers=[PEER],
        interfaces={
            "wan1": {"address": "198.51.100.7/24", "zone": "wan", "line": "backup"},
            "wan0": {"address": "192.0.2.7/24", "zone": "wan"},
        },
        lines=[
            {"line": "main", "address": "192.0.2.7"},
            {"line": "backup", "address": "198.51.100.7"},
        ],
    )
    (plan,) = place.plan()
    assert plan.status == "ok", plan.reason
    diffs = {change.resource: change.diff for change in plan.changes}
    assert "local_addrs = 192.0.2.7\n" in diffs["file /etc/swanctl/conf.d/kahya.conf"]
