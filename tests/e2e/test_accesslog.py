"""The access log on real gateways: recorded, found again, sealed, and what was altered is named."""

import json
import subprocess
import time
from datetime import UTC, datetime

import pytest
from admin import ROOT, kahya, on

pytestmark = pytest.mark.usefixtures("bring_up")
GATEWAY, PC, OTHER, PORT = "gw-fen", "pc-fen", "10.20.1.10", 5432  # an office may ask it
CALL = (
    "python3 -c \"import socket; s = socket.create_connection(('{}', {}), 5);"
    ' print(*s.getsockname())"'
)
PATIENCE = 10.0


def call():
    """Connect from a PC to one in another building; return its end as the log writes it."""
    address, port = on(PC, CALL.format(OTHER, PORT)).split()
    return f"{address}:{port}", datetime.now(UTC).isoformat()


def who(end, at):
    """Ask until it is answered; the log must not take long."""
    until = time.monotonic() + PATIENCE
    while True:
        done = kahya("accesslog", "who", end, at, "--host", GATEWAY, "--json")
        if done.returncode not in {2, 3} or time.monotonic() > until:
            assert done.returncode == 0, done.stdout + done.stderr
            return json.loads(done.stdout)["answers"]


def test_it_is_known_who_called(bring_up):
    end, at = call()
    (answer,) = who(end, at)
    asked = f"{OTHER}:{PORT}"
    assert (answer["host"], answer["internal"], answer["destination"]) == (PC, end, asked)
    assert answer["mac"] == on(PC, "cat /sys/class/net/eth0/address").strip()


def test_a_recorder_that_was_killed_goes_on_and_the_gap_is_told():
    on(GATEWAY, "systemctl kill --signal=KILL kahya-accesslog")
    until = time.monotonic() + PATIENCE
    while on(GATEWAY, "systemctl is-active kahya-accesslog || true") != "active\n":
        assert time.monotonic() < until
        time.sleep(0.3)
    assert len(who(*call())) == 1
    done = kahya("accesslog", "verify", "--host", GATEWAY)
    assert done.returncode == 0, done.stdout
    assert "the recorder did not run" in done.stdout


def test_what_was_altered_is_named(tmp_path):
    on(
        GATEWAY,
        "systemctl reload kahya-accesslog && sleep 1 && systemctl start kahya-accesslog-seal",
    )
    done = kahya("accesslog", "verify", "--json")
    sound = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    assert len(sound) == 3
    assert all(report["seals"] >= 1 for report in sound.values())
    copy = ["scripts/lab", "exec", GATEWAY, "tar", "-C", "/var/lib/accesslog", "-cf", "-", "."]
    archive = subprocess.run(copy, cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-C", tmp_path, "-xf", "-"], input=archive, check=True)
    assert kahya("accesslog", "verify", tmp_path).returncode == 0
    path = max(tmp_path.glob("*.open"))
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text(lines[0].replace("2", "3", 1) + "".join(lines[1:]), encoding="utf-8")
    (tmp_path / max(p.name for p in tmp_path.glob("*.tsr"))).write_bytes(b"no seal")
    done = kahya("accesslog", "verify", tmp_path)
    assert done.returncode == 1
    assert f"{path.name}:1: this line was changed" in done.stdout
    assert "it is no time stamp" in done.stdout


def test_nobody_reads_it_elsewhere():
    """No record of who called whom is in the system's own journal."""
    told = on(GATEWAY, "journalctl -q -u 'kahya-accesslog*' --no-pager")
    assert "kahya-accesslog" in told  # it holds something
    assert OTHER not in told
    assert "Permission denied" in on(
        "gw-fen", "su -s /bin/sh nobody -c 'ls /var/lib/accesslog' 2>&1 || true"
    )
