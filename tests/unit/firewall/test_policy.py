"""What the town's words come to in networks."""

import re
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from kahya.firewall.matrix import Matrix
from kahya.firewall.networks import Places, covers
from kahya.firewall.policy import Atlas, parse, policy_of, resolve
from kahya.inventory_check import schemas
from kahya.inventory_formats import FORMATS

DOCS = Path(__file__).parents[3] / "docs/firewall.md"


@pytest.fixture
def atlas(town):
    return Atlas(policy_of(town), Places.of_town(town))


@pytest.mark.parametrize(
    ("address", "zone"),
    [
        ("10.20.1.50", "ofis"),
        ("10.20.1.100", "yonetim"),  # the most specific network wins
        ("fd20:0:0:1::10", "sunucu"),
        ("fd20:0:0:1::11", "ofis"),
        ("10.20.102.7", "misafir"),
        ("192.0.2.9", "internet"),
        ("198.51.100.1", "internet"),
        ("2001:db8:0:51::1", "internet"),
        ("198.51.100.12", "gateway"),
        ("10.20.2.1", "gateway"),
    ],
)
def test_every_address_is_the_goal_of_one_zone(atlas, address, zone):
    whole = ip_network(ip_address(address))
    assert [name for name in atlas.zones if covers(atlas.destinations(name))(whole)] == [zone]


@pytest.mark.parametrize(
    ("address", "zone"),
    [("10.20.1.31", "desks"), ("10.20.1.7", "office"), ("10.20.1.32", "office")],
)
def test_the_most_specific_network_wins_three_deep(town, address, zone):
    subnets = {"office": ["10.20.1.0/25", "10.20.1.7/32"], "desks": ["10.20.1.0/27"]}
    data = town.hosts["gw-merkez"].vars["firewall"]
    zones = {name: {"title": name, "subnets": found} for name, found in subnets.items()}
    policy = parse({**data, "zones": zones})
    atlas = Atlas(policy, Places.of_town(town))
    whole = ip_network(address)
    assert [name for name in atlas.zones if covers(atlas.zones[name])(whole)] == [zone]
    hosts = {h.name: h.vars for h in town.hosts.values()}
    assert Matrix(policy, hosts, "2026-11-27").spot(ip_address(address)).zone == zone


def test_groups_are_their_members(atlas):
    assert atlas.sources("it") == atlas.zones["yonetim"]


def test_rules_keep_their_order_and_programs_come_last(atlas, town):
    found = resolve(atlas.policy, town)
    names = [r.name for r in (*atlas.policy.rules, *atlas.policy.published)]
    assert [rule.name for rule in found] == names
    assert [rule.name for rule in found if rule.published] == ["website"]


@pytest.mark.parametrize(("today", "ended"), [("2099-12-31", False), ("2100-01-01", True)])
def test_a_rule_ends_after_its_last_day(atlas, town, today, ended):
    (rule,) = (r for r in resolve(atlas.policy, town) if r.until == "2099-12-31")
    assert rule.ended(today) is ended


def test_the_documented_policy_is_one(town):
    example = re.search(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    data = yaml.load(example[1], yaml.BaseLoader)
    # Everything is text for this loader; ports are numbers.
    for service in data["firewall"]["services"].values():
        for kind in {"tcp", "udp"} & service.keys():
            service[kind] = [int(p) if p.isdigit() else p for p in service[kind]]
    for program in data["firewall"]["published"]:
        program["port"] = int(program["port"])
    checker = Draft202012Validator(schemas()["firewall"], format_checker=FORMATS)
    assert list(checker.iter_errors(data)) == []
    assert [r.name for r in resolve(parse(data["firewall"]), town)] == ["web-for-all", "website"]
