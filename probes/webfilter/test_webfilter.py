"""Browsers see the web by the proxy of their building, but not what their group may not see."""

import json
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote

import pytest

from deploys.webfilter.audience import audience
from deploys.webfilter.settings import LIMIT, PAGES

HERE = Path(__file__).parent
START = "import sys,json; exec(sys.argv[1], {'TASK': json.loads(sys.argv[2])})"
SSH_FAILED = 255


def words(town, name, script, task):
    """Return the command that runs a script on a host, as root."""
    code = (HERE / script).read_text(encoding="utf-8")
    command = ["sudo", "-n", "python3", "-c", START, code, json.dumps(task)]
    return ["ssh", "-F", town["ssh_config"], name, shlex.join(command)]


@pytest.fixture
def browsers(vars, town):
    """The hosts behind this gateway that the filter knows, each with its group."""
    networks, _addresses = audience(vars)
    groups = {group["name"]: group for group in vars["webfilter"]["groups"]}
    found = {}
    for name, about in town["hosts"].items():
        address = ip_address(about["ansible_host"])
        for group, nets in networks.items():
            if any(address in net for net in nets) and "linux" in about["group_names"]:
                found[name] = groups[group]
    return {n: g for n, g in found.items() if "gateways" not in town["hosts"][n]["group_names"]}


@pytest.fixture
def site(host, vars):
    """A site of which some page is blocked, and its address as the gateway knows it."""
    blocked = [e for g in vars["webfilter"]["groups"] for e in g.get("block", ())]
    sites = (e.partition("/")[0] for e in blocked if "/" in e)
    name = next((site for site in sites if site not in blocked), "example.org")
    lines = host.run(f"getent ahostsv4 {name}").stdout.split()
    return name, lines[0] if lines else pytest.fail(f"the gateway does not know {name}")


@pytest.fixture
def web(site, town, outside):
    """The site, played by a host on the carrier's side."""
    stranger = outside.backend.get_pytest_id().removeprefix("ssh://")
    command = words(town, stranger, "serve.py", {"address": site[1]})
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as server:
        assert server.stdout.readline() == "ready\n"
        yield site[0]
        server.stdin.close()


@pytest.fixture
def seen(browsers, vars, town):
    """Ask from each browser for what ``asked`` says of its group; return what deviates.

    ``asked`` returns pairs: how and what, and whether it should pass.
    """
    proxy = audience(vars)[1]

    def look(name, pairs):
        task = {"proxy": proxy[0], "asked": [p for p, _passes in pairs]}
        task["mark"] = PAGES["template"]["heading"]
        done = subprocess.run(
            words(town, name, "browse.py", task), capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, SSH_FAILED), done.stderr
        return json.loads(done.stdout) if done.returncode == 0 else None

    def seen(asked):
        wanted = {name: asked(group) for name, group in browsers.items()}
        if not any(wanted.values()):
            pytest.skip("no group has such a rule")
        with ThreadPoolExecutor() as pool:
            answers = dict(zip(wanted, pool.map(look, wanted, wanted.values()), strict=True))
        if not any(answers.values()):
            pytest.skip("no host of a group can be logged in to")
        return [
            (name, *pair, answer)
            for name, pairs in wanted.items()
            for (pair, passes), answer in zip(
                pairs, answers[name] or (), strict=bool(answers[name])
            )
            if answer != ("passed" if passes else "blocked")
        ]

    return seen


def says(site, text):
    return "GET", f"http://{site}/?{quote(text)}"


def test_pages_pass(seen, web):
    """a page that is not blocked is shown, over HTTP and through a tunnel as HTTPS has it"""
    assert seen(lambda _: [(says(web, "ordinary"), True), (("CONNECT", f"{web}:443"), True)]) == []


def listed(lists, category):
    """Return the first sites of a category, as the store has it."""
    about = lists["names"].get(f"domains/{category}")
    return Path(lists["folder"], about["sha256"]).read_text("ascii").split()[:3] if about else []


def test_blocked_sites(seen, vars):
    """a blocked site is not shown, nor what is beneath it, nor is there a tunnel for its HTTPS"""
    lists = vars.get("lists") or {"names": {}}

    def asked(group):
        own = [e for e in group.get("block", ()) if "/" not in e]
        for site in (*own, *(s for c in group.get("categories", ()) for s in listed(lists, c))):
            for name in (site, f"kahya-probe.{site}"):
                yield ("GET", f"http://{name}/"), False
                yield ("CONNECT", f"{name}:443"), False

    assert seen(lambda group: list(asked(group))) == []


def test_blocked_pages(seen, web):
    """a blocked page is not shown, the others of its site are"""

    def asked(group):
        for page in (e for e in group.get("block", ()) if e.startswith(f"{web}/")):
            yield ("GET", f"http://{page}"), False
            yield ("GET", f"http://{web}/kahya"), True

    assert seen(lambda group: list(asked(group))) == []


def test_phrases(seen, web):
    """a page with a blocked phrase, or with too many that weigh, is not shown"""

    def asked(group):
        for phrase in group.get("phrases", ()):
            yield says(web, f"one {phrase} two"), False
        weighted = group.get("weighted_phrases", [])
        every = " ".join(f"{w['phrase']}" for w in weighted)
        weight, limit = sum(w["weight"] for w in weighted), group.get("limit", LIMIT)
        if weighted and not any(phrase in every for phrase in group.get("phrases", ())):
            yield says(web, every), weight < limit
            yield says(web, weighted[0]["phrase"]), weighted[0]["weight"] < limit

    assert seen(lambda group: list(asked(group))) == []


def test_file_types(seen, vars, web):
    """a group gets no files of the types that it may not have, and others do"""
    groups = vars["webfilter"]["groups"]
    every = sorted({ending for group in groups for ending in group.get("extensions", ())})

    def asked(group):
        return [
            (("GET", f"http://{web}/kahya.{ending}"), ending not in group.get("extensions", ()))
            for ending in every
        ]

    assert seen(asked) == []


def test_no_way_in(seen, vars):
    """the proxy leads to no host of the town, nor to the gateway itself"""
    inside = [*(b["gateway"] for b in vars["town"]["buildings"].values()), "127.0.0.1"]
    answers = seen(lambda _: [(("CONNECT", f"{address}:22"), False) for address in inside])
    assert [row for row in answers if "SSH" in row[-1]] == []
