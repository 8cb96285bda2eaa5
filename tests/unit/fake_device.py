"""A NAPALM driver that answers from here, for what only reads."""

from contextlib import contextmanager
from types import SimpleNamespace

PORT = {"is_up": True, "is_enabled": True, "speed": 1000.0, "description": ""}
HEARD = {
    "remote_port": "Gi1/0/1", "remote_port_description": "uplink", "remote_chassis_id": "00:01",
    "remote_system_name": "gw-fen.ornek.bel.tr", "remote_system_capab": ["bridge", "router"],
    "remote_system_enable_capab": ["router"],
}  # fmt: skip


class Driver:
    """A driver that answers what a test wants."""

    def __init__(self, lldp=None, error=None, pending=False, running=""):
        self.lldp, self.error, self.pending, self.text = lldp, error, pending, running

    def get_facts(self):
        about = {"vendor": "Cisco", "model": "C9200", "os_version": "17.9", "serial_number": "FOC1"}
        return about | {"hostname": "sw", "uptime": 1.0, "fqdn": "", "interface_list": []}

    def get_interfaces(self):
        return {"GigabitEthernet1/0/1": PORT, "Vlan1": PORT | {"is_up": False, "speed": -1.0}}

    def get_lldp_neighbors_detail(self):
        if self.lldp is None:
            raise NotImplementedError
        return self.lldp

    def has_pending_commit(self):
        return self.pending

    def running(self):
        return self.text

    @contextmanager
    def connect(self, *_):
        """Connect as the engine does."""
        if self.error:
            raise self.error
        yield SimpleNamespace(driver=self, running=self.running)
