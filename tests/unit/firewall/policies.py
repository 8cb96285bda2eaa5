"""Policies of any form that the checks accept, for the lab's town."""

from hypothesis import strategies as st

ZONES = ("ofis", "dmz", "misafir", "kamera", "internet", "gateway")
HOSTS = ("db-merkez", "pc-fen", "web-merkez", "gw-fen", "sw-merkez")
NETWORKS = ("10.20.3.128/25", "fd20:0:0:3::/64", "192.0.2.0/24", "2001:db8:1::/48")
WORDS = st.text("aA'\"\\ ş\n{}$;#é", min_size=0, max_size=150).map(lambda text: f"x{text}")
PORTS = st.integers(1, 65535) | st.tuples(st.integers(1, 65535), st.integers(1, 65535)).map(
    lambda ends: "{}-{}".format(*sorted(ends))
)
ECHO = ["echo-request"]


@st.composite
def services(draw):
    """Return a service with some of what there can be."""
    kinds = {"tcp": st.lists(PORTS, min_size=1, max_size=4), "icmp": st.just(ECHO)}
    kinds |= {"udp": kinds["tcp"], "icmpv6": kinds["icmp"]}
    names = draw(st.sets(st.sampled_from(sorted(kinds)), min_size=1))
    return {name: draw(kinds[name]) for name in sorted(names)}


def places(*, zones_only=False):
    """Return a list of places, groups and networks among them."""
    names = ZONES if zones_only else (*ZONES, *HOSTS, *NETWORKS, "some", "bina")
    return st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True)


@st.composite
def policies(draw, *, zones_only=False):
    """Return a policy as the inventory has it."""
    known = draw(st.lists(services(), min_size=1, max_size=3))
    table = {f"s{n}": service for n, service in enumerate(known)}
    rules = [
        {
            "name": name,
            "from": draw(places(zones_only=zones_only)),
            "to": draw(places(zones_only=zones_only)),
            "services": draw(st.lists(st.sampled_from([*table, "any"]), min_size=1, unique=True)),
            "owner": draw(WORDS),
            "reason": draw(WORDS),
            "action": draw(st.sampled_from(["allow", "deny"])),
            "log": draw(st.booleans()),
            "until": draw(st.sampled_from(["", "2026-01-31", "2027-01-31"])),
        }
        # Words of nft's own make names as well as any other.
        for name in draw(st.permutations(["accept", "log", "forward", "a-b", "x"]))
    ]
    program = {
        "name": "published",
        "service": "web",
        "to": "web-merkez",
        "owner": "x",
        "reason": "y",
    }
    programs = [program | draw(st.sampled_from([{}, {"port": 8443}]))]
    return {
        "zones": {"bina": {"subnets": ["10.20.2.0/26", "fd20:0:0:2:1::/80"]}},
        "groups": {"some": {"title": "x", "members": ["kamera", "pc-fen"]}},
        "services": {**table, "web": {"tcp": [443]}},
        "rules": rules,
        "published": draw(st.sampled_from([[], programs])),
    }
