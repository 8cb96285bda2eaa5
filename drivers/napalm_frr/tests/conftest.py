"""Fixtures: the driver on the import path, and the two routers, built once for all tests."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("NAPALM_TEST_MOCK", "0")  # NAPALM's own getters suite, on a real device
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

import hypothesis
import pytest
from lab import ROUTER, Lab, can_run
from napalm import get_network_driver

hypothesis.settings.register_profile("unhurried", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("unhurried")
INITIAL = (HERE / "frr" / "initial.conf").read_text()


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; deselect with `-m "not device"` where no containers can run."""
    config.addinivalue_line("markers", "device: needs the two routers in containers")


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two routers in containers; skipped where they can't be built."""
    if not can_run():
        pytest.skip("needs root, podman and mmdebstrap")
    made = Lab(tmp_path_factory.mktemp("lab"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def connect(lab: Lab) -> Iterator[Callable[..., Any]]:
    """Return a function that opens a new connection to the router; options override the lab's."""
    opened = []

    def connect_with(username: str = "root", timeout: int = 30, **options: Any) -> Any:
        driver = get_network_driver("frr")
        device = driver(ROUTER, username, "", timeout, lab.options(**options))
        opened.append(device)
        device.open()
        return device

    yield connect_with
    for device in opened:
        device.close()


@pytest.fixture
def device(connect: Callable[..., Any]) -> Any:
    """The router with its initial configuration, kept."""
    device = connect()
    if device.has_pending_commit():
        device.rollback()
    device.load_replace_candidate(config=INITIAL)
    if device.compare_config():
        device.commit_config()
    device.discard_config()
    return device
