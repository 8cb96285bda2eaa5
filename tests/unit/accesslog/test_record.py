"""The programs on the gateway: loss of power, a full disk, midnight, being killed."""

import errno
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import chain
import pytest
import record
import seal as sealer
from chain import Log

from kahya.accesslog.files import from_paths, lines
from kahya.accesslog.verify import verify

SERVICE = Path(__file__).parents[3] / "deploys/accesslog/service"
NEW = (
    "[1795791193.972147]\t    [NEW] ipv4     2 tcp      6 120 SYN_SENT src=10.99.1.50 "
    "dst=203.0.113.1 sport=48338 dport=8080 [UNREPLIED] src=203.0.113.1 dst=203.0.113.11 "
    "sport=8080 dport=31787 id=3465620287"
)
OPEN = NEW[NEW.index("ipv4") :]
CONNTRACK = f"""\
#!/bin/sh
case "$*" in *-L*) exit 0 ;; esac
printf '%s\\n' 'NOTICE: x' '{NEW}' 'WARNING: We have hit ENOBUFS! We are losing events.'
exec sleep 60
"""


def records(folder):
    return [json.loads(line) for file in from_paths([folder]) for line in lines(file)]


def test_it_is_taken_up_where_it_ended(tmp_path):
    for _ in range(3):
        made = Log(tmp_path, 10**6)
        made.put("alive")
        made.close()
        sealer.pack(next(tmp_path.glob("*.jsonl")))
    assert [r["n"] for r in records(tmp_path)] == [1, 2, 3]
    assert verify(from_paths([tmp_path]), None).findings == []


@pytest.mark.parametrize("torn", [b'{"n":3,"at', b"\0" * 100, b"\0" * 100 + b"\n", b"x\ny\n"])
def test_a_torn_end_is_put_aside(tmp_path, torn):
    made = Log(tmp_path, 10**6)
    made.put("alive")
    made.put("alive")
    path = next(tmp_path.glob("*.open"))
    with path.open("ab") as file:
        file.write(torn)
    again = Log(tmp_path, 10**6)
    again.put("start", torn=again.torn)
    assert [r.get("torn") for r in records(tmp_path)] == [None, None, len(torn)]
    assert path.with_suffix(".torn1").read_bytes() == torn
    assert verify(from_paths([tmp_path]), None).sound
    with path.open("ab") as file:
        file.write(b"again")
    Log(tmp_path, 10**6)
    assert path.with_suffix(".torn1").read_bytes() == torn
    assert path.with_suffix(".torn2").read_bytes() == b"again"


def test_a_torn_end_that_cannot_be_put_aside_stops_nothing(tmp_path, monkeypatch, capsys):
    Log(tmp_path, 10**6).put("alive")
    with next(tmp_path.glob("*.open")).open("ab") as file:
        file.write(b"torn")
    monkeypatch.setattr(Path, "write_bytes", full)
    again = Log(tmp_path, 10**6)
    again.put("start", torn=again.torn)
    assert [r.get("torn") for r in records(tmp_path)] == [None, 4]
    assert "No space left" in capsys.readouterr().err


def test_what_may_not_have_reached_the_disk_counts_as_lost(tmp_path, monkeypatch, capsys):
    made, sync = Log(tmp_path, 10**6), os.fsync
    made.put("begin")
    monkeypatch.setattr(chain.os, "fsync", full)
    for _ in range(2):
        made.sync()
    monkeypatch.setattr(chain.os, "fsync", sync)
    assert capsys.readouterr().err.count("NOT RECORDED") == 1
    made.put("alive")
    assert [(r["what"], r.get("count"), r.get("why")) for r in records(tmp_path)[1:]] == [
        ("lost", 1, "disk"),
        ("alive", None, None),
    ]


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("short", [False, True])
def test_a_full_disk_is_told_and_the_loss_counted(tmp_path, monkeypatch, capsys, short):
    made, write = Log(tmp_path, 10**6), os.write
    made.put("alive")

    def half(fd, data):
        return write(fd, data[:7])

    monkeypatch.setattr(chain.os, "write", half if short else full)
    for _ in range(3):
        made.put("begin", source="10.0.0.5:1")
    monkeypatch.setattr(chain.os, "write", write)
    told = capsys.readouterr().err
    assert told.count("NOT RECORDED") == 1
    assert "10.0.0.5" not in told
    made.put("alive")
    assert [(r["what"], r.get("count")) for r in records(tmp_path)[1:]] == [
        ("lost", 3),
        ("alive", None),
    ]
    assert verify(from_paths([tmp_path]), None).sound


def test_a_file_ends_with_its_day_or_when_it_is_full(tmp_path, monkeypatch):
    made = Log(tmp_path, 500)
    made.put("alive")
    assert not made.due()
    made.put("alive")
    made.put("alive")
    assert made.due()
    made.base = made.written  # it began with that much
    assert not made.due()
    made.close()
    assert not made.due()
    made.put("alive")
    tomorrow = time.time() + 86_400
    monkeypatch.setattr(chain.time, "time", lambda: tomorrow)
    assert made.due()
    made.close()
    made.put("alive")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert [name[:6] for name in names] == ["000001", "000002", "000003"]
    assert len({name[7:17] for name in names}) == 2


def test_packing_loses_nothing_and_expiry_leaves_no_hole(tmp_path):
    for day in ("2020-01-01", "2020-01-02", "2020-01-03", "2020-01-04"):
        number = len(list(tmp_path.glob("*.gz"))) + 1
        (tmp_path / f"{number:06d}-{day}.jsonl").write_bytes(b"text\n" * number)
        sealer.pack(tmp_path / f"{number:06d}-{day}.jsonl")
    assert gzip.decompress((tmp_path / "000003-2020-01-03.jsonl.gz").read_bytes()) == b"text\n" * 3
    for name in ("000001-2020-01-01", "000003-2020-01-03", "000004-2020-01-04"):
        (tmp_path / f"{name}.tsr").touch()
    sealer.expire(tmp_path, 10**5)
    assert len(list(tmp_path.iterdir())) == 7
    sealer.expire(tmp_path, 730)  # the second was never sealed: it stays, and all after it
    assert sorted(p.name[:6] for p in tmp_path.glob("*.gz")) == ["000002", "000003", "000004"]
    (tmp_path / "000002-2020-01-02.tsr").touch()
    sealer.expire(tmp_path, 730)
    assert [p.name[:6] for p in tmp_path.iterdir()] == ["000004", "000004"]


def test_an_authority_that_does_not_answer_is_told_and_nothing_removed(tmp_path, capsys):
    (tmp_path / "000001-2020-01-01.jsonl").write_bytes(b"text\n")
    about = {"tsa_url": "http://127.0.0.1:1/", "tsa_ca_file": "/none", "keep_days": 1}
    assert sealer.main(about, tmp_path) == 1
    assert "NOT SEALED" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["000001-2020-01-01.jsonl.gz"]


def test_a_file_that_cannot_be_sealed_does_not_keep_the_others_from_it(tmp_path, capsys):
    whole = gzip.compress(os.urandom(99))
    damaged = {"000001": whole[:-20], "000002": whole[:10] + b"\xff" * 30, "000003": whole}
    for number, content in damaged.items():
        (tmp_path / f"{number}-2020-01-01.jsonl.gz").write_bytes(content)
    (tmp_path / "000004-2020-01-01.jsonl").write_bytes(b"text\n")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        threading.Thread(target=no_http, args=(server,), daemon=True).start()
        about = {"tsa_url": f"http://127.0.0.1:{port}/", "tsa_ca_file": "/none", "keep_days": 1}
        assert sealer.main(about, tmp_path) == 1
    told = capsys.readouterr().err
    assert [told.count(f"00000{number}-2020-01-01") for number in range(1, 5)] == [1] * 4


def no_http(server):
    """Answer as nothing does that speaks HTTP."""
    for _ in range(2):
        with server.accept()[0] as client:
            client.recv(1 << 16)
            client.sendall(b"no such thing\r\n")


@pytest.fixture
def recorder(tmp_path, monkeypatch):
    """Return a recorder that is told its events by the test."""
    monkeypatch.setattr(record.signal, "signal", lambda *_: None)
    monkeypatch.setattr(record, "run", lambda *words: OPEN if "-L" in words else "")
    about = {"own": ["fd00:0::1"], "interfaces": [], "leases": [str(tmp_path)], "host": "gw"}
    return record.Recorder(about | {"file_megabytes": 1}, tmp_path)


def test_after_a_loss_what_is_open_is_told_again_but_not_at_once(recorder, tmp_path, monkeypatch):
    recorder._snapshot()
    clock = time.monotonic()
    monkeypatch.setattr(record.time, "monotonic", lambda: clock)
    for seconds in (1, 2, 12, 13):
        clock += seconds
        recorder._event("WARNING: We have hit ENOBUFS! We are losing events.")
        recorder._between()
    told = ["open", "alive"]
    assert [r["what"] for r in records(tmp_path)] == [
        *told, "lost", "lost", "lost", *told, "lost", *told
    ]  # fmt: skip


def test_a_lease_file_that_cannot_be_read_is_told_once(recorder, capsys):
    for _ in range(3):
        recorder._addresses()
    assert capsys.readouterr().err.count("lease file not read") == 1


def test_its_own_addresses_may_be_written_in_any_way(recorder, tmp_path):
    line = "ipv6 10 tcp 6 9 X src=fd00::9 dst=fd00::1 sport=1 dport=2 src=fd00::1 dst=fd00::9 id=1"
    recorder._event(line)
    assert recorder.log.new


@pytest.fixture
def start(tmp_path):
    """Start the recorder with a conntrack that tells one connection and a loss."""
    state, tools = tmp_path / "state", tmp_path / "tools"
    state.mkdir()
    tools.mkdir()
    (tools / "conntrack").write_text(CONNTRACK, encoding="utf-8")
    neighbour = '[{"dst":"10.99.1.50","dev":"lan0","lladdr":"2a:33:87:58:96:72","state":[]}]'
    (tools / "ip").write_text(f"#!/bin/sh\necho '{neighbour}'\n", encoding="utf-8")
    for tool in tools.iterdir():
        tool.chmod(0o755)
    config = tmp_path / "config.json"
    about = {"own": ["10.99.1.1"], "interfaces": ["lan0"], "leases": [], "file_megabytes": 1}
    about |= {"host": "gw-test", "conntrack": str(tools / "conntrack")}
    config.write_text(json.dumps(about), encoding="utf-8")
    environment = os.environ | {"STATE_DIRECTORY": str(state), "PATH": f"{tools}:/usr/bin:/bin"}
    running = []

    def begin():
        command = [sys.executable, "-B", SERVICE / "record.py", config]
        running.append(subprocess.Popen(command, env=environment, start_new_session=True))
        return running[-1], state

    yield begin
    for process in running:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def await_records(state, *whats, patience=10.0):
    """Wait until the last records are ``whats``."""
    until, found = time.monotonic() + patience, []
    while found[-len(whats) :] != list(whats):
        assert time.monotonic() < until, found
        time.sleep(0.05)
        found = [r["what"] for r in records(state)] if any(state.glob("0*")) else []


def test_the_recorder_survives_closing_killing_and_stopping(start):
    process, state = start()
    await_records(state, "start", "address", "alive", "begin", "lost")
    assert [p.suffix for p in sorted(state.glob("0*"))] == [".jsonl", ".open"]  # sealed at once
    process.send_signal(signal.SIGHUP)
    await_records(state, "address", "alive")
    second, _state = start()
    assert second.wait(10) == 1  # never two at once
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process, _state = start()
    await_records(state, "start", "address", "alive", "begin", "lost")
    process.terminate()
    assert process.wait(10) == 0
    found = records(state)
    assert found[-1]["what"] == "stop"
    assert [r["n"] for r in found] == list(range(1, len(found) + 1))
    begin = next(r for r in found if r["what"] == "begin")
    assert (begin["source"], begin["translated"]) == ("10.99.1.50:48338", "203.0.113.11:31787")
    report = verify(from_paths([state]), None)
    assert report.sound
    assert sum("did not run" in f.text for f in report.findings) == 1
