"""The gateway records who connects where, nobody can alter it unnoticed, and its files are sealed.

What is looked for is counted on the gateway: no record leaves it.
"""

import time

FOLDER = "/var/lib/accesslog"
FRESH_SECONDS = 90  # a quiet gateway writes once a minute
PATIENCE_SECONDS = 15
WHOLE = """\
import sys; sys.path.insert(0, '/usr/local/lib/kahya-accesslog')
from chain import read
from pathlib import Path
last = None
for path in sorted(Path('/var/lib/accesslog').glob('*.open')):
    for line in path.read_bytes().splitlines():
        now = read(line)
        assert now and (last is None or (now[0] == last[0] + 1 and last[1].encode() in line))
        last = now
print('whole' if last else 'empty')"""
SEALED = f"""\
cd {FOLDER}; set -- *.tsr; [ -e "$1" ] || exit 0; shift $(($# - 1)); file=${{1%.tsr}}.jsonl.gz
digest=$(zcat "$file" | sha256sum | cut -d' ' -f1)
openssl ts -verify -digest "$digest" -in "$1" -CAfile /etc/kahya-accesslog/tsa-ca.pem 2>/dev/null"""


def until(look):
    """Look until it is true; return whether it ever was."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := look()) and time.monotonic() < end:
        time.sleep(0.5)
    return found


def test_a_connection_is_recorded(host, vars):
    """a connection is recorded within seconds"""
    where, port = vars["building"]["mirror"].split(":")
    count = f'cat {FOLDER}/*.open | grep -c \'"destination":"{where}:{port}"\''
    before = int(host.run(count).stdout)
    host.run(f"timeout 3 bash -c '</dev/tcp/{where}/{port}'")
    assert until(lambda: int(host.run(count).stdout) > before)


def test_the_log_is_written(host):
    """the recorder runs, and its last record is of this minute"""
    assert host.service("kahya-accesslog").is_running
    age = f"echo $(($(date +%s) - $(stat -c %Y {FOLDER}/*.open | sort -n | tail -n 1)))"
    assert int(host.check_output(age)) < FRESH_SECONDS


def test_the_chain_holds(host):
    """each record of today's file continues the one before"""
    assert host.check_output(f'python3 -B -c "{WHOLE}"') == "whole"


def test_the_newest_seal_fits(host):
    """the newest time stamp is the authority's, and for that very file"""
    assert until(lambda: host.check_output(SEALED) == "Verification: OK")


def test_nothing_waits_for_its_seal(host):
    """no file was closed hours ago and is not sealed"""
    closed = f"find {FOLDER}/ -name '*.jsonl*' -mmin +180"
    waits = f'{closed} | while read -r f; do [ -e "${{f%.jsonl*}}.tsr" ] || echo x; done | wc -l'
    assert host.check_output(waits) == "0"


def test_nobody_else_may_read_it(host):
    """only the recorder itself and root can read the log"""
    folder = host.file(FOLDER)
    assert (folder.user, folder.mode) == ("accesslog", 0o700)
