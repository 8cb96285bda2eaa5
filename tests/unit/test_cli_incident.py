"""kahya block, isolate, lift, blocks: what they write, and the short way at night."""

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from small_town import change, plan
from test_cli_feeds import Town, main
from test_inventory import checkout  # noqa: F401 - a fixture

from kahya.cli import incident
from kahya.firewall import review
from kahya.inventory import load, state_folder
from kahya.journal import Journal
from kahya.model import HostPlan, Result
from kahya.plan import store
from kahya.plan.signature import FORM
from kahya.workflow import Workflow

WHY = ("--reason", "it scans us")


@pytest.fixture
def town(checkout, monkeypatch):  # noqa: F811 - the fixture
    monkeypatch.setenv("KAHYA_TOWN", "inventories/lab")
    git = ["git", "-c", "init.defaultBranch=main"]
    (checkout / ".gitignore").write_text(".kahya\n")
    who = (["config", "user.email", "ayse@ornek.bel.tr"], ["config", "user.name", "Ayşe"])
    for words in (["init", "-q"], *who, ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], cwd=checkout, check=True)
    return Town(checkout)


def written(town):
    file = town.directory / "incidents.yml"
    return yaml.safe_load(file.read_text()) if file.exists() else None


def entries(town):
    journal = Journal.in_folder(town.folder / ".kahya/ornek")
    return [entry.data for entry in journal.entries("incident")]


def test_an_address_is_written_once_and_lifted(town, capsys):
    assert main(["block", "203.0.113.7/32", *WHY]) == 0
    assert (
        "Next: commit them, then kahya plan --system firewall --out FILE" in capsys.readouterr().out
    )
    first = written(town)["blocked"]["203.0.113.7"]
    assert (first["reason"], first["by"]) == ("it scans us", "ayse@ornek.bel.tr")
    assert main(["block", "203.0.113.7", "--reason", "again", "--until", "2020-01-31"]) == 0
    again = written(town)["blocked"]
    assert again == {"203.0.113.7": first | {"reason": "again", "until": "2020-01-31"}}
    capsys.readouterr()
    assert main(["status"]) == 2
    told = capsys.readouterr().out
    assert "its last day is over: kahya lift 203.0.113.7" in told
    assert "The short way of incidents is shut on gw-merkez firewall, " in told
    assert main(["blocks", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)[0]["what"] == "203.0.113.7"
    assert main(["lift", "203.0.113.7/32", "--reason", "a mistake"]) == 0
    assert written(town) == {}
    assert [e["state"] for e in entries(town)] == ["blocked", "blocked", "lifted"]
    assert main(["lift", "203.0.113.7", *WHY]) == 1


def test_what_would_harm_the_town_changes_nothing(town, capsys):
    main(["isolate", "pc-fen", *WHY])
    variables = load(town.directory).hosts["gw-fen"].vars["incidents"]
    assert variables["isolated"] == ["10.20.2.50", "fd20:0:0:2::50"]
    before = (town.directory / "incidents.yml").read_text()
    for words in (
        ["block", "2001:db8:0:51::11"],
        ["block", "203.0.113.7", "--until", "tomorrow"],
        ["block", "https://evil.example/a.exe"],
    ):
        assert main([*words, *WHY]) == 1
        assert "incidents.yml" in capsys.readouterr().err
        assert (town.directory / "incidents.yml").read_text() == before
    assert len(entries(town)) == 1


def test_a_host_of_others_and_one_that_is_gone_are_hosts_all_the_same(town, capsys):
    assert main(["isolate", "kamera-itfaiye", *WHY]) == 0
    assert "--system firewall" in capsys.readouterr().out
    entry = yaml.safe_dump({"isolated": {"pc-old": written(town)["isolated"]["kamera-itfaiye"]}})
    (town.directory / "incidents.yml").write_text(entry)
    assert main(["lift", "pc-old", *WHY]) == 0
    assert "--system firewall" in capsys.readouterr().out
    assert written(town) == {}


def test_a_domain_goes_out_with_the_block_lists(town, capsys):
    town.settings(["a.example"])
    main(["feeds", "fetch"])
    capsys.readouterr()
    assert main(["block", "http://Evil.example/", *WHY]) == 0
    assert "Written: incidents.yml, group_vars/all/lists.yml. Next" in capsys.readouterr().out
    names = load(town.directory).hosts["gw-fen"].vars["lists"]["names"]
    assert {name: about["count"] for name, about in names.items()} == {
        "domains/incidents": 1,
        "domains/usom": 1,
        "urls/incidents": 0,
    }
    (town.directory / "incidents.yml").write_text("{}\n")
    assert main(["validate"]) == 1
    assert "incidents.yml blocks something else than when they were made" in capsys.readouterr().err


class Estate:
    """What is asked of the hosts, and the answer; nobody is there."""

    def __init__(self, monkeypatch, town, against=()):
        self.applied, self.authors, self.status = [], ["mehmet@ornek.bel.tr"], "ok"
        self.systems = ["firewall"]
        made = change("gw-merkez", "firewall", "merkez")
        self.changes = [replace(made, resource="blocked 203.0.113.7")]
        monkeypatch.setattr(Workflow, "make_plan", self.make_plan)
        monkeypatch.setattr(Workflow, "apply", self.apply)
        monkeypatch.setattr(incident, "hindrances", lambda *_: list(against))
        key = state_folder(load(town.directory)) / "key"
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key]
        subprocess.run(command, check=True)
        public = key.with_suffix(".pub").read_text().rsplit(" ", 1)[0]
        roles = "roles=network,manager,systems"
        line = f'ayse@ornek.bel.tr namespaces="kahya-plan" {public} {roles}\n'
        (town.directory / "approvers").write_text(line)
        rules = town.directory / "town.yml"
        rules.write_text(rules.read_text().replace("approvals: 2", "approvals: 1"))
        monkeypatch.setattr(review, "refusals", lambda _town: [])
        subprocess.run(["git", "commit", "-qam", "y"], cwd=town.folder, check=True)
        self.words = ["--apply", "--yes", "--key", str(key), *WHY]

    def make_plan(self, part):
        assert [system.name for system in part.systems] == self.systems
        now = datetime.now(UTC)
        times = {key: (now + timedelta(hours=hours)).strftime(FORM)
                 for key, hours in (("created", 0), ("expires", 1))}  # fmt: skip
        made = plan({**times, "authors": self.authors})
        found = HostPlan("gw-merkez", "firewall", self.status, tuple(self.changes))
        return replace(made, host_plans=(found,))

    def apply(self, made, approvals, break_glass=""):
        self.applied.append((made, approvals, break_glass))
        return Result(made, (), ())


def test_at_once_it_is_written_committed_signed_and_applied(town, monkeypatch, capsys):
    estate = Estate(monkeypatch, town)
    (town.directory / "notes").write_text("somebody else's, not to be committed")
    main(["block", "203.0.113.7", *estate.words])
    ((made, (signed,), glass),) = estate.applied
    assert (signed.seal, signed.approver, glass) == (made.seal, "ayse@ornek.bel.tr", "")
    git = ["git", "-C", str(town.folder)]
    shown = subprocess.run([*git, "show", "--stat", "--format=%s"], capture_output=True, text=True,
                           check=True).stdout  # fmt: skip
    assert shown.startswith("203.0.113.7: blocked: it scans us")
    assert "1 file changed" in shown
    estate.changes = []
    assert main(["block", "203.0.113.7", *estate.words]) == 0
    assert len(estate.applied) == 1


def test_a_domain_is_committed_with_the_lists_that_have_it(town, monkeypatch):
    """As in the example, whose lists are in git: another clone has to find them."""
    estate = Estate(monkeypatch, town)
    estate.systems, estate.changes = ["resolver", "webfilter"], []
    assert main(["block", "evil.example", *estate.words]) == 0
    git = ["git", "-C", str(town.folder)]
    left = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True,
                          check=True).stdout  # fmt: skip
    assert left == ""


def test_lists_that_wait_for_a_commit_do_not_go_along(town, monkeypatch, capsys):
    estate = Estate(monkeypatch, town)
    assert main(["block", "evil.example", *WHY]) == 0
    before = (town.directory / "incidents.yml").read_text()
    assert main(["block", "203.0.113.7", *estate.words]) == 1
    assert "group_vars/all/lists.yml holds what was not committed" in capsys.readouterr().err
    assert (town.directory / "incidents.yml").read_text() == before


def test_what_is_no_emergency_waits_for_its_signatures(town, monkeypatch, capsys):
    estate = Estate(monkeypatch, town, against=["there is more"])
    assert main(["block", "203.0.113.7", *estate.words]) == 1
    told = capsys.readouterr().out
    assert "No emergency: there is more." in told
    assert "kahya approve" in told
    assert estate.applied == []
    assert list(state_folder(load(town.directory)).glob("incident-*.json"))


def kept(town):
    """Return how many approvals lie beside the plan that waits in a file."""
    (file,) = state_folder(load(town.directory)).glob("incident-*.json")
    return len(store.read_approvals(file))


@pytest.mark.parametrize(
    ("emergency", "told", "signatures"),
    [
        ("approvals: 2, four_eyes: false", "1 more signature", 1),
        ("approvals: 1", "ayse@ornek.bel.tr wrote it", 0),
    ],
    ids=["two", "four eyes"],
)
def test_where_one_signature_is_not_enough_the_plan_waits_for_the_others(
    town, monkeypatch, capsys, emergency, told, signatures
):
    estate = Estate(monkeypatch, town)
    estate.authors = ["ayse@ornek.bel.tr"]
    rules = town.directory / "town.yml"
    rules.write_text(rules.read_text().replace("approvals: 1, four_eyes: false", emergency))
    assert main(["block", "203.0.113.7", *estate.words]) == 1
    said = capsys.readouterr().out
    assert told in said
    assert "It waits for others: kahya approve" in said
    assert kept(town) == signatures
    assert estate.applied == []


def test_nobody_signs_what_could_not_be_read(town, monkeypatch, capsys):
    estate = Estate(monkeypatch, town)
    estate.changes, estate.status = [], "unreachable"
    assert main(["block", "203.0.113.7", *estate.words]) == 1
    assert "could not read gw-merkez" in capsys.readouterr().err
    journal = Journal.in_folder(town.folder / ".kahya/ornek")
    assert not list(journal.entries("approved"))


def test_nobody_signs_without_being_asked(town, monkeypatch):
    estate = Estate(monkeypatch, town)
    estate.words.remove("--yes")
    assert main(["isolate", "pc-fen", *estate.words]) == 1
    assert estate.applied == []
