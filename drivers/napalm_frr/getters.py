"""The getters: what to ask the router, in one command each. ``translate`` puts it into models.

What is not here, FRR does not have (users, NTP, SNMP, optics, firewall policies ...): those raise
NotImplementedError, as do VRFs.
"""

import json
import shlex
from typing import TYPE_CHECKING, Any

from napalm.base.exceptions import CommandErrorException

from . import translate
from .bgp_config import bgp_config

if TYPE_CHECKING:
    from .transport import Result

Model = dict[str, Any]
FACTS = (
    "vtysh -c 'show version' | head -n 1; hostname; hostname -f 2>/dev/null || hostname;"
    " cat /etc/machine-id; cut -d ' ' -f 1 /proc/uptime; ip -j link"
)


class Getters:
    """The read-only half of the driver; the other half brings these three."""

    def _run(self, command: str, given: bytes = b"") -> "Result":
        raise NotImplementedError

    def _output(self, command: str) -> str:
        raise NotImplementedError

    def _vtysh(self, command: str) -> str:
        raise NotImplementedError

    def _vtysh_json(self, command: str) -> Any:
        return json.loads(self._vtysh(f"{command} json") or "{}")

    def _json(self, command: str) -> Any:
        return json.loads(self._output(command) or "[]")

    def get_facts(self) -> Model:
        """Return NAPALM's facts; the serial number is Linux's machine id, uptime is in seconds."""
        return translate.facts(self._output(f"sh -c {shlex.quote(FACTS)}"))

    def get_interfaces(self) -> Model:
        """Return the links; speed in Mbit/s, 0.0 when Linux does not know it."""
        return translate.interfaces(self._vtysh_json("show interface"))

    def get_interfaces_counters(self) -> Model:
        """Return Linux's counters; -1 for what Linux does not count apart."""
        return translate.counters(self._json("ip -j -s link"))

    def get_interfaces_ip(self) -> Model:
        """Return every address, also those that FRR did not configure."""
        return translate.addresses(self._vtysh_json("show interface"))

    def get_arp_table(self, vrf: str = "") -> list[Model]:
        """Return the IPv4 neighbours that have an answer; age in seconds."""
        _refuse_vrf(vrf)
        return translate.arp(self._json("ip -4 -j -s neigh"))

    def get_ipv6_neighbors_table(self) -> list[Model]:
        """Return the IPv6 neighbours; age in seconds."""
        return translate.ipv6_neighbours(self._json("ip -6 -j -s neigh"))

    def get_mac_address_table(self) -> list[Model]:
        """Return what the router's bridges have learnt."""
        return translate.mac_table(self._json("bridge -j -s fdb show"))

    def get_route_to(
        self, destination: str = "", protocol: str = "", longer: bool = False
    ) -> Model:
        """Return the routes to an address or prefix; all of IPv4 without a destination."""
        family = "ipv6" if ":" in destination else "ip"
        more = " longer-prefixes" if longer else ""
        routes = self._vtysh_json(f"show {family} route {destination}{more}")
        return translate.routes(routes, protocol)

    def get_bgp_neighbors(self) -> Model:
        """Return the BGP sessions; received prefixes are -1, FRR counts accepted ones only."""
        return translate.bgp_neighbors(self._vtysh_json("show bgp vrf all neighbors"))

    def get_bgp_neighbors_detail(self, neighbor_address: str = "") -> Model:
        """Return the details of all sessions, or of one."""
        sessions = self._vtysh_json("show bgp vrf all neighbors")
        return translate.bgp_neighbors_detail(sessions, neighbor_address)

    def get_bgp_config(self, group: str = "", neighbor: str = "") -> Model:
        """Return the configured peer groups and peers, with their keys; "_" is no group."""
        return bgp_config(self._vtysh("show running-config"), group, neighbor)

    def get_lldp_neighbors(self) -> Model:
        """Return who is at the other end of each link. NotImplementedError without lldpd."""
        return translate.lldp(self._lldp())

    def get_lldp_neighbors_detail(self, interface: str = "") -> Model:
        """Return all that the other end says. NotImplementedError without lldpd."""
        found = translate.lldp_detail(self._lldp())
        return {name: found.get(name, []) for name in [interface]} if interface else found

    def _lldp(self) -> Model:
        done = self._run("lldpcli -f json show neighbors details")
        if "not found" in done.err:
            raise NotImplementedError("lldpd is not installed on the device")
        if done.status:
            raise CommandErrorException(done.err.strip())
        return dict(json.loads(done.out))

    def get_network_instances(self, name: str = "") -> Model:
        """Return the default instance and its interfaces."""
        found = translate.instances(self._vtysh_json("show interface"))
        return {k: v for k, v in found.items() if name in ("", k)}

    def get_environment(self) -> Model:
        """Return CPU use (percent, over 0.2 s) and memory (kB); FRR knows no fans or sensors."""
        script = "cat /proc/stat; sleep 0.2; cat /proc/stat /proc/meminfo"
        return translate.environment(self._output(f"sh -c {shlex.quote(script)}"))

    def ping(
        self,
        destination: str,
        source: str = "",
        ttl: int = 255,
        timeout: int = 2,
        size: int = 100,
        count: int = 5,
        vrf: str = "",
        source_interface: str = "",
    ) -> Model:
        """Ping from the router; times in milliseconds, `timeout` in seconds for each probe."""
        _refuse_vrf(vrf)
        command = ["ping", "-n", "-i", "0.2", "-c", str(count), "-t", str(ttl), "-s", str(size)]
        command += ["-W", str(timeout)]
        if source or source_interface:
            command += ["-I", source or source_interface]
        done = self._run(shlex.join([*command, "--", destination]))
        return translate.ping(done.out, done.err)


def _refuse_vrf(vrf: str) -> None:
    if vrf:
        raise NotImplementedError("VRFs are not supported")
