"""What the words of the town come to in e2guardian: its files hang together, and say no more."""

import re
from ipaddress import ip_network
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deploys.webfilter import settings
from deploys.webfilter.audience import audience
from kahya.inventory import load

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs/filter.md"
KNOWN = {"domains/incidents", "urls/incidents", "domains/town", "domains/allow", "urls/adult"}
PATH = re.compile(rf"(?:{settings.FOLDER}|{settings.LISTS})/[^'\n]+")


@pytest.fixture(scope="module")
def town():
    return load(ROOT / "inventories/lab")


@pytest.fixture(scope="module")
def webfilter():
    """The example of the manual."""
    blocks = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    return next(found for b in blocks if (found := yaml.safe_load(b).get("webfilter")))


@pytest.fixture(scope="module")
def files(webfilter):
    networks = {"it": [ip_network("10.20.1.100/32")], "ofis": [ip_network("10.20.1.0/26")]}
    return settings.files(webfilter, networks, ["10.20.1.1"], KNOWN)


def test_every_file_that_is_named_is_there(files):
    named = {path for text in files.values() for path in PATH.findall(text)}
    lists = {f"{settings.LISTS}/{name}" for name in KNOWN}
    assert named <= {f"{settings.FOLDER}/{name}" for name in files} | lists
    assert f"{settings.FOLDER}/ofis/phrases" in named
    assert f"{settings.LISTS}/domains/town" in named


def test_a_group_is_asked_about_lists_that_it_has(files):
    for number in (1, 2, 3):
        conf = files[f"e2guardianf{number}.conf"]
        story = files[re.search(rf"storyboard = '{settings.FOLDER}/([^']+)'", conf)[1]]
        has = dict.fromkeys(re.findall(r"list = 'name=([^,]+)", conf))
        sites = re.findall(r"sitelist = 'name=([^,]+)", conf)
        assert set(re.findall(r"if\(\w+,([^)]+)\)", story)) <= {*has, ",105"}
        assert set(re.findall(r"if\(sitein,([^)]+)\)", story)) <= set(sites)


@pytest.mark.parametrize("kind", ["urlin", "sitein"])
def test_what_is_cut_off_is_asked_first_then_what_is_allowed(files, kind):
    asked = re.findall(rf"if\({kind},(\w+)\) return (\w+)", files["ofis/story"])
    assert [name for name, _verdict in asked[:4]] == ["incidents", "allowed", "allow", "blocked"]
    allowed = {name for name, verdict in asked if verdict == "setexception"}
    assert allowed == {"allowed", "allow"}


def test_who_is_in_no_group_sees_nothing(files):
    assert "if(true,,105) return setblock" in files["nobody/story"]
    assert "filter1" not in files["ipgroups"]
    assert files["ipgroups"] == "10.20.1.100 = filter2\n10.20.1.0/255.255.255.192 = filter3\n"


def test_a_category_has_a_message_that_names_it(files, webfilter):
    for name in settings.categories(webfilter):
        (number,) = re.findall(rf'"(\d+)",".*\({name}\): "', files["pages/messages"])
        assert int(number) >= settings.CATEGORY
        assert any(f"name={name},messageno={number}," in text for text in files.values())


def test_the_page_says_whom_to_ask_and_shows_what_is_asked_as_text(webfilter):
    contact = "<script>alert(1)</script> & co"
    page = settings.files({**webfilter, "contact": contact}, {}, [], ())["pages/template.html"]
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert all(word in page for word in ("-URL-", "-REASONGIVEN-", "-FILTERGROUP-", 'lang="tr"'))


@given(st.from_regex(r"[^<>\n]{0,20}[^\W_]{2}[^<>\n]{0,20}", fullmatch=True))
def test_a_phrase_ends_where_it_ends(phrase):
    for spelled in settings.spelled(phrase):
        assert not set(spelled) & set("<>\n")
        assert spelled.strip()


@pytest.mark.parametrize(
    ("phrase", "page"),
    [
        ("canlı bahis", "Canlı Bahis"),
        ("canlı bahis", "CANLI BAHİS"),
        ("iddia", "İddia"),
        ("casino", "CASINO"),
        ("bet365.com", "bet365 com"),  # as e2guardian sees the page
        (" bahis", " bahis"),
    ],
)
def test_a_phrase_is_written_in_all_ways(phrase, page):
    assert page in settings.spelled(phrase)


def test_a_gateway_answers_its_own_building(town):
    networks, addresses = audience(town.hosts["gw-fen"].vars)
    assert networks == {"it": [], "ofis": [ip_network("10.20.2.0/24")]}
    assert addresses == ["10.20.2.1"]
    networks, addresses = audience(town.hosts["gw-merkez"].vars)
    assert (networks["it"], addresses) == ([ip_network("10.20.1.100/32")], ["10.20.1.1"])
    assert not any(net.overlaps(networks["it"][0]) for net in networks["ofis"])


def test_what_is_behind_the_gateway_of_others_makes_no_address_of_ours(town):
    peer = {"name": "hastane", "zone": "hastane", "networks": ["10.90.0.0/24"]}
    own = town.hosts["gw-merkez"].vars
    assert audience({**own, "ipsec_peers": [peer]}) == audience(own)
