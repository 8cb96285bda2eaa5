"""Random intents for a building's switches, as valid as the schema asks, and what they mean."""

from ipaddress import IPv4Network

from hypothesis import strategies as st
from network.model import Port, Switch

from kahya.inventory_check import schemas

NETWORK = schemas()["network"]["properties"]["network"]["properties"]
AAA = NETWORK["aaa"]["properties"]


def matching(schema):
    """Return texts that a schema's pattern takes."""
    return st.from_regex(schema["pattern"].removesuffix("$") + r"\Z", fullmatch=False)


NAMES = matching(NETWORK["vlans"]["propertyNames"])
WORDS = matching(NETWORK["snmp"]["properties"]["contact"])
PASSWORDS = matching(AAA["radius"]["items"]["properties"]["key"])
HASHES = {
    form: matching(AAA["users"]["items"]["properties"][form]) for form in ("scrypt", "sha512")
}
ADDRESSES = st.ip_addresses(v=4).map(str)
SUBNETS = st.tuples(st.ip_addresses(v=4), st.integers(8, 32)).map(
    lambda pair: str(IPv4Network(pair, strict=False))
)
LISTS = st.lists(ADDRESSES, min_size=1, max_size=3, unique=True)


@st.composite
def roles(draw, vlans, management):
    """Return roles of all kinds over ``vlans``; one of them is an uplink with ``management``."""
    vlan = st.sampled_from(vlans)
    several = st.lists(vlan, min_size=1, unique=True)
    common = {
        "bpdu_guard": st.booleans(),
        "shut": st.booleans(),
        "storm_control": st.integers(1, 100),
    }
    access = st.fixed_dictionaries(
        {"vlan": vlan},
        optional={"voice_vlan": vlan, "dot1x": st.booleans(), "mab": st.booleans(), **common},
    )
    trunk = st.fixed_dictionaries({"vlan": vlan, "trunk": several}, optional=common)
    uplink = {"vlan": draw(vlan), "trunk": [*{management, *draw(several)}], "trust": True}
    others = draw(st.dictionaries(NAMES, access | trunk, max_size=4))
    return {**others, draw(NAMES): uplink}


@st.composite
def intents(draw):
    """Return a ``network``, and the size, role and far end of ranges of ports in a row."""
    names = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    numbers = st.integers(2, 4094).filter(lambda number: not 1002 <= number <= 1005)
    numbers = draw(st.lists(numbers, min_size=len(names), max_size=len(names), unique=True))
    vlans = {
        name: {"id": number, "title": name, "dhcp": draw(st.booleans())}
        for name, number in zip(names, numbers, strict=True)
    }
    management = draw(st.sampled_from(names))
    about = draw(roles(names, management))
    user = st.fixed_dictionaries({"name": NAMES, **HASHES})
    snmp = {"name": NAMES, "auth_password": PASSWORDS, "priv_password": PASSWORDS}
    radius = st.fixed_dictionaries({"address": ADDRESSES, "key": PASSWORDS})
    network = {
        "domain": draw(matching(NETWORK["domain"])), "vlans": vlans, "port_roles": about,
        "management": {"vlan": management, "from": draw(st.lists(SUBNETS, min_size=1, max_size=3))},
        "snmp": {"contact": draw(WORDS), "users": draw(several(st.fixed_dictionaries(snmp)))},
        "syslog": draw(LISTS), "ntp": draw(LISTS),
        "aaa": {
            "radius": draw(several(radius, "address", 1)), "users": draw(several(user, "name", 1)),
            "enable": draw(st.fixed_dictionaries(HASHES)),
        },
        "banner": draw(matching(NETWORK["banner"])),
    }  # fmt: skip
    uplink = next(name for name, role in about.items() if role.get("trust"))
    port = st.tuples(st.integers(1, 5), st.sampled_from([*about]), st.none() | WORDS)
    return network, [*draw(st.lists(port, max_size=6)), (1, uplink, None)]


def several(rows, key="name", least=0):
    """Return some of ``rows``, each with a ``key`` of its own."""
    return st.lists(rows, min_size=least, max_size=2, unique_by=lambda row: row[key])


def meaning(network, ranges, host, address, hashed, snmp_users):
    """Return what an intent means for ``host``: worked out from the intent and nothing else."""
    number = {name: vlan["id"] for name, vlan in network["vlans"].items()}
    guarded = frozenset(v["id"] for v in network["vlans"].values() if v.get("dhcp"))
    roles_of_ports = [(role, to) for size, role, to in ranges for _ in range(size)]
    aaa, management = network["aaa"], network["management"]
    return Switch(
        hostname=host, domain=network["domain"], banner=network["banner"],
        vlans={vlan["id"]: name for name, vlan in network["vlans"].items()},
        ports={
            index: _port(name, network["port_roles"][name], to, number)
            for index, (name, to) in enumerate(roles_of_ports, 1)
        },
        dhcp_vlans=guarded, arp_vlans=guarded, address=f"{address}/24",
        management=number[management["vlan"]], gateway="10.20.1.1",
        login_from=frozenset(management["from"]), enable=aaa["enable"][hashed],
        users={user["name"]: user[hashed] for user in aaa["users"]},
        radius=tuple((server["address"], server["key"]) for server in aaa["radius"]),
        location="depo", contact=network["snmp"]["contact"], snmp_users=snmp_users,
        syslog=tuple(network["syslog"]), ntp=tuple(network["ntp"]),
    )  # fmt: skip


def _port(name, role, to, number):
    own = number[role["vlan"]]
    allowed = {number[vlan] for vlan in role.get("trunk", [role["vlan"]])}
    far_end = to or ("gw-depo" if role.get("trust") else "")
    return Port(
        description=f"{name} {far_end}".strip(), shut=role.get("shut", False),
        untagged=own if own in allowed else None, tagged=frozenset(allowed - {own}),
        voice=number[role["voice_vlan"]] if "voice_vlan" in role else None,
        dot1x=role.get("dot1x", False), mab=role.get("mab", False),
        storm=role.get("storm_control"), trust=role.get("trust", False),
        edge=role.get("bpdu_guard", False),
    )  # fmt: skip
