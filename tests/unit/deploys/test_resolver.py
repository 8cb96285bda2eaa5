"""What lists come to in a resolver: the program ``zones`` on a stand-in for unbound-control."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploys.resolver import zones
from deploys.resolver.config import config

PROGRAM = Path(__file__).parents[3] / "deploys/resolver/zones"
BLOCKED, ALLOWED = "always_nxdomain", "always_transparent"
CANARIES = {"mask-h2.icloud.com", "mask.icloud.com", "use-application-dns.net"}
BUILTIN = "10.in-addr.arpa static\nlocalhost redirect\ntest static\n"
CONTROL = r"""#!/bin/bash
set -e
cd "$(dirname "$0")"
shift 2; [ "$1" != -q ] || shift
case $1 in
list_local_zones) sed 's/ /. /' running ;;
local_zones) { cat running -; } | awk '{ z[$1] = $2 } END { for (n in z) print n, z[n] }' >new ;;
local_zones_remove) awk 'NR == FNR { gone[$1]; next } !($1 in gone)' - running >new ;;
list_forwards) sed 's/ forward:/. IN forward /; s/,/ /g' asks ;;
forward_add) { grep -v "^$2 " asks; echo "$2 forward:$3${4+,$4}"; } >asked; mv asked asks ;;
forward_remove) { grep -v "^$2 " asks || true; } >asked; mv asked asks ;;
list_stubs) echo '. IN stub prime 192.0.2.53' ;;
esac
test ! -e new || mv new running
"""
names = st.sampled_from(
    [
        *CANARIES,
        "a.example",
        "b.a.example",
        "c.b.a.example",
        "b.example",
        "x-1.example",
        "10.in-addr.arpa",
    ]
)
lists = st.dictionaries(st.sampled_from(["allow", "town", "usom"]), st.sets(names))
strays = st.dictionaries(names, st.sampled_from([BLOCKED, ALLOWED, "redirect", "static"]))


class Resolver:
    """A resolver in a folder, with the program that tells it of lists."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "domains").mkdir()
        (folder / "unbound-control").write_text(CONTROL)
        (folder / "unbound-control").chmod(0o755)
        (folder / "asks").touch()
        (folder / "systemctl").write_text(f"#!/bin/sh\ntest -e {folder}/running")
        (folder / "systemctl").chmod(0o755)
        text = PROGRAM.read_text().replace("/var/lib/kahya/resolver", str(folder))
        (folder / "zones").write_text(text.replace("/etc/unbound", str(folder)))

    def want(self, wanted):
        for old in (self.folder / "domains").iterdir():
            old.unlink()
        for name, entries in wanted.items():
            text = "".join(f"{entry}\n" for entry in sorted(entries))
            (self.folder / "domains" / name).write_text(text)

    def runs(self, zones):
        text = "".join(f"{name} {kind}\n" for name, kind in zones.items())
        (self.folder / "running").write_text(text + BUILTIN)

    def run(self, *words):
        path = f"{self.folder}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", self.folder / "zones", *words], env={"PATH": path},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def zones(self, *words):
        done = self.run(*words)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    def running(self):
        return dict(line.split() for line in self.zones("running"))


@pytest.fixture(scope="module")
def resolver(tmp_path_factory):
    return Resolver(tmp_path_factory.mktemp("resolver"))


@settings(max_examples=15)
@given(lists, strays)
def test_whatever_runs_comes_to_what_the_lists_say(resolver, wanted, before):
    resolver.want(wanted)
    resolver.runs(before)
    resolver.zones("sync")
    found = resolver.running()
    allowed = {n for n in wanted.get("allow", ()) if not n.endswith(".arpa")}
    blocked = CANARIES.union(*(n for name, n in wanted.items() if name != "allow")) - allowed
    assert {n for n, kind in found.items() if kind == ALLOWED} == allowed
    assert {n for n, kind in found.items() if kind == BLOCKED} == blocked - {"10.in-addr.arpa"}
    assert found.keys() == allowed | (blocked - {"10.in-addr.arpa"})
    assert resolver.zones("tell") == ["0 0"]
    resolver.zones("write")
    lines = (resolver.folder / "kahya-zones.conf").read_text().splitlines()
    assert {tuple(line.split('"')[1:]) for line in lines} == {
        (n, f" {k}") for n, k in found.items()
    }


def test_what_differs_is_told_with_some_names_and_counted(resolver):
    resolver.want({"allow": {"a.example"}, "town": {f"b{n}.example" for n in range(9)}})
    resolver.runs(
        dict.fromkeys(CANARIES, BLOCKED) | {"a.example": BLOCKED, "bank.example": "redirect"}
    )
    *shown, counts = resolver.zones("tell")
    assert counts == "2 10"
    assert {"-a.example always_nxdomain", "-bank.example redirect"} < set(shown)
    assert len([line for line in shown if line.startswith("+")]) == 5


def test_who_it_asks_is_as_configured(tmp_path):
    resolver = Resolver(tmp_path)
    resolver.runs(dict.fromkeys(CANARIES, BLOCKED))
    wanted = {"zones": [], "domains": {"ornek.bel.tr": ["10.20.1.11", "10.20.1.10"]}}
    (tmp_path / "unbound.conf.d").mkdir()
    text = config(wanted | {"forwarders": ["2001:DB8::1"]}, {})
    (tmp_path / "unbound.conf.d/kahya.conf").write_text(text.replace("domain-insecure", "#"))
    (tmp_path / "asks").write_text(". forward:203.0.113.66\nbank.example forward:203.0.113.66\n")
    assert set(resolver.zones("tell")) == {
        "-. forward:203.0.113.66", "-bank.example forward:203.0.113.66",
        "+. forward:2001:db8::1", "+ornek.bel.tr forward:10.20.1.10,10.20.1.11", "2 2",
    }  # fmt: skip
    resolver.zones("sync")
    assert resolver.zones("tell") == ["0 0"]
    asks = (tmp_path / "asks").read_text().splitlines()
    assert asks == [". forward:2001:db8::1", "ornek.bel.tr forward:10.20.1.10,10.20.1.11"]


def test_what_was_there_comes_back(resolver):
    resolver.want({"town": {"b.example"}})
    resolver.runs({"c.example": "redirect"})
    (resolver.folder / "was").write_text("\n".join(resolver.zones("running")) + "\n")
    resolver.zones("sync")
    assert resolver.running().keys() == {*CANARIES, "b.example"}
    resolver.zones("sync", str(resolver.folder / "was"))
    assert resolver.running() == {"c.example": "redirect"}


@pytest.mark.parametrize("tool", ["find", "unbound-control"])
def test_what_can_not_be_read_is_an_error_and_nothing_is_removed(tmp_path, tool):
    resolver = Resolver(tmp_path)
    resolver.want({"town": {"b.example"}})
    resolver.runs({"b.example": BLOCKED})
    (tmp_path / tool).write_text("#!/bin/sh\nexit 1")
    (tmp_path / tool).chmod(0o755)
    for action in ("sync", "tell"):
        done = resolver.run(action)
        assert (done.returncode, done.stdout) == (1, "")
    assert (tmp_path / "running").read_text() == f"b.example {BLOCKED}\n{BUILTIN}"


def test_a_list_is_no_way_into_the_configuration(resolver):
    """Whoever may write a list writes names, and nothing else that unbound would read."""
    evil = 'x.example" redirect\nlocal-data: "x.example A 192.0.2.1\ny.example\n\n===\nX.example\n'
    (resolver.folder / "domains/town").write_text(evil)
    resolver.zones("write")
    text = (resolver.folder / "kahya-zones.conf").read_text()
    assert {line.split('"')[1] for line in text.splitlines()} == {*CANARIES, "y.example"}
    assert all(line.startswith("local-zone: ") for line in text.splitlines())


def test_without_any_list_it_starts_all_the_same(tmp_path):
    resolver = Resolver(tmp_path)
    (tmp_path / "domains").rmdir()
    resolver.zones("write")
    assert len((tmp_path / "kahya-zones.conf").read_text().splitlines()) == len(CANARIES)


def test_a_resolver_that_does_not_run_is_told_nothing(resolver):
    (resolver.folder / "running").unlink(missing_ok=True)
    assert resolver.zones("tell") == resolver.zones("sync") == []


def test_before_the_first_lists_nobody_is_told_anything():
    """The way back takes the program away first."""
    assert not Path(zones.PROGRAM).exists()
    assert subprocess.run(["sh", "-ec", zones.TELL], check=False).returncode == 0


INTERFACES = {
    "lan0": {"address": "10.20.1.1/24", "address6": "fd20:0:0:1::1/64", "zone": "ofis"},
    "misafir0": {"address": "10.20.101.1/24", "zone": "misafir"},
    "wan0": {"address": "198.51.100.11/24", "zone": "wan"},
}


def test_only_the_zones_that_were_named_are_answered():
    text = config({"zones": ["ofis"], "forwarders": []}, INTERFACES)
    lines = [line.strip() for line in text.splitlines()]
    assert [line for line in lines if line.startswith("interface:")] == [
        "interface: 127.0.0.1", "interface: 10.20.1.1", "interface: fd20:0:0:1::1"
    ]  # fmt: skip
    assert [line for line in lines if line.startswith("access-control:")] == [
        "access-control: 10.20.1.0/24 allow", "access-control: fd20:0:0:1::/64 allow"
    ]  # fmt: skip
    assert "forward-zone" not in text


def test_who_is_asked():
    domains = {"ornek.bel.tr": ["10.20.1.10"], "20.10.in-addr.arpa": ["10.20.1.10"]}
    text = config({"zones": [], "forwarders": ["192.0.2.1", "192.0.2.2"], "domains": domains}, {})
    parts = text.split("forward-zone:\n")[1:]
    assert [part.split() for part in parts] == [
        ["name:", '"ornek.bel.tr"', "forward-addr:", "10.20.1.10"],
        ["name:", '"20.10.in-addr.arpa"', "forward-addr:", "10.20.1.10"],
        ["name:", '"."', "forward-addr:", "192.0.2.1", "forward-addr:", "192.0.2.2"],
    ]
    for domain in domains:
        assert f'domain-insecure: "{domain}"' in text
    assert 'domain-insecure: "."' not in text
    assert 'local-zone: "20.10.in-addr.arpa" transparent' in text
