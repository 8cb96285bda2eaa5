"""A feed changes: soon no building knows its new names, and no question is lost meanwhile."""

import json
import subprocess
import time
from contextlib import contextmanager

import pytest
import yaml
from admin import ROOT, SIGNERS, approve, found, kahya, on, run

from kahya.inventory import load

pytestmark = pytest.mark.usefixtures("bring_up")
TOWN = "inventories/lab"
PART = ("-i", TOWN, "--system", "resolver")
WITHIN_SECONDS = 60
NEW = "yeni-zararli.example"
FEED = [NEW, *(f"kotu{n}.example" for n in range(2000))]
PROBES = ROOT / "probes/resolver"
A, RECURSE, UNCHECKED = 1, 0x0100, 0x0110
TOLD, UNKNOWN = [0, 1], [3, 0]
# Asks on and on, until it is told to end; prints how often, and how often in vain.
KEEP_ASKING = """
import select, socket, struct, sys
labels = b"".join(bytes([len(l)]) + l.encode() for l in "haber.example".split("."))
head, asked, failed = struct.pack("!6H", 7, 0x100, 1, 0, 0, 0), 0, 0
while not select.select([sys.stdin], [], [], 0.005)[0]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        client.connect((sys.argv[1], 53))
        client.send(head + labels + struct.pack("!BHH", 0, 1, 1))
        asked += 1
        try:
            answer = client.recv(512)
        except OSError:
            answer = b""
        failed += answer[3:8] != bytes([0x80, 0, 1, 0, 1])
print(asked, failed)
"""


@pytest.fixture
def clone(tmp_path):
    """A clone of the checkout whose only feed is a file, on the same lab and journal."""
    clone = tmp_path / "clone"
    assert run("git", "clone", "--quiet", ROOT, clone).returncode == 0
    (clone / ".kahya").symlink_to(ROOT / ".kahya")
    feeds = clone / TOWN / "feeds.yml"
    settings = yaml.safe_load(feeds.read_text(encoding="utf-8"))
    settings["feeds"] = {"usom": {"format": "usom", "url": f"file://{tmp_path}/usom"}}
    feeds.write_text(yaml.safe_dump(settings), encoding="utf-8")
    resolver = clone / TOWN / "group_vars/gateways/resolver.yml"
    text = resolver.read_text(encoding="utf-8")
    resolver.write_text(text.replace("lists: [town]", "lists: [town, usom]"), encoding="utf-8")
    return clone


def gateways():
    """Return the address of each PC's gateway, by the PC."""
    town = load(ROOT / TOWN)
    pcs = [host for host in town.hosts.values() if "pcs" in host.groups]
    return {pc.name: pc.vars["building"]["gateway"] for pc in pcs}


@contextmanager
def asking():
    """Let each PC ask its gateway on and on; every question must be answered."""
    there = [
        subprocess.Popen(
            ["scripts/lab", "exec", pc, "python3", "-c", KEEP_ASKING, gateway],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for pc, gateway in gateways().items()
    ]
    yield
    for process in there:
        asked, failed = map(int, process.communicate("enough\n", timeout=30)[0].split())
        assert asked > 100
        assert failed == 0, f"{failed} of {asked}"


def propose(clone):
    """Fetch the feed and commit what that proposes."""
    done = kahya("feeds", "fetch", "-i", TOWN, cwd=clone)
    assert done.returncode == 0, done.stdout + done.stderr
    me = ("-c", "user.name=Elif", "-c", "user.email=elif@ornek.bel.tr")  # who writes signs nothing
    assert run("git", "-C", clone, "add", "--all", TOWN).returncode == 0
    assert run("git", "-C", clone, *me, "commit", "--quiet", "-m", "Lists").returncode == 0


def carry_out(where, plan):
    assert kahya("plan", *PART, "--out", plan, cwd=where).returncode == 2
    approve(plan, *SIGNERS, town=where / TOWN)
    done = kahya("apply", "-i", TOWN, plan, cwd=where)
    assert done.returncode == 0, done.stdout + done.stderr


def answers(name, flags=RECURSE):
    """Return what each building's gateway answers a PC that asks: code, number of addresses."""
    program = (PROBES / "ask.py").read_text(encoding="utf-8")
    seen = []
    for pc, gateway in gateways().items():
        task = json.dumps([[gateway, name, A, flags]])
        text = f"TASK = {task}\n{program}"
        seen += json.loads(on(pc, f"python3 - <<'END'\n{text}\nEND"))
    return seen


def test_a_feed_is_live_everywhere_soon_and_no_question_is_lost(clone, tmp_path):
    assert answers(NEW) == [TOLD] * 3
    with asking():
        began = time.monotonic()
        (tmp_path / "usom").write_text("\n".join(FEED), encoding="utf-8")
        propose(clone)
        carry_out(clone, tmp_path / "plan.json")
        blocked = answers(NEW)
        took = time.monotonic() - began
        try:
            assert blocked == answers(f"www.{FEED[-1]}") == [UNKNOWN] * 3
        finally:
            carry_out(ROOT, tmp_path / "back.json")
    assert answers(NEW) == [TOLD] * 3
    assert found(*PART)[0] == 0
    print(f"live in {took:.1f} s")
    assert took < WITHIN_SECONDS


def test_no_stranger_leads_inside():
    """The stand-in outside gives such names an inner address; only the town's own may have one."""
    assert answers("inside.org", UNCHECKED) == [[0, 0]] * 3
    assert answers("inside.example") == [TOLD] * 3
