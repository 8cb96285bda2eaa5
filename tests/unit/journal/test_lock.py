"""One holder for each town, and an explanation for everybody else."""

import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from kahya.errors import LockError
from kahya.journal import Holder, Journal

AYSE = Holder.here("ayse@ornek.bel.tr", "2026-03-09-c0ffee00")
MEHMET = replace(AYSE, person="mehmet@ornek.bel.tr", run="2026-03-09-decade00")


def shift(database, seconds):
    """Move the lock's times, as a wrong clock would."""
    with database.begin() as connection:
        for name in ("since", "until"):
            old = connection.scalar(text(f"SELECT {name} FROM locks"))
            new = datetime.fromisoformat(old) + timedelta(seconds=seconds)
            connection.execute(
                text(f"UPDATE locks SET {name} = :new"), {"new": new.strftime("%Y-%m-%dT%H:%M:%SZ")}
            )


def test_a_town_is_taken_and_given_back(journal):
    assert journal.holder_of("ornek") is None
    taken = journal.lock("ornek", AYSE, 600)
    assert journal.holder_of("ornek") == replace(taken, now=journal.holder_of("ornek").now)
    assert taken.holder == AYSE
    assert not taken.expired
    assert journal.release("ornek", AYSE)
    assert journal.holder_of("ornek") is None
    assert not journal.release("ornek", AYSE)


def test_who_comes_second_is_told_who_was_first(journal):
    journal.lock("ornek", AYSE, 600)
    with pytest.raises(LockError) as caught:
        journal.lock("ornek", MEHMET, 600)
    for said in ("ornek", "ayse@", AYSE.host, str(os.getpid()), AYSE.run, "still running"):
        assert said in str(caught.value)
    for way in ("kahya status", "kahya resume", "kahya abort", "kahya unlock"):
        assert way in caught.value.hint
    assert journal.holder_of("ornek").holder == AYSE
    assert not journal.release("ornek", MEHMET)
    journal.lock("baska", MEHMET, 600)  # another town is free


def test_the_holder_itself_does_not_get_it_twice(journal):
    journal.lock("ornek", AYSE, 600)
    with pytest.raises(LockError):
        journal.lock("ornek", AYSE, 600)


def test_only_one_of_many_gets_it(url, tmp_path):
    Journal.in_folder(tmp_path, url)
    got = []

    def take(number):
        journal = Journal.in_folder(tmp_path, url)
        with suppress(LockError):
            got.append(journal.lock("ornek", replace(AYSE, pid=number), 60))

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1
    assert Journal.in_folder(tmp_path, url).holder_of("ornek").holder == got[0].holder


def test_an_expired_lock_is_not_taken_but_explained(journal, database):
    journal.lock("ornek", AYSE, 600)
    shift(database, -3600)
    assert journal.holder_of("ornek").expired
    with pytest.raises(LockError, match="It has expired"):
        journal.lock("ornek", MEHMET, 600)


def test_a_lock_from_the_future_is_explained(journal, database):
    journal.lock("ornek", AYSE, 600)
    shift(database, 7200)
    with pytest.raises(LockError, match=r"in the future.*a clock was or is wrong"):
        journal.lock("ornek", MEHMET, 600)


def test_a_lock_is_renewed_by_its_holder_only(journal):
    first = journal.lock("ornek", AYSE, 60)
    later = journal.renew("ornek", AYSE, 600)
    assert (later.since, later.holder) == (first.since, AYSE)
    assert later.until > first.until
    with pytest.raises(LockError, match="ayse@"):
        journal.renew("ornek", MEHMET, 600)
    journal.release("ornek", AYSE)
    with pytest.raises(LockError, match="was removed"):
        journal.renew("ornek", AYSE, 600)


def test_a_resumed_apply_takes_over_from_the_one_that_broke_off(journal):
    journal.lock("ornek", AYSE, 60)
    assert journal.lock("ornek", MEHMET, 60, after=AYSE).holder == MEHMET
    with pytest.raises(LockError):  # the second of two who resume
        journal.lock("ornek", replace(MEHMET, pid=1), 60, after=AYSE)


def test_whether_the_process_runs_is_seen_on_its_own_machine():
    assert AYSE.running is True
    assert replace(AYSE, boot="another boot").running is False
    assert replace(AYSE, started="1").running is False  # its number went to another process
    assert replace(AYSE, host="another-machine").running is None
    assert Holder.here("a", "p").host == socket.gethostname()


def test_a_killed_process_no_longer_runs(journal):
    code = "import sys; from kahya.journal import Holder; h = Holder.here('a', 'p'); "
    code += "print(h.pid, h.started, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        pid, started = process.stdout.readline().split()
        holder = replace(AYSE, pid=int(pid), started=started)
        assert holder.running
        process.kill()
        process.wait()
    assert not holder.running
    journal.lock("ornek", holder, 60)
    with pytest.raises(LockError, match="no longer running"):
        journal.lock("ornek", MEHMET, 60)
