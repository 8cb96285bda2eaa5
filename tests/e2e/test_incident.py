"""An address is blocked at night: by one person, in every building at once, also mid-connection."""

import json
import subprocess
import time
from contextlib import contextmanager

import pytest
from admin import PEOPLE, ROOT, found, kahya, on, run

pytestmark = pytest.mark.usefixtures("bring_up")
ATTACKER, LAB = "192.0.2.66", "inventories/lab"
PCS = ("pc-merkez", "pc-fen", "pc-itfaiye")
AT_ONCE = ("--reason", "test", "--apply", "--yes", "--key", PEOPLE / "ayse", "-i", LAB)
MOST_SECONDS = 60
ECHO = f"""
import socketserver
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(99):
            self.request.sendall(data)
socketserver.ThreadingTCPServer.allow_reuse_address = True
with socketserver.ThreadingTCPServer(("{ATTACKER}", 443), Echo) as server:
    print("ready", flush=True)
    server.serve_forever()
"""
# Prints when the last answer came, once there are no more.
TALK = f"""
import socket, time
with socket.create_connection(("{ATTACKER}", 443), 5) as talk:
    talk.settimeout(3)
    print("begun", flush=True)
    try:
        for _ in range(1000):
            talk.sendall(b"x"); talk.recv(9)
            last = time.time()
            time.sleep(0.1)
    except TimeoutError:
        print(last, flush=True)
"""
KNOCK = f"import socket; socket.create_connection(('{ATTACKER}', 443), 2)"


@contextmanager
def program(host, text):
    """Run a program on a host until the end of the block, once it has said its first word."""
    words = ["scripts/lab", "exec", host, "timeout", "150", "python3", "-c", text]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as started:
        try:
            assert started.stdout.readline()
            yield started.stdout
        finally:
            started.terminate()


def reached():
    """Return the PCs from which the attacker is reached anew."""
    words = [("scripts/lab", "exec", pc, "python3", "-c", KNOCK) for pc in PCS]
    return [pc for pc, command in zip(PCS, words, strict=True) if run(*command).returncode == 0]


@pytest.fixture
def town(tmp_path):
    """A clone in which Ayşe commits; the checkout learns of it, for the journal names commits."""
    clone = tmp_path / "town"
    assert run("git", "clone", "-q", ROOT, clone).returncode == 0
    (clone / ".kahya").symlink_to(ROOT / ".kahya")
    for key, value in (("email", "ayse@ornek.bel.tr"), ("name", "Ayşe")):
        run("git", "config", f"user.{key}", value, cwd=clone)
    yield clone
    assert run("git", "fetch", "-q", clone, "HEAD").returncode == 0


def at_once(town, *words):
    done = kahya(*words, *AT_ONCE, cwd=town)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_blocked_address_is_cut_off_everywhere_and_comes_back(town):
    on("internet", f"ip address add {ATTACKER}/32 dev lo")
    try:
        with program("internet", ECHO):
            assert reached() == list(PCS)
            with (
                program(PCS[0], TALK) as one,
                program(PCS[1], TALK) as two,
                program(PCS[2], TALK) as three,
            ):
                began = time.time()
                at_once(town, "block", ATTACKER)
                ended = [float(talk.readline()) - began for talk in (one, two, three)]
            print("cut off after", [f"{seconds:.1f} s" for seconds in ended])
            assert max(ended) < MOST_SECONDS
            assert reached() == []
            _finds_a_removed_element(town)
            at_once(town, "lift", ATTACKER)
            assert reached() == list(PCS)
    finally:
        on("internet", f"ip address del {ATTACKER}/32 dev lo")
    told = json.loads(kahya("blocks", "--json", "-i", LAB, cwd=town).stdout)
    assert told == []


def _finds_a_removed_element(town):
    element = f"element inet kahya blocked4 {{ {ATTACKER} }}"
    on("gw-fen", f"nft delete {element}")
    try:
        code, look = found("--system", "firewall", "-i", LAB, cwd=town)
    finally:
        on("gw-fen", f"nft add {element}")
    seen = [(f["host"], f["resource"], f["kind"]) for f in look["findings"]]
    assert (code, seen) == (2, [("gw-fen", f"blocked {ATTACKER}", "drift")])
