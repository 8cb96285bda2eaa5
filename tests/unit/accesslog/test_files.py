"""The files of a log as they come over ssh, also when the connection is cut."""

import os
from pathlib import Path

import pytest
from chain import Log

from kahya.accesslog import files
from kahya.accesslog.files import AccessLogError, from_host, from_paths
from kahya.accesslog.verify import verify

SSH = '#!/bin/sh\nshift 3\nexec sh -c "${1#sudo -n }"\n'


@pytest.fixture
def log(tmp_path, monkeypatch):
    """A log of two files, and an ssh that runs here what it is given."""
    folder, tools = tmp_path / "log", tmp_path / "tools"
    folder.mkdir()
    tools.mkdir()
    made = Log(folder, 10**6)
    for _ in range(2):
        made.close()
        for _ in range(200):
            made.put("alive")
    program(tools / "ssh", SSH)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setattr(files, "FOLDER", str(folder))
    return folder


def program(path, text):
    path.write_text(text, encoding="ascii")
    path.chmod(0o755)


def host():
    return list(from_host(Path("config"), "gw"))


def test_a_torn_line_s_rest_is_none_of_the_log(log):
    path = max(log.glob("*.open"))
    path.with_suffix(".torn").write_bytes(b'{"n":3,"at')
    found = host()
    assert found == list(from_paths([log]))
    assert verify(found, None).findings == []


@pytest.mark.parametrize(
    ("tar", "told"),
    [
        ("/usr/bin/tar $*; echo cut off >&2; exit 255", "gw: its access log .* cut off"),
        ("/usr/bin/tar $* | head -c 60000; exit 255", "255|unexpected end"),
        ("/usr/bin/tar $* | head -c 61440; exit 255", "255|unexpected end"),
        ("exit 2", "empty file"),
        ("echo no archive; exit 0", "truncated|invalid"),
        ("head -c 200000 /dev/zero | tr '\\0' x >&2; exit 255", "xxx"),
    ],
)
def test_a_connection_that_is_cut_is_no_end_of_the_log(log, tmp_path, tar, told):
    program(tmp_path / "tools/tar", f"#!/bin/sh\n{tar}\n")
    with pytest.raises(AccessLogError, match=told):
        host()


def test_a_file_may_grow_while_it_is_read(log, tmp_path):
    program(tmp_path / "tools/tar", "#!/bin/sh\n/usr/bin/tar $*\nexit 1\n")
    assert len(host()) == 2


def test_files_of_two_logs_are_refused(log, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    path = max(log.glob("*.open"))
    (other / path.name).write_bytes(b"")
    with pytest.raises(AccessLogError, match="files of two logs"):
        list(from_paths([log, other]))
    path.with_suffix(".jsonl").write_bytes(path.read_bytes())  # in both forms, but of one log
    assert len(list(from_paths([log]))) == 2
