"""The same intent means the same on every platform: rendered, read back, compared.

The readers know no template, and refuse a line that they don't know. Where a platform can't say
something, its reader answers None; docs/network.md tells what that is.
"""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from network import eos, ios, junos
from network.intents import intents, meaning

from kahya.device_secrets import localized
from kahya.engines.napalm_render import render
from kahya.inventory_check import schemas
from kahya.inventory_formats import FORMATS
from kahya.model import Host, System, Town
from kahya.switching import derive

ROOT = Path(__file__).parents[3]
SWITCHING = System("switching", {}, "napalm", "templates/network", "switches", "", (), "L1")
TOWN = Town("t", "", str(ROOT / "inventories/lab"), "en", 30, {}, {}, {}, (), (), {})
READERS = {"eos": eos, "ios": ios, "junos": junos}
PORT = {"eos": "Ethernet", "ios": "TenGigabitEthernet1/0/", "junos": "ge-0/0/"}
ADDRESS = {"eos": "10.20.1.3", "ios": "10.20.1.2", "junos": "10.20.1.4"}
HASH = {"eos": "sha512", "ios": "scrypt", "junos": "sha512"}
CANNOT_SAY = {"eos": {"dhcp_vlans", "arp_vlans"}, "ios": {"snmp_users"}, "junos": set()}


def town(network, ranges):
    """Return the variables of a building's gateway and of one switch of each platform."""
    building = {"name": "depo", "lan": "10.20.1.0/24"}
    hosts = {
        "gw-depo": {
            "inventory_hostname": "gw-depo", "group_names": ["gateways"], "building": building,
            "interfaces": {"lan0": {"address": "10.20.1.1/24", "zone": "lan"}},
        }
    }  # fmt: skip
    for platform, prefix in PORT.items():
        ports, first = {}, 1
        for size, role, to in ranges:
            last = first + size - 1
            name = f"{prefix}{first}" + (f"-{last}" if size > 1 else "")
            ports[name] = {"role": role} | ({"to": to} if to else {})
            first = last + 1
        hosts[f"sw-{platform}"] = {
            "inventory_hostname": f"sw-{platform}", "group_names": ["switches"],
            "ansible_host": ADDRESS[platform], "platform": platform, "building": building,
            "network": network, "ports": ports,
        }  # fmt: skip
    return hosts


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # making a case small takes minutes
)
@given(intents())
def test_every_platform_says_what_the_intent_means(intent):
    network, ranges = intent
    hosts = town(network, ranges)
    for name in ("network", "switch"):
        validator = Draft202012Validator(schemas()[name], format_checker=FORMATS)
        for host in (v for v in hosts.values() if "ports" in v):
            assert not list(validator.iter_errors(host))
    derive(hosts)
    for platform, reader in READERS.items():
        name = f"sw-{platform}"
        text = render(TOWN, SWITCHING, Host(name, "", "depo", (), hosts[name]))
        assert text.isascii()
        said = reader.parse(text)
        snmp = snmp_users(network, hosts[name]["switch"]["snmp"]["engine_id"])
        meant = meaning(network, ranges, name, ADDRESS[platform], HASH[platform], snmp)
        assert filled(said, meant, CANNOT_SAY[platform]) == meant


def snmp_users(network, engine):
    """Return the keys of all SNMP users."""
    return {
        user["name"]: (
            localized(user["auth_password"], engine),
            localized(user["priv_password"], engine)[:32],
        )
        for user in network["snmp"]["users"]
    }


def filled(said, meant, fields):
    """Return ``said`` with ``fields``, which it can't say, and ports that nothing trusts filled."""
    unsaid = {key for key, value in vars(said).items() if value is None}
    assert unsaid == fields
    guarded = meant.dhcp_vlans
    ports = {}
    for number, port in said.ports.items():
        if port.trust is None:
            carried = {port.untagged, port.voice, *port.tagged}
            assert not carried & guarded
            port = replace(port, trust=meant.ports[number].trust)  # noqa: PLW2901
        ports[number] = port
    return replace(said, ports=ports, **{key: getattr(meant, key) for key in fields})


@pytest.mark.parametrize("platform", READERS)
def test_no_line_is_passed_over(platform):
    golden = (ROOT / f"tests/golden/network/{platform}.conf").read_text(encoding="utf-8")
    parse, lines = READERS[platform].parse, golden.splitlines(keepends=True)
    meant = parse(golden)
    for number, line in enumerate(lines):
        if line.strip() in QUIET:
            continue
        for other in ("", line.replace("\n", " zz\n")):
            try:
                said = parse("".join([*lines[:number], other, *lines[number + 1 :]]))
            except (ValueError, AssertionError, LookupError):
                continue
            assert said != meant, f"{line!r} as {other!r} changes nothing"


QUIET = ("!", "end", "}")  # what only sets lines apart
