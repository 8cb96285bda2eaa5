"""What the documentation says is so: examples run, links lead somewhere, lists are whole."""

import doctest
import re
import shutil
from pathlib import Path

import pytest
import yaml
from buildings import HOSTS, add_library
from jsonschema import Draft202012Validator

from kahya.cli.parser import parser
from kahya.engines.napalm_render import render
from kahya.inventory import examine
from kahya.inventory_check import schemas
from kahya.inventory_formats import FORMATS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\(([^)#:]+)\)")


def test_the_worked_example_of_the_plan_format():
    result = doctest.testfile(str(ROOT / "docs/plan-format.md"), module_relative=False)
    assert result.attempted > 5
    assert result.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


@pytest.fixture
def copied_town(tmp_path):
    """A copy of the example town, with the rest of the checkout beside it."""
    shutil.copytree(ROOT / "inventories", tmp_path / "inventories")
    for name in ("roles", "deploys", "templates", "probes", "systems.yml"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def test_a_building_is_added_as_described(copied_town, tmp_path):
    lab = copied_town / "inventories/lab"
    before = examine(lab)[0]
    key = add_library(copied_town)
    after, problems = examine(lab)
    assert problems == []
    assert after.buildings["kutuphane"].title == "Şehir Kütüphanesi"
    assert key in after.secrets
    only_its_devices_and_their_peers_change(before, after)


def only_its_devices_and_their_peers_change(before, after):
    """Compare what both towns make of every device, and what follows for every host."""
    gateways = {h.name for h in before.hosts.values() if "gateways" in h.groups}
    assert after.hosts.keys() - before.hosts.keys() == HOSTS
    was, now = configurations(before), configurations(after)
    assert now.keys() - was.keys() == {"gw-kutuphane", "sw-kutuphane"}
    assert {name for name in was if was[name] != now[name]} == gateways
    for name in gateways:  # the others get a tunnel to it by each of their lines, and that is all
        old, made = (set(text.split("!\n")) for text in (was[name], now[name]))
        tunnels = sorted(part.split("\n")[0] for part in made - old)
        lines = {"main": "wg-kutuphane", "backup": "wg10-kutuphane"}
        own = [lines[line["line"]] for line in before.hosts[name].vars["lines"]]
        assert tunnels == sorted(f"interface {tunnel}" for tunnel in own)
        assert old < made
    for host in before.hosts.values():
        old, made = host.vars, after.hosts[host.name].vars
        changed = {key for key in old | made if old.get(key) != made.get(key)}
        assert changed == ({"town", "tunnels", "places"} if host.name in gateways else {"town"})
        buildings = made["town"]["buildings"]
        assert buildings == old["town"]["buildings"] | {"kutuphane": buildings["kutuphane"]}


def configurations(town):
    """Return the whole intended configuration of each device."""
    return {
        host.name: render(town, system, host)
        for system in town.systems
        if system.engine == "napalm"
        for host in town.hosts.values()
        if system.group in host.groups
    }


def test_the_intent_of_the_example_is_well_formed():
    page = (ROOT / "docs/network.md").read_text(encoding="utf-8")
    for key, value in SECRETS.items():
        page = re.sub(rf'"{{{{ vault_\w*{key} }}}}"', f"'{value}'", page)
    network, switch = (
        yaml.safe_load(text) for text in re.findall("```yaml\n(.*?)```", page, re.DOTALL)
    )
    for data, name in ((network, "network"), (network | switch, "switch")):
        errors = Draft202012Validator(schemas()[name], format_checker=FORMATS).iter_errors(data)
        assert [error.message for error in errors] == []
    roles = network["network"]["port_roles"]
    assert {port["role"] for port in switch["ports"].values()} == roles.keys()
    known = schemas()["network"]["properties"]["network"]["properties"]["port_roles"]
    for key in known["additionalProperties"]["properties"]:
        assert f"`{key}`" in page


SECRETS = {
    "_(auth|priv|key)": "a" * 16,
    "scrypt": "$9$" + "a" * 14 + "$" + "a" * 43,
    "sha512": "$6$a$" + "a" * 86,
}


def test_every_system_is_described():
    page = (ROOT / "docs/systems.md").read_text(encoding="utf-8")
    today, later = page.split("not there yet")
    for system in yaml.safe_load((ROOT / "systems.yml").read_text(encoding="utf-8"))["systems"]:
        row = next(line for line in today.splitlines() if line.startswith(f"| `{system['name']}`"))
        assert system["level"] in row
        assert f"`{system['name']}`" not in later


@pytest.mark.parametrize("page", ["README.md", "README.tr.md"])
def test_every_command_is_described(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    commands = parser()._subparsers._group_actions[0].choices
    assert len(commands) > 5
    for name, command in commands.items():
        assert f"kahya {name}" in text
        for option in command._option_string_actions:
            if option.startswith("--") and option not in ("--help", "--inventory", "--quiet"):
                assert option in text, f"{name} {option}"


def test_decisions_are_short_and_numbered():
    records = sorted(ROOT.glob("docs/adr/*.md"))
    for number, record in enumerate(records, 1):
        text = record.read_text(encoding="utf-8")
        assert record.name.startswith(f"{number:04}-")
        assert text.startswith(f"# {number}. ")
        assert len(text.splitlines()) <= 30
        for part in ("**Context.**", "**Decision.**", "**Consequences.**"):
            assert part in text


def test_every_command_of_the_lab_is_described():
    page = (ROOT / "docs/lab.md").read_text(encoding="utf-8")
    code = (ROOT / "molecule/town/__main__.py").read_text(encoding="utf-8")
    commands = re.findall(r'\(?\badd\(\s*"(\w+)"|^        \("(\w+)", _', code, re.MULTILINE)
    names = [a or b for a, b in commands]
    assert len(names) > 6
    for name in names:
        assert re.search(rf"`scripts/lab {name}\b|`{name} HOST", page), name
