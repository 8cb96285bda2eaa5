"""What an admin does in the tests that need the lab: run kahya, change a host by hand."""

import json
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PEOPLE = ROOT / ".kahya/labs/lab/people"
SIGNERS = ("ayse", "mehmet")  # enough for any change in the lab
SAID = []  # all that kahya has printed


def run(*command, cwd=ROOT, **options):
    """Run a command of the checkout and return what it did."""
    return subprocess.run(
        list(map(str, command)), cwd=cwd, text=True, capture_output=True, check=False, **options
    )


def kahya(*arguments, cwd=ROOT):
    """Run kahya as an admin would."""
    done = run(ROOT / ".venv/bin/kahya", *arguments, "--quiet", "--lang=en", cwd=cwd)
    SAID.append(done.stdout + done.stderr)
    return done


def on(host, command):
    """Do something on a host by hand, behind Kâhya's back, and return what it printed."""
    done = run("scripts/lab", "exec", host, "sh", "-c", command)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def found(*arguments, command="drift", cwd=ROOT):
    """Return the document that ``kahya drift --json`` (or plan) prints."""
    done = kahya(command, "--json", *arguments, cwd=cwd)
    assert done.stdout.startswith("{"), done.stderr
    return done.returncode, json.loads(done.stdout)


def descendants(number):
    """Return the process numbers below a process."""
    children = run("pgrep", "-P", number).stdout.split()
    return [*children, *(below for child in children for below in descendants(child))]


def await_capture(file, seconds=20):
    """Wait until ``scripts/lab capture`` writes to ``file``; a busy machine takes a while."""
    until = time.monotonic() + seconds
    while not file.exists():
        assert time.monotonic() < until, "nothing is captured"
        time.sleep(0.1)
    time.sleep(0.5)


def approve(plan_file, *names, allow_blind=(), town=ROOT / "inventories/lab"):
    """Sign a plan as these people of the lab, and return what was said to the last of them."""
    spots = [f"--allow-blind={spot}" for spot in allow_blind]
    for name in names:
        done = kahya("approve", plan_file, "--key", PEOPLE / name, "--yes", "-i", town, *spots)
        assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout
