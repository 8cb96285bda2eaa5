"""Networks are compared as what they are: sets of addresses."""

from ipaddress import ip_network

from hypothesis import given
from hypothesis import strategies as st

from kahya.firewall.networks import Places, within, without

SMALL = st.lists(
    st.tuples(st.integers(0, 31), st.integers(27, 32), st.sampled_from([0, 96])).map(
        lambda n: ip_network(
            (f"fd00::{n[0]:x}/{n[1] + n[2]}" if n[2] else f"10.0.0.{n[0]}/{n[1]}"), strict=False
        )
    ),
    max_size=5,
).map(tuple)


def addresses(networks):
    return {address for network in networks for address in network}


@given(SMALL, SMALL)
def test_within_and_without_are_the_sets_operations(one, other):
    assert addresses(within(one, other)) == addresses(one) & addresses(other)
    assert addresses(without(one, other)) == addresses(one) - addresses(other)


def test_places_are_plain_data_and_back(town):
    places = Places.of_town(town)
    assert Places.read(places.plain()) == places
    assert Places.read(town.hosts["gw-fen"].vars["places"]) == places


def test_a_host_stands_behind_its_gateway(town):
    places = Places.of_town(town)
    stands = {n: places.gateway_of(n) for n in ("web-merkez", "misafir-fen", "gw-fen", "internet")}
    assert stands == {
        "web-merkez": "gw-merkez",
        "misafir-fen": "gw-fen",
        "gw-fen": "",
        "internet": "",
    }
