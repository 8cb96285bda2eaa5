"""Whatever is done to a log is found, and told where."""

import calendar
import hashlib
import json
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import seal as sealer
import tsa
from chain import NOTHING, Log
from hypothesis import given
from hypothesis import strategies as st

from kahya.accesslog import town
from kahya.accesslog.files import LogFile, from_paths
from kahya.accesslog.verify import LINE, sealed_at, verify
from kahya.accesslog.who import who
from kahya.model import Host

RECORDS = (1, 4, 6, 5)  # in each file; the last is open
JSON = st.dictionaries(
    st.sampled_from(["at", "what", "translated", "id", "x"]),
    st.one_of(st.none(), st.integers(), st.sampled_from(["start", "begin", "198.51.100.11:9"])),
)
EVERY = [(f, line) for f, count in enumerate(RECORDS) for line in range(count)]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """The lab's time-stamping authority, and its root certificate."""
    folder = tmp_path_factory.mktemp("tsa")
    (folder / "root.pem").write_text(tsa.certificate(), encoding="ascii")
    with tsa.server("127.0.0.1", 0, folder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", folder / "root.pem"
        server.shutdown()


@pytest.fixture(scope="module")
def log(tmp_path_factory, authority):
    """A log of four files as the gateway's own programs make it, three of them sealed."""
    folder = tmp_path_factory.mktemp("log")
    made = Log(folder, 10**6)
    for count in RECORDS:
        made.close()
        for number in range(count):
            made.put("begin", source=f"10.0.0.5:{number}", translated="198.51.100.11:9")
    made.sync()
    url, ca = authority
    assert sealer.main({"tsa_url": url, "tsa_ca_file": str(ca), "keep_days": 730}, folder) == 0
    return list(from_paths([folder]))


def changed(log, number, text, **more):
    return [replace(f, text=text, **more) if i == number else f for i, f in enumerate(log)]


def split(file):
    return file.text.splitlines(keepends=True)


def broken(files, **about):
    report = verify(files, None, **about)
    return {(f.file[:6], f.line) for f in report.findings if f.broken}


def test_what_nobody_touched_is_whole(log, authority):
    report = verify(log, authority[1], keep_days=730)
    assert (report.findings, report.files, report.seals) == ([], 4, 3)
    assert report.records == report.n == sum(RECORDS)
    assert sealed_at(log[0])
    assert not sealed_at(log[3])


@given(at=st.sampled_from(EVERY), data=st.data())
def test_a_changed_byte_is_found_in_its_line(log, at, data):
    lines = split(log[at[0]])
    line = bytearray(lines[at[1]])
    byte = data.draw(st.integers(0, len(line) - 2))
    line[byte] = data.draw(st.integers(0, 255).filter(lambda value: value != line[byte]))
    lines[at[1]] = bytes(line)
    found = broken(changed(log, at[0], b"".join(lines)))
    assert (log[at[0]].name[:6], at[1] + 1) in found


@given(at=st.sampled_from(EVERY), data=st.data())
def test_removed_lines_are_counted(log, at, data):
    lines = split(log[at[0]])
    until = data.draw(st.integers(at[1] + 1, len(lines)))
    if at[0] == 3 and until == len(lines):  # the end of today's file: see the next but one
        return
    del lines[at[1] : until]
    first = sum(RECORDS[: at[0]]) + at[1] + 1
    gone = f"{first}–{first + until - at[1] - 1}" if until > at[1] + 1 else str(first)
    report = verify(changed(log, at[0], b"".join(lines)), None)
    assert any(gone in f.text for f in report.findings if f.broken)


@given(one=st.sampled_from(EVERY), other=st.sampled_from(EVERY), put=st.booleans())
def test_moved_and_repeated_lines_are_found(log, one, other, put):
    if one == other:
        return
    lines = [split(file) for file in log]
    if put:
        lines[other[0]].insert(other[1], lines[one[0]][one[1]])
    else:
        a, b = lines[one[0]][one[1]], lines[other[0]][other[1]]
        lines[one[0]][one[1]], lines[other[0]][other[1]] = b, a
    files = [replace(f, text=b"".join(part)) for f, part in zip(log, lines, strict=True)]
    assert broken(files)


def forged(lines, at):
    """Change a line and make all that follow fit again, as one does who knows how."""
    prev = LINE.fullmatch(lines[at - 1][:-1])[4] if at else NOTHING.encode()
    for number in range(at, len(lines)):
        body = LINE.fullmatch(lines[number][:-1])[1].replace(b"10.0.0.5:", b"10.0.0.6:")
        body = body[: -len(prev) - 1] + prev + b'"'
        prev = hashlib.sha256(body).hexdigest().encode()
        lines[number] = body + b',"hash":"' + prev + b'"}\n'
    return lines


@pytest.mark.parametrize("at", range(4))
def test_one_who_makes_a_sealed_file_anew_is_found_by_its_seal(log, authority, at):
    text = b"".join(forged(split(log[1]), at))
    report = verify(changed(log, 1, text), authority[1])
    assert "000002" in {f.file[:6] for f in report.findings if "seal" in f.text}
    # Without the seal, it is the next file that no longer continues it.
    assert ("000003", 1) in broken(changed(log, 1, text))


@given(
    st.one_of(st.binary(), st.text().map(str.encode), JSON.map(lambda v: json.dumps(v).encode()))
)
def test_a_forged_line_of_any_form_is_found_and_ends_nothing(log, content):
    """Whatever stands between the number and the hash: its own hash fits."""
    n = sum(RECORDS) + 10**12
    content = content.replace(b"\n", b" ").removeprefix(b"{").removesuffix(b"}")
    body = b'{"n":%d,%s,"prev":"%s"' % (n, content, NOTHING.encode())
    line = body + b',"hash":"' + hashlib.sha256(body).hexdigest().encode() + b'"}\n'
    forged = changed(log, 3, log[3].text + line)
    assert ("000004", RECORDS[3] + 1) in broken(forged)
    who(forged, "198.51.100.11:9", datetime.now(UTC), timedelta(seconds=2))


def test_a_replaced_line_is_named_though_its_own_hash_fits(log):
    lines = split(log[2])
    lines[2:3] = forged(lines[:3], 2)[2:]
    assert broken(changed(log, 2, b"".join(lines))) == {("000003", 3)}


def test_todays_file_made_anew_or_cut_is_found_by_what_was_seen_before(log):
    seen = (sum(RECORDS), LINE.fullmatch(split(log[3])[-1][:-1])[4].decode())
    assert broken(log, seen=seen) == set()
    assert broken(changed(log, 3, b"".join(forged(split(log[3]), 2))), seen=seen)
    assert broken(changed(log, 3, b"".join(split(log[3])[:-1])), seen=seen)
    assert broken(log[:3], seen=seen)


def test_a_log_that_begins_after_what_was_seen_is_told(log):
    seen = (3, LINE.fullmatch(split(log[1])[1][:-1])[4].decode())
    assert verify(log, None, keep_days=730, seen=seen).known
    later = log[0].day + timedelta(days=9)  # long enough to have been removed
    assert broken(log[2:], keep_days=2, seen=seen, today=later) == {("000004", 0)}
    assert broken(log[2:], seen=seen) == set()  # not all were asked for


@pytest.mark.parametrize(("first", "moved"), [(0, True), (2, False)])
def test_only_who_met_the_last_look_s_record_goes_on_from_there(
    log, authority, tmp_path, monkeypatch, first, moved
):
    memory, mark = tmp_path / "accesslog.json", LINE.fullmatch(split(log[1])[1][:-1])[4].decode()
    memory.write_text(json.dumps({"gw": [3, mark]}), encoding="utf-8")
    monkeypatch.setattr(town, "state_folder", lambda _town: tmp_path)
    monkeypatch.setattr(town, "from_host", lambda *_: iter(log[first:]))
    reach = town.Access(None, tmp_path, tmp_path)
    ca = authority[1].read_text(encoding="ascii")
    host = Host("gw", "192.0.2.1", "", (), {"accesslog": {"tsa_ca": ca, "keep_days": 730}})
    assert town.check(reach, host, log[0].day).sound
    assert (json.loads(memory.read_text(encoding="utf-8"))["gw"] != [3, mark]) == moved


def test_missing_files_and_seals(log, authority):
    assert broken([log[0], *log[2:]]) == {("000003", 0)}
    today = log[0].day
    assert broken(log[1:], keep_days=2, today=today) == {("000002", 0)}
    assert broken(log[1:], keep_days=2, today=today + timedelta(days=1)) == set()
    bare = [replace(file, seal=None) for file in log]
    report = verify(bare, authority[1], today=today)
    assert report.sound
    assert len(report.findings) == 3
    assert not verify(bare, authority[1], today=today + timedelta(days=3)).sound


@pytest.mark.parametrize("at", range(3))
def test_a_seal_is_for_one_file_alone(log, authority, at):
    assert verify([log[at]], authority[1]).seals == 1
    for seal in (log[(at + 1) % 3].seal, log[at].seal[:-1], b"", b"no seal"):
        report = verify([replace(log[at], seal=seal)], authority[1])
        assert (report.seals, report.sound) == (0, False)
    # By another root it proves nothing.
    assert verify([log[at]], authority[1].with_name("serial")).seals == 0


def test_the_stamp_s_month_is_read_in_any_language(log, monkeypatch):
    expected = sealed_at(log[0])
    monkeypatch.setattr(calendar, "month_abbr", ["", *(f"{number}. ay" for number in range(1, 13))])
    monkeypatch.setattr("_strptime._getlang", lambda: ("tr_TR", "UTF-8"))
    assert sealed_at(log[0]) == expected


def other_day(file, days):
    return replace(file, name=f"{file.name[:7]}{file.day + timedelta(days)}{file.name[17:]}")


def test_a_file_has_the_day_of_its_first_record(log):
    assert broken([*log[:3], other_day(log[3], -1)]) == set()
    assert broken([*log[:3], other_day(log[3], -2)]) == {("000004", 1)}
    assert broken([*log[:3], other_day(log[3], 2)]) == {("000004", 1)}


def test_a_late_seal_is_told(log, authority):
    for days, late in ((-2, 0), (-3, 1)):
        report = verify([other_day(log[0], days)], authority[1])
        assert sum("sealed late" in f.text and not f.broken for f in report.findings) == late
        assert report.seals == 1


def test_power_lost_in_the_middle_of_a_line_is_no_forgery(log):
    torn = changed(log, 3, log[3].text[:-9])
    report = verify(torn, None)
    assert report.sound
    assert [f.line for f in report.findings] == [RECORDS[3]]
    assert broken(changed(log, 1, log[1].text[:-9]))  # but not in a file that was closed


def test_a_damaged_archive_is_told(tmp_path):
    (tmp_path / "000001-2026-11-27.jsonl.gz").write_bytes(b"\x1f\x8b nothing")
    assert broken(from_paths([tmp_path])) == {("000001", 0)}


def test_it_says_when_nothing_was_recorded(tmp_path):
    made, now = Log(tmp_path, 10**6), time.time()
    made.put("start", at=now - 3600, host="gw", torn=0)
    made.put("stop", at=now - 3593)
    made.put("start", at=now, host="gw", torn=0)
    made.put("lost", why="disk", count=7)
    report = verify(from_paths([tmp_path]), None)
    assert report.sound
    told = [f.text for f in report.findings]
    assert len(told) == 2
    assert "did not run" in told[0]
    assert "7 records were lost: the disk was full or failed" in told[1]
    assert verify([LogFile("000001-2026-11-27.open", b"")], None).findings
