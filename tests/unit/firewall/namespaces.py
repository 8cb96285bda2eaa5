"""A town of network namespaces here: hosts, gateways with their rules, tunnels as wires."""

import subprocess
import uuid
from contextlib import contextmanager
from ipaddress import ip_interface
from itertools import combinations

from kahya.firewall.networks import addresses_of
from kahya.topology import BACKUP, MAIN, WAN, line_of

KEYS = ("address", "address6")
SETTINGS = (
    "net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1"
    " net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0"
    " net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0"
)


class Namespaces:
    """Namespaces by host name, and a bridge for each network in one of their own."""

    def __init__(self, matrix):
        self.matrix = matrix
        self.prefix = f"kahya-{uuid.uuid4().hex[:6]}"
        self.wires = 0
        self.bridges = {}

    def login(self, host):
        """Return the words that run a command there."""
        return ["ip", "netns", "exec", f"{self.prefix}-{host}"]

    def on(self, host, command, text=None):
        """Run a shell command there."""
        words = [*self.login(host), "sh", "-ec", command]
        done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{host}: {command}: {done.stderr}"
        return done.stdout

    def load(self, texts):
        """Load each gateway's rules."""
        for gateway, text in texts.items():
            self.on(gateway, "PATH=$PATH:/usr/sbin; nft -f -", text)

    def up(self, names):
        for name in ("wires", *self.matrix.gateways, *names):
            subprocess.run(["ip", "netns", "add", f"{self.prefix}-{name}"], check=True)
            self.on(name, f"ip link set lo up; sysctl -qw {SETTINGS}")
        for name in self.matrix.gateways:
            self._gateway(name)
        for pair in combinations(self.matrix.gateways, 2):
            self._tunnel(*pair)
        for name in names:
            self._host(name)

    def down(self):
        listed = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
        for line in listed.splitlines():
            if line.startswith(f"{self.prefix}-"):
                subprocess.run(["ip", "netns", "del", line.split()[0]], check=True)

    def _gateway(self, name):
        about = self.matrix.gateways[name]
        for interface, port in about["interfaces"].items():
            segment = line_of(port) if port["zone"] == WAN else addresses_of(port)[0].network
            self._plug(name, interface, segment, [port[key] for key in KEYS if key in port])

    def _tunnel(self, one, other):
        """Join two gateways by a wire with a tunnel's names and addresses, and route by it."""
        here, there = (self._end(*pair) for pair in ((one, other), (other, one)))
        self.on(one, f"ip link add {here['name']} type veth peer name {there['name']}"
                     f" netns {self.prefix}-{other}")  # fmt: skip
        for name, end in ((one, here), (other, there)):
            self.on(name, f"ip link set {end['name']} up")
            for address in _ends(end):
                self.on(name, f"ip address add {address} dev {end['name']}")
        for name, end, peer, way in ((one, here, other, there), (other, there, one, here)):
            via = {address.version: address.ip for address in _ends(way)}
            about = self.matrix.gateways[peer]
            for port in about["interfaces"].values():
                for address in addresses_of(port) if port["zone"] in about["vpn_zones"] else ():
                    route = f"{address.network} via {via[address.version]} dev {end['name']}"
                    self.on(name, f"ip route add {route}")

    def _end(self, name, peer):
        tunnels = self.matrix.gateways[name]["tunnels"]
        return next(tunnel for tunnel in tunnels if tunnel["peer_host"] == peer)

    def _host(self, name):
        for address in self.matrix.addresses(name):
            spot = self.matrix.spot(address)
            gateway = self.matrix.gateways.get(spot.gateway)
            port = gateway["interfaces"][spot.interface] if gateway else self._carrier()
            mine = next(a for a in addresses_of(port) if a.version == address.version)
            segment = addresses_of(port)[0].network if gateway else MAIN
            self._plug(name, "eth0", segment, [f"{address}/{mine.network.prefixlen}"])
            if gateway:
                self.on(name, f"ip route add default via {mine.ip}")
        if not gateway and (port := self._carrier(BACKUP)):  # it is the router of that line
            routers = [port[way] for way in ("gateway", "gateway6") if way in port]
            lengths = [a.network.prefixlen for a in addresses_of(port)]
            pairs = zip(routers, lengths, strict=True)
            self._plug(name, "eth1", BACKUP, [f"{router}/{length}" for router, length in pairs])

    def _carrier(self, line=MAIN):
        ports = [p for g in self.matrix.gateways.values() for p in g["interfaces"].values()]
        return next((p for p in ports if p["zone"] == WAN and line_of(p) == line), None)

    def _plug(self, name, interface, segment, addresses):
        """Give a host an interface on a network, which is made when it is new."""
        if segment not in self.bridges:
            self.bridges[segment] = f"b{len(self.bridges)}"
            self.on("wires", f"ip link add {self.bridges[segment]} type bridge;"
                             f" ip link set {self.bridges[segment]} up")  # fmt: skip
        there = self.on(name, f"ip -br link show {interface} 2>/dev/null || true")
        if not there:
            self.wires += 1
            wire = f"w{self.wires}"
            self.on("wires", f"ip link add {wire} type veth peer name {interface}"
                             f" netns {self.prefix}-{name};"
                             f" ip link set {wire} up master {self.bridges[segment]}")  # fmt: skip
            self.on(name, f"ip link set {interface} up")
        for address in addresses:
            self.on(name, f"ip address replace {address} dev {interface}")


def _ends(tunnel):
    return [ip_interface(tunnel[key]) for key in KEYS if key in tunnel]


@contextmanager
def namespaces(matrix, names):
    """Build the gateways of ``matrix`` and these hosts, and take all away afterwards."""
    made = Namespaces(matrix)
    try:
        made.up(names)
        yield made
    finally:
        made.down()
