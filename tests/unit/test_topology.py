"""What follows from buildings, lines and keys: tunnels that never meet."""

from itertools import combinations, product

from hypothesis import given
from hypothesis import strategies as st

from kahya.topology import (
    BACKUP,
    LINES,
    MAIN,
    derive,
    line_of,
    lines_of,
    tunnel_address,
    tunnel_port,
)

NUMBERS = st.lists(st.integers(1, 62), min_size=2, max_size=6, unique=True)


def town_of(lines, **keys):
    """Return the derived variables of gateways, by number, with these lines and keys."""
    hosts = {}
    for number, own in lines.items():
        wan = {
            f"wan{n}": {"address": f"192.0.{n}.{number}/24", "zone": "wan", "line": line,
                        "gateway": f"192.0.{n}.254"}
            for n, line in enumerate(own)
        }  # fmt: skip
        hosts[f"gw-{number}"] = {
            "inventory_hostname": f"gw-{number}", "group_names": ["gateways"],
            "ansible_host": f"10.0.{number}.1", "vpn_public_key": f"key-{number}",
            "building": {"name": f"b{number}", "number": number, "lan": f"10.0.{number}.0/24"},
            "interfaces": {"lan0": {"address": f"10.0.{number}.1/24", "zone": "ofis"}, **wan},
            **keys.get(f"gw_{number}", {}),
        }  # fmt: skip
    derive(hosts, {})
    return {number: hosts[f"gw-{number}"] for number in lines}


@given(NUMBERS)
def test_no_two_tunnels_share_an_address_or_a_port(numbers):
    ends = [(number, line) for number in numbers for line in LINES]
    pairs = [(a, b) for a, b in combinations(ends, 2) if a[0] != b[0]]
    addresses = [tunnel_address(*pair) for one in pairs for pair in (one, one[::-1])]
    assert len(set(addresses)) == len(addresses)
    for number, peers in product(numbers, [numbers]):
        far = [(peer, line) for peer in peers if peer != number for line in LINES]
        ports = [tunnel_port(line, end) for line in LINES for end in far]
        assert len(set(ports)) == len(ports)


def test_every_line_meets_every_line_of_the_others():
    gateways = town_of({1: [MAIN, BACKUP], 2: [BACKUP, MAIN], 3: [MAIN]})
    shown = {n: {(t["name"], t["cost"]) for t in g["tunnels"]} for n, g in gateways.items()}
    assert shown[3] == {("wg-b1", 10), ("wg01-b1", 55), ("wg-b2", 10), ("wg01-b2", 55)}
    assert {name for name, _cost in shown[1]} == {
        "wg-b2", "wg01-b2", "wg10-b2", "wg11-b2", "wg-b3", "wg10-b3",
    }  # fmt: skip
    for tunnel in gateways[2]["tunnels"]:
        assert line_of(gateways[2]["interfaces"][tunnel["interface"]]) == tunnel["line"]


def test_the_next_key_is_that_of_the_tunnels_by_a_backup_line():
    gateways = town_of({1: [MAIN, BACKUP], 2: [MAIN]}, gw_1={"vpn_public_key_next": "new"})
    (main, backup) = gateways[2]["tunnels"]
    assert [t["peer_public_key"] for t in (main, backup)] == ["key-1", "new"]
    assert {t["public_key"] for t in (main, backup)} == {"key-2"}
    own = {t["name"]: (t["public_key"], t["next_key"]) for t in gateways[1]["tunnels"]}
    assert own == {"wg-b2": ("key-1", False), "wg10-b2": ("new", True)}


def test_without_a_key_there_is_no_tunnel():
    gateways = town_of({1: [MAIN], 2: [MAIN], 3: [MAIN]})
    assert [len(g["tunnels"]) for g in gateways.values()] == [2, 2, 2]
    hosts = town_of({1: [MAIN], 2: [MAIN]})
    for gateway in hosts.values():
        del gateway["vpn_public_key"]
    derive({g["inventory_hostname"]: g for g in hosts.values()}, {})
    assert [g["tunnels"] for g in hosts.values()] == [[], []]


def test_a_line_without_ipv6_has_no_router_for_it():
    wan = {"zone": "wan", "address": "192.0.2.9/24"}
    backup = {"zone": "wan", "address": "203.0.113.9/24", "line": BACKUP, "gateway": "203.0.113.1"}
    router = {"wan_gateway": "192.0.2.1", "wan_gateway6": "fe80::1"}

    def routers(one, other):
        found = lines_of({"interfaces": {"wan1": other, "wan0": one}, **router})
        return [(line["gateway"], line.get("gateway6")) for line in found]

    main6, backup6 = {"address6": "2001:db8::9/64"}, {"address6": "2001:db8:1::9/64"}
    assert routers(wan, backup) == [("192.0.2.1", None), ("203.0.113.1", None)]
    assert routers(wan | main6, backup | backup6) == [
        ("192.0.2.1", "fe80::1"),
        ("203.0.113.1", None),
    ]
    own = backup6 | {"gateway6": "2001:db8:1::1"}
    assert routers(wan, backup | own)[1] == ("203.0.113.1", "2001:db8:1::1")
