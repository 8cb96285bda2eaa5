"""NAPALM's own suites on the stand-ins, through NAPALM's own drivers.

One case can't pass on any device, see its mark. Getters of what an access switch doesn't have, or
the project doesn't ask for, are named in ``NOT_SIMULATED``.
"""

import unittest
from pathlib import Path

import pytest
from napalm.base.test.base import TestConfigNetworkDriver as ConfigSuite
from napalm.base.test.getters import BaseTestGetters
from switches import switch

HERE = Path(__file__).parent
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestReturnNotNoneWarning")  # they do
NEIGHBOUR = {
    "ios": {"port": "GigabitEthernet1/0/1", "system": "gw-fen", "remote_port": "eth0"},
    "eos": {"port": "Ethernet1", "system": "gw-merkez", "remote_port": "eth0"},
}
NOT_SIMULATED = (
    "arp_table", "arp_table_with_vrf", "bgp_config", "bgp_neighbors", "bgp_neighbors_detail",
    "environment", "interfaces_counters", "ipv6_neighbors_table", "mac_address_table",
    "network_instances", "ntp_peers", "ntp_stats", "optics", "probes_config", "probes_results",
    "route_to", "route_to_longer", "firewall_policies",
)  # fmt: skip


@pytest.fixture(scope="class", autouse=True)
def device(request, tmp_path_factory):
    """Give the suite its device, with the configuration that it begins and ends with."""
    platform = request.cls.platform
    factory = (HERE / platform / "initial.conf").read_text()
    with switch(platform, tmp_path_factory.mktemp(platform), factory) as device:
        device.plug([NEIGHBOUR[platform]])
        with device.open() as driver:
            request.cls.device, request.cls.driver = driver, type(driver)
            request.cls.vendor = str(HERE / platform)
            yield


class Config(ConfigSuite):
    """Load, compare, commit, discard, roll back."""

    setup_class = teardown_class = None  # the fixture above does this

    @classmethod
    def setUpClass(cls):
        """See the fixture."""

    @classmethod
    def tearDownClass(cls):
        """See the fixture."""


class TestConfigIos(Config, unittest.TestCase):
    """IOS."""

    platform = "ios"


class TestConfigEos(Config, unittest.TestCase):
    """EOS."""

    platform = "eos"

    @unittest.expectedFailure
    def test_load_template(self):
        """NAPALM has no template set_hostname for EOS."""
        super().test_load_template()


class Getters(BaseTestGetters):
    """The models of every getter, and the signatures of all methods."""

    @pytest.fixture(params=["device"])
    def test_case(self, request):
        """The suite's mocked cases; on a device there is one."""
        return request.param

    for name in NOT_SIMULATED:
        locals()[f"test_get_{name}"] = None
    test_ping = test_traceroute = None


class TestGettersIos(Getters):
    """IOS."""

    platform = "ios"


class TestGettersEos(Getters):
    """EOS."""

    platform = "eos"


del ConfigSuite, Config, BaseTestGetters, Getters
