"""The lab for the tests that need it. They run on the workstation's network: scripts/test lab."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command, cwd=ROOT, **options):
    """Run a command of the checkout and return what it did."""
    return subprocess.run(
        list(map(str, command)), cwd=cwd, text=True, capture_output=True, check=False, **options
    )


def kahya(*arguments, cwd=ROOT):
    """Run kahya as an admin would; ``json`` of the result parses what it printed."""
    return run(ROOT / ".venv/bin/kahya", *arguments, "--quiet", "--lang=en", cwd=cwd)


def on(host, command):
    """Do something on a host by hand, behind Kâhya's back, and return what it printed."""
    done = run("scripts/lab", "exec", host, "sh", "-c", command)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def found(*arguments, command="drift"):
    """Return the document that ``kahya drift --json`` (or plan) prints."""
    done = kahya(command, "--json", *arguments)
    assert done.stdout.startswith("{"), done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="session")
def bring_up():
    """Bring the town in the lab up, as scripts/demo does, and return what was said."""
    done = kahya("apply", "--stage-by-stage")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout
