"""The two devices; NAPALM's own getters suite is run on them, not on its recordings."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("NAPALM_TEST_MOCK", "0")
sys.path.append(str(Path(__file__).parent))  # random_configs, life

import pytest
from switches import Switch, switch

FORCE = {"ios": " force", "eos": ""}


@pytest.fixture(scope="module", params=("ios", "eos"))
def machine(request, tmp_path_factory) -> Iterator[Switch]:
    with switch(request.param, tmp_path_factory.mktemp(request.param)) as machine:
        machine.type_in("copy running-config flash:factory")
        yield machine


@pytest.fixture
def device(machine: Switch) -> Iterator[Switch]:
    """The device as it was delivered."""
    yield machine
    machine.faults()
    for path in (machine.folder / "flash").glob("*_config.txt"):
        path.unlink()
    machine.type_in(f"configure replace flash:factory{FORCE[machine.platform]}; write; reload")
