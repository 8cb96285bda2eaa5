"""Whose proxy a gateway is: that of the hosts behind it which are in a group of the filter."""

from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Any

from kahya.firewall.networks import Places, addresses_of, ordered, within
from kahya.firewall.nftables import Gateway
from kahya.firewall.policy import Atlas, parse
from kahya.topology import WAN


def audience(variables: Mapping[str, Any]) -> tuple[dict[str, list[IPv4Network]], list[str]]:
    """Return the networks of each group here, and where the gateway answers them.

    IPv4 alone: e2guardian speaks nothing else.
    """
    atlas = Atlas(parse(variables["firewall"]), Places.read(variables["places"]))
    gateway = Gateway(variables, atlas, ())
    networks = {
        group["name"]: [
            network
            for network in within(
                ordered(n for member in group["members"] for n in atlas.sources(member)),
                gateway.behind,
            )
            if isinstance(network, IPv4Network)
        ]
        for group in variables["webfilter"]["groups"]
    }
    everybody = [n for found in networks.values() for n in found]
    addresses = [
        str(address.ip)
        for interface in variables["interfaces"].values()
        if interface["zone"] != WAN
        for address in addresses_of(interface)
        if within(everybody, [address.network])
    ]
    return networks, addresses
