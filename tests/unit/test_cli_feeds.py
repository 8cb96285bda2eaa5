"""kahya feeds: what it proposes, and that the town's own lists always count."""

import json
import shutil

import pytest
import yaml
from ansible.plugins.vars import host_group_vars
from test_inventory import checkout  # noqa: F401 - a fixture

from kahya import cli
from kahya.inventory import load

FEEDS = "inventories/lab/feeds.yml"


def main(words):
    host_group_vars.FOUND.clear()  # Ansible remembers for its process which files there are
    host_group_vars.NAK.clear()
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--lang", "en"])
    return ended.value.code


@pytest.fixture
def town(checkout, monkeypatch):  # noqa: F811 - the fixture
    monkeypatch.setenv("KAHYA_TOWN", "inventories/lab")
    shutil.rmtree(checkout / "inventories/lab/lists")
    return Town(checkout)


class Town:
    def __init__(self, folder):
        self.folder = folder
        self.directory = folder / "inventories/lab"
        self.pointer = self.directory / "group_vars/all/lists.yml"

    def settings(self, lines, **more):
        (self.folder / "usom").write_text("\n".join(lines))
        feed = {"format": "usom", "url": f"file://{self.folder}/usom"}
        settings = {"own": ["ornek.bel.tr"], "feeds": {"usom": feed}, **more}
        (self.folder / FEEDS).write_text(yaml.safe_dump(settings))

    def proposed(self):
        return yaml.safe_load(self.pointer.read_text())["lists"]


def test_fetch_proposes_lists_that_the_inventory_then_knows(town, capsys):
    town.settings(["a.example", "b.example/x"])
    assert main(["feeds", "fetch", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["id"] == town.proposed()
    assert main(["validate"]) == 0
    lists = load(town.directory).hosts["gw-fen"].vars["lists"]
    assert lists["names"]["domains/usom"]["count"] == 1


def test_a_refused_feed_is_named_and_nothing_is_proposed_anew(town, capsys):
    town.settings(["a.example", "c.example"])
    main(["feeds", "fetch"])
    before = town.pointer.read_text()
    town.settings(["a.example"])
    assert main(["feeds", "fetch"]) == 1
    assert "domains/usom went from 2 to 1 entries" in capsys.readouterr().err
    assert town.pointer.read_text() == before


def test_what_the_town_allows_counts_before_anything_else_is_planned(town, capsys):
    town.settings(["a.example", "c.example"])
    main(["feeds", "fetch"])
    first = town.proposed()
    town.settings(["a.example", "c.example"], allow=["a.example"])
    assert main(["validate"]) == 1
    assert "kahya feeds build" in capsys.readouterr().err
    assert main(["feeds", "build"]) == 0
    assert main(["validate"]) == 0
    assert town.proposed() != first
    assert main(["feeds", "use", first[:8]]) == 1
    town.settings(["a.example", "c.example"])
    assert main(["feeds", "use", first[:8]]) == 0
    assert town.proposed() == first


def test_all_snapshots_are_listed(town, capsys):
    assert main(["feeds"]) == 0
    assert "kahya feeds fetch" in capsys.readouterr().out
    town.settings(["a.example"])
    main(["feeds", "fetch"])
    capsys.readouterr()
    main(["feeds", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [entry["proposed"] for entry in told.values()] == [True]


@pytest.mark.parametrize("words", [["fetch", "nobody"], ["use", "ff"]])
def test_what_does_not_exist_is_an_error(town, words):
    town.settings(["a.example"])
    assert main(["feeds", *words]) == 1


def test_a_town_without_feeds_is_told_how_to_begin(town, capsys):
    (town.folder / FEEDS).unlink()
    assert main(["feeds", "fetch"]) == 1
    assert "docs/filter.md" in capsys.readouterr().err
