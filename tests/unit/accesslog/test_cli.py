"""kahya accesslog: what an administrator is told, in which words and with which exit code."""

import json
import threading
import time
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import seal as sealer
import tsa
from chain import Log

from kahya import cli
from kahya.inventory import load

ROOT = Path(__file__).parents[3]
TOWN = load(ROOT / "inventories/lab")
PUBLIC, LATER = "198.51.100.11:31787", "198.51.100.11:31788"
BEGIN = float(int(time.time()))  # of the one connection


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A log of gw-merkez in which pc-merkez called a web site; its first file is sealed."""
    folder, state = tmp_path_factory.mktemp("log"), tmp_path_factory.mktemp("tsa")
    (state / "root.pem").write_text(tsa.certificate(), encoding="ascii")
    made = Log(folder, 10**6)
    made.put("start", at=BEGIN - 93, host="gw-merkez", torn=0)
    made.put("address", at=BEGIN - 92, address="10.20.1.50", mac="2a:33:87:58:96:72", name="pc-ali")
    ends = {"source": "10.20.1.50:48338", "destination": "203.0.113.1:443", "translated": PUBLIC}
    made.put("begin", at=BEGIN, id="7", protocol="tcp", **ends)
    made.put("end", at=BEGIN + 7, id="7", protocol="tcp", **ends, bytes=[492, 971])
    made.close()
    with tsa.server("127.0.0.1", 0, state) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        about = {"tsa_url": url, "tsa_ca_file": str(state / "root.pem"), "keep_days": 10**5}
        assert sealer.main(about, folder) == 0
        server.shutdown()
    made.put("alive", at=BEGIN + 3600)
    made.put("start", at=BEGIN + 5400, host="gw-merkez", torn=0)
    made.put("open", at=BEGIN + 5401, id="8", protocol="tcp", **ends | {"translated": LATER})
    made.put("alive", at=BEGIN + 7200)
    return folder


def clock(seconds, zone="Europe/Istanbul"):
    """Return the time so many seconds after the connection began."""
    return datetime.fromtimestamp(BEGIN + seconds, ZoneInfo(zone)).isoformat()


@pytest.fixture
def run(monkeypatch, capsys):
    monkeypatch.setattr("kahya.cli.accesslog.load", lambda _directory: TOWN)

    def words(*given, language="en"):
        with pytest.raises(SystemExit) as caught:
            cli.main(
                [
                    "accesslog",
                    *map(str, given),
                    "-i",
                    str(ROOT / "inventories/lab"),
                    f"--lang={language}",
                ]
            )
        done = capsys.readouterr()
        return caught.value.code, done.out, done.err

    return words


def test_a_whole_log(run, log):
    code, out, err = run("verify", log)
    gap, verdict = out.splitlines()
    assert (code, err) == (0, "")
    assert "the recorder did not run" in gap
    assert verdict == "these files: 2 files, 8 records, 1 seals verified: whole."
    code, out, _err = run("verify", log, "--json")
    assert code == 0
    assert json.loads(out)[""]["sound"] is True


def test_the_line_that_was_changed_is_named(run, log, tmp_path):
    for path in log.iterdir():
        content = path.read_bytes()
        (tmp_path / path.name).write_bytes(content.replace(b'"alive"', b'"ALIVE"'))
    name = next(tmp_path.glob("*.open")).name
    code, out, _err = run("verify", tmp_path)
    assert code == 1
    assert f"✗ {name}:1: this line was changed" in out
    assert "NOT whole" in out


@pytest.mark.parametrize("moment", [clock(2)[:19], clock(2, "UTC")], ids=["ours", "UTC"])
def test_who_it_was(run, log, moment):
    code, out, _err = run("who", PUBLIC, moment, log, "--json")
    found = json.loads(out)
    (answer,) = found["answers"]
    assert (code, found["whole"]) == (0, True)
    assert answer["internal"] == "10.20.1.50:48338"
    assert (answer["mac"], answer["name"], answer["host"]) == (
        "2a:33:87:58:96:72",
        "pc-ali",
        "pc-merkez",
    )
    assert (answer["sent"], answer["received"]) == (492, 971)
    assert answer["sealed"].startswith("20")


def test_who_it_was_in_turkish(run, log):
    code, out, _err = run("who", PUBLIC, clock(2), log, language="tr")
    assert code == 0
    assert "Envanterdeki makine          pc-merkez" in out
    assert "1 bağlantı bulundu." in out


def test_who_called_first_while_nothing_was_recorded(run, log):
    code, out, _err = run("who", LATER, clock(5410), log, language="tr")
    assert code == 0
    assert "sonrasında, kayıt yapılmazken" in out


def test_nobody(run, log):
    code, out, _err = run("who", PUBLIC, clock(1800), log)
    assert (code, out.splitlines()[-1]) == (2, "0 connections were found.")


@pytest.mark.parametrize("seconds", [-95, 3601, 5399, 7199, 86_400])
def test_nobody_for_nothing_was_recorded(run, log, seconds):
    """Before the first record, in a gap, after the last."""
    code, out, err = run("who", PUBLIC, clock(seconds), log)
    assert (code, "connections" in out) == (3, False)
    assert "these files: nothing was recorded at that time" in err


def test_who_says_that_the_log_is_not_whole(run, log, tmp_path):
    for path in log.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes().replace(b'"alive"', b'"ALIVE"'))
    code, out, _err = run("who", PUBLIC, clock(2), tmp_path)
    assert code == 1
    assert "pc-merkez" in out
    assert "NOT whole" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["who", "198.51.100.11", "2026-11-27T17:53:15"], "198.51.100.7:40123"),
        (["who", PUBLIC, "yesterday"], "2026-11-27T14:05:31"),
        (["verify", "--host", "pc-fen"], "pc-fen keeps no access log"),
        (["verify", "/nowhere.txt"], "no file of an access log"),
    ],
)
def test_what_is_not_understood(run, words, told):
    code, _out, err = run(*words)
    assert code == 1
    assert told in err
