"""From the carrier's side nothing is open, and no way leads past the tunnels."""

from datetime import date
from ipaddress import ip_network

import pytest

from kahya.firewall.matrix import Matrix
from kahya.firewall.policy import parse
from probes.firewall import packets

SHOWN = 6  # rows of a table
PORTS = (22, 53, 80, 123, 179, 443, 2601, 3142, 5432, 8080)
WAIT_SECONDS = 2


@pytest.fixture
def wan(host, vars):  # noqa: ARG001 - its results are this host's
    """The address of this gateway on the network of its main line's carrier."""
    return vars["lines"][0]["address"]


@pytest.fixture(scope="session")
def matrix(town):
    """The policy as verdicts."""
    hosts = {**town["hosts"], **town["outside"]}
    policy = next((v["firewall"] for v in hosts.values() if "firewall" in v), None)
    if policy is None:
        pytest.skip("the town has no policy")
    return Matrix(parse(policy), hosts, date.today().isoformat())  # noqa: DTZ011 - as rules end


def test_closed_from_outside(matrix, vars, outside):
    """no TCP port answers a stranger but those that the policy opens"""
    stranger = outside.backend.get_pytest_id().removeprefix("ssh://")
    shut = packets.closed(matrix, stranger, vars["inventory_hostname"], PORTS)
    knocks = " & ".join(
        f"( timeout {WAIT_SECONDS} bash -c '</dev/tcp/{address}/{port}' 2>/dev/null &&"
        f" echo {address} {port} )"
        for address, port in shut
    )
    assert knocks
    assert outside.check_output(f"{knocks} & wait") == ""


def test_way_in_is_closed(vars, wan, outside):
    """a stranger who routes into the LAN through the gateway gets no answer"""
    lan = ip_network(vars["building"]["lan"])
    inside = next(h for h in lan.hosts() if str(h) != vars["building"]["gateway"])
    addresses = {vars["building"]["gateway"], str(inside)}
    outside.check_output(f"ip route replace {lan} via {wan}")
    try:
        answers = {a for a in addresses if outside.run(f"ping -c 2 -i 0.3 -W 1 {a}").rc == 0}
    finally:
        outside.check_output(f"ip route del {lan} via {wan}")
    assert answers == set()


def test_forged_sender(host, vars, wan, outside):
    """a packet from the carrier's side with a LAN's address as its sender is dropped"""
    forged = next(iter(vars["town"]["buildings"].values()))["gateway"]
    name = vars["lines"][0]["interface"]

    def dropped():
        chain = host.check_output("nft list chain inet kahya guard")
        return packets.counted(chain, name, "spoofed")

    before = dropped()
    outside.check_output(f"ip address add {forged}/32 dev lo")
    try:
        outside.run(f"ping -c 2 -i 0.3 -W 1 -I {forged} {wan}")
    finally:
        outside.check_output(f"ip address del {forged}/32 dev lo")
    assert dropped() > before


def test_no_way_out_in_the_open(host):
    """what no rule lets through is dropped, and nothing for the town leaves towards the carrier"""
    forward, output = (host.check_output(f"nft -s list chain inet kahya {chain}")
                       for chain in ("forward", "output"))  # fmt: skip
    assert "policy drop" in forward
    kept = 'drop comment "would leave in the open"'
    assert kept in output
    # What is established, too: when a tunnel fails, the default route takes over.
    assert kept in forward.partition("ct state")[0]


@pytest.fixture(scope="session")
def seen(town, matrix, request):
    """The connections of the policy's matrix that concern the gateways under test, as seen."""
    asked = {name.removeprefix("ssh://") for name in request.config.getoption("hosts").split(",")}
    linux = [n for n, v in town["hosts"].items() if "linux" in v["group_names"]]
    ends = [name for name in (*linux, *town["outside"]) if name not in matrix.gateways]
    gateways = packets.ends(matrix, list(matrix.gateways))
    every = packets.flows(matrix, packets.ends(matrix, ends), gateways)
    mine = [one for one in every if packets.judge(one[2]) in asked]

    def login(name):
        return ["ssh", "-F", town["ssh_config"], name, "sudo", "-n"]

    away = packets.away({name for source, to, _flow in mine for name in (source, to)}, login)
    tried = [one for one in mine if not away & set(one[:2])]
    return packets.probe(tried, login), away


def test_matrix(seen, vars, record_property):
    """real packets from here, or from outside to here, do as the policy says"""
    own = vars["inventory_hostname"]
    every, away = seen
    mine = [one for one in every if packets.judge(one.flow) == own]
    wrong, silent = [one for one in mine if not one.right], [one for one in mine if one.silent]
    text = f"{len(wrong)} of {len(mine) - len(silent)} connections deviate from the policy"
    text += f"; {len(silent)} more went to daemons that answer no stranger: nothing can be seen"
    text += f"; not reached, so left out: {', '.join(sorted(away))}" if away else ""
    record_property("detail", text)
    if wrong or len(mine) == len(silent):
        pytest.fail(f"{text}\n{packets.table(wrong[:SHOWN])}")


def test_inside_still_works(host, vars):
    """the gateway answers its own LAN"""
    own = vars["building"]["gateway"]
    assert host.run(f"ping -q -c 1 -W 2 {own}").rc == 0
