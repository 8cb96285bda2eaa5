"""The short way is open only to those who judge by what was approved before."""

import subprocess
from dataclasses import replace
from types import SimpleNamespace

import pytest

from kahya import emergency
from kahya.journal import Journal
from kahya.model import Change, Host, System, Town

PAIR = {"host": "gw-fen", "system": "firewall"}


class Checkout:
    """A repository, what was applied of it last, and a plan of today."""

    def __init__(self, root):
        self.root = root
        self.journal = Journal(f"sqlite:///{root.parent}/journal.sqlite")
        self.git("init", "-q")
        self.write("systems.yml", "kahya/x.py", "deploys/firewall/x.py")
        self.write(*(f"inventories/lab/{x}" for x in ("town.yml", "approvers", "incidents.yml")))
        self.commit()
        self.applied(self.head)

    def git(self, *words):
        settings = ["-c", "user.name=x", "-c", "user.email=x@y.z"]
        command = ["git", *settings, *words]
        return subprocess.run(command, cwd=self.root, check=True, capture_output=True, text=True)

    def write(self, *names):
        for name in names:
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(path.read_text() + "more\n" if path.exists() else "text\n")

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-qm", "x")

    @property
    def head(self):
        return self.git("rev-parse", "HEAD").stdout.strip()

    def applied(self, commit):
        about = {**PAIR, "run": 1, "status": "applied", "applied": [], "commit": commit}
        self.journal.record("outcome", "", about)

    def hindrances(self, commit="", agreed=True, **more):
        settings = {"approval": {"emergency": {"systems": ["firewall"]}} if agreed else {}}
        lab = self.root / "inventories/lab"
        host = SimpleNamespace(vars={"incidents": {"blocked": ["203.0.113.7"]}})
        town = SimpleNamespace(settings=settings, directory=str(lab), hosts={"gw-fen": host})
        what = ("pyinfra", "blocked 203.0.113.7", "create", "", {"after": "cut off"})
        change = replace(Change("gw-fen", "fen", "firewall", *what), **more)
        plan = SimpleNamespace(changes=(change,), blind_spots=(), commit=commit or self.head)
        return emergency.hindrances(plan, town, self.journal)


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "checkout").mkdir()
    return Checkout(tmp_path / "checkout")


def test_a_new_incident_goes_the_short_way(checkout):
    checkout.write("inventories/lab/incidents.yml", "inventories/lab/group_vars/all/lists.yml")
    checkout.write("docs/x.md", "inventories/lab/host_vars/gw-fen/main.yml")
    checkout.commit()
    assert checkout.hindrances() == []


@pytest.mark.parametrize(
    "name",
    ["inventories/lab/town.yml", "inventories/lab/approvers", "systems.yml", "kahya/x.py",
     "deploys/firewall/x.py", "deploys/new.py", "ansible.cfg"],
)  # fmt: skip
@pytest.mark.parametrize("committed", [True, False], ids=["committed", "not committed"])
def test_other_rules_or_code_than_was_applied_is_a_hindrance(checkout, name, committed):
    checkout.write(name)
    if committed:
        checkout.commit()
    assert checkout.hindrances() == [f"since the last apply, {name} was changed"]


def test_a_file_that_is_gone_is_a_hindrance(checkout):
    (checkout.root / "kahya/x.py").unlink()
    checkout.commit()
    assert checkout.hindrances() == ["since the last apply, kahya/x.py was changed"]


@pytest.mark.parametrize("last", ["0" * 40, "none", "dirty"])
def test_what_was_applied_last_must_be_known(checkout, last):
    checkout.applied(f"{checkout.head}+12345678" if last == "dirty" else last)
    assert checkout.hindrances() == ["what was applied last is no commit that is known here"]


def test_where_nothing_was_applied_there_is_no_short_way(checkout):
    assert checkout.hindrances(host="gw-fen", system="firewall") == []
    checkout.journal = Journal(f"sqlite:///{checkout.root.parent}/new.sqlite")
    assert checkout.hindrances() == ["what was applied last is no commit that is known here"]


def test_the_other_hindrances(checkout):
    assert checkout.hindrances(agreed=False) == ["town.yml has no approval.emergency"]
    assert checkout.hindrances(commit=f"{checkout.head}+12345678") == [
        "the inventory holds what was not committed"
    ]
    told = checkout.hindrances(resource="nftables input")
    assert told == ["incidents.yml doesn't ask for gw-fen firewall: nftables input"]


def test_where_the_short_way_is_shut_is_known_before_it_is_needed(checkout):
    hosts = {name: Host(name, "", "fen", ("gateways",), {}) for name in ("gw-fen", "gw-new")}
    systems = [System("firewall", {}, "pyinfra", "", "gateways", "", (), "L2"),
               System("base", {}, "pyinfra", "", "gateways", "", (), "L2")]  # fmt: skip
    settings = {"approval": {"emergency": {"systems": ["firewall"]}}}
    town = Town("ornek", "", str(checkout.root / "inventories/lab"), "en", 30, {}, hosts, {},
                tuple(systems), (), settings)  # fmt: skip
    pairs = emergency.concerned(town)
    assert pairs == [("gw-fen", "firewall"), ("gw-new", "firewall")]
    never = {"what was applied last is no commit that is known here": [("gw-new", "firewall")]}
    assert emergency.shut(town, checkout.journal, pairs) == never
    checkout.write("kahya/x.py")
    checkout.commit()
    since = {"since the last apply, kahya/x.py was changed": [("gw-fen", "firewall")]}
    assert emergency.shut(town, checkout.journal, pairs) == never | since
    checkout.applied(checkout.head)
    assert emergency.shut(town, checkout.journal, pairs) == never
