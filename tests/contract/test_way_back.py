"""What no controller is needed for: the host itself returns from a change that cut the path."""

import signal
import subprocess
import sys
import time

import locking_out
import pytest
from admin import descendants, on, run

pytestmark = pytest.mark.usefixtures("bring_up")
SECONDS = 25  # so long that a slow look still finds it cut off
PATIENCE = 30  # seconds beyond the timer, on a busy machine


def in_order(folder, system):
    """Return whether the gateway can be reached and is as intended."""
    town, engine, _, intended = locking_out.prepare(folder, system)
    [plan] = engine.plan(town, [intended], lambda *_: None)
    return (plan.status, plan.changes) == ("ok", ())


@pytest.mark.parametrize("system", ["firewall", "vpn"])
def test_a_change_that_locks_us_out_is_gone_by_itself(tmp_path, system):
    outcome = locking_out.apply(tmp_path, system, lambda *_: None)
    assert (outcome.status, outcome.applied) == ("failed", ()), outcome.reason
    assert "has returned to the state before" in outcome.reason
    assert in_order(tmp_path, system)
    town, engine, task, _ = locking_out.prepare(tmp_path, system)
    [reverted] = engine.revert(town, [task], lambda *_: None)
    assert (reverted.status, "by itself" in reverted.reason) == ("reverted", True)
    [again] = engine.revert(town, [task], lambda *_: None)
    assert (again.status, "already" in again.reason) == ("failed", True)


def test_it_is_gone_even_when_nobody_lives_to_see_it(tmp_path):
    command = [sys.executable, locking_out.__file__, tmp_path, "firewall", str(SECONDS)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    started = next(line for line in process.stdout if "reading" not in line)
    assert started.startswith("gw-fen firewall")
    time.sleep(6)  # the policy is loaded; new logins are being tried
    children = descendants(process.pid)
    assert children
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(2)
    assert run("ps", "-o", "pid=", "-p", ",".join(children)).stdout == ""
    assert on("gw-fen", "ls /var/lib/kahya/return/firewall/armed")
    until = time.monotonic() + SECONDS + PATIENCE
    while not in_order(tmp_path, "firewall"):
        assert time.monotonic() < until
        time.sleep(2)
    assert "timer" in on("gw-fen", "cat /var/lib/kahya/return/firewall/returned")
    left = on("gw-fen", "ls /etc/systemd/system /etc/systemd/system/timers.target.wants")
    assert "kahya-return" not in left
