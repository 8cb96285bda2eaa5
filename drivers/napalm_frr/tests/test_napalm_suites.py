"""NAPALM's own suites, on the router."""

import os
import unittest
from pathlib import Path

import pytest
from conftest import INITIAL
from lab import ROUTER
from napalm import get_network_driver
from napalm.base import models
from napalm.base.test.base import TestConfigNetworkDriver as ConfigSuite
from napalm.base.test.base import TestGettersNetworkDriver as GettersSuite
from napalm.base.test.getters import BaseTestGetters

HERE = Path(__file__).parent
pytestmark = [
    pytest.mark.device,
    pytest.mark.filterwarnings("ignore::pytest.PytestReturnNotNoneWarning"),  # the suites do that
]


@pytest.fixture(scope="class", autouse=True)
def router(request, lab):
    """Give the suite its device: the router with its initial configuration and a BGP route."""
    os.chdir(HERE)  # the suites read frr/*.conf
    driver = get_network_driver("frr")
    device = driver(ROUTER, "root", "", 30, lab.options())
    device.open()
    device.load_replace_candidate(config=INITIAL)
    device.commit_config()
    lab.wait_for(lambda: "1.0.4.0/24" in device.get_route_to("1.0.4.0/24", "bgp"))
    request.cls.device = device
    request.cls.driver = driver
    request.cls.vendor = "frr"
    yield
    device.close()


class TestConfig(ConfigSuite, unittest.TestCase):
    """Load, compare, commit, discard, roll back."""

    setup_class = teardown_class = None  # the fixture above does this

    @classmethod
    def setUpClass(cls):
        """See the fixture."""

    @classmethod
    def tearDownClass(cls):
        """See the fixture."""


class TestGetters(GettersSuite, unittest.TestCase):
    """The models of every getter."""

    def test_get_lldp_neighbors_detail(self):
        """As in the suite, which compares each neighbour with the model of them all."""
        for neighbours in self.device.get_lldp_neighbors_detail().values():
            for neighbour in neighbours:
                assert self._test_model(models.LLDPNeighborDetailDict, neighbour)


class TestGettersAgain(BaseTestGetters):
    """NAPALM's newer suite, which also compares the signatures of all methods."""

    @pytest.fixture(params=["device"])
    def test_case(self, request):
        """The suite's mocked cases; on a device there is one."""
        return request.param


del ConfigSuite, GettersSuite, BaseTestGetters
