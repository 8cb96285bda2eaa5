"""The web filter takes new lists while people browse: nobody's page fails."""

import json
import shlex
import subprocess

import pytest
from admin import ROOT, on

from deploys.webfilter.settings import FOLDER, PORT

pytestmark = pytest.mark.usefixtures("bring_up")
GATEWAY, PC, PROXY, SITE = "gw-fen", "pc-fen", "10.20.2.1", "haber.example"
RELOADS, REQUESTS, ADDED_SECONDS = 20, 300, 0.002
START = "import sys,json; exec(sys.argv[1], {'TASK': json.loads(sys.argv[2])})"
BROWSE = """
import json, socket, statistics, sys, threading, time
proxy, address, site, seconds = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])
DIRECT, times, failed = 4, {"direct": [], "proxy": []}, []
def get(way):
    start, name = time.perf_counter(), "" if way == "direct" else f"http://{site}"
    try:
        place = (address, 80) if way == "direct" else (proxy, %d)
        with socket.create_connection(place, 10) as s:
            head = f"GET {name}/?ordinary HTTP/1.1", f"Host: {site}", "Connection: close", "", ""
            s.sendall("\\r\\n".join(head).encode())
            text = b"".join(iter(lambda: s.recv(65536), b""))
        (times[way] if b"kahya-probe" in text else failed).append(time.perf_counter() - start)
    except OSError as error:
        failed.append(str(error))
def browse(way):
    until = time.monotonic() + (seconds if way == "proxy" else DIRECT)
    while time.monotonic() < until:
        get(way)
        time.sleep(0.04)
for way in times:
    threads = [threading.Thread(target=browse, args=(way,)) for _ in range(2)]
    [t.start() for t in threads]
    [t.join() for t in threads]
print(json.dumps([{w: [len(t), statistics.median(t)] for w, t in times.items()}, failed]))
"""


@pytest.fixture
def web():
    """A site on the carrier's side, at the address that its name has."""
    address = on(GATEWAY, f"getent ahostsv4 {SITE}").split()[0]
    code = (ROOT / "probes/webfilter/serve.py").read_text(encoding="utf-8")
    words = ["python3", "-c", START, code, json.dumps({"address": address})]
    command = ["scripts/lab", "exec", "internet", *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as server:
        assert server.stdout.readline() == "ready\n"
        yield address
        server.stdin.close()


def test_pages_pass_while_lists_change(web):
    file = f"{FOLDER}/ofis/domains/blocked"
    words = shlex.join([BROWSE % PORT, PROXY, web, SITE, "28"])
    browser = subprocess.Popen(
        ["scripts/lab", "exec", PC, "sh", "-c", f"python3 -c {words}"],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    change = f"echo kahya-$i.example >>{file}; systemctl reload e2guardian; sleep 1"
    on(GATEWAY, f"cp -p {file} /run/blocked; sleep 5")
    try:
        on(GATEWAY, f"for i in $(seq {RELOADS}); do {change}; done")
    finally:
        on(GATEWAY, f"cp -p /run/blocked {file} && systemctl reload e2guardian")
    times, failed = json.loads(browser.communicate(timeout=60)[0])
    print(f"{times} failed {len(failed)}")
    assert failed == []
    assert times["proxy"][0] > REQUESTS
    assert times["proxy"][1] - times["direct"][1] < ADDED_SECONDS
