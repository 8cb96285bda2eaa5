"""Run the functional checks under probes/ (pytest-testinfra) and collect what they saw."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from kahya.errors import EngineError
from kahya.model import Host, ProbeResult, System, Town
from kahya.redact import redact

TIMEOUT_SECONDS = 300
NO_TESTS = 5  # pytest's exit code


def run(
    town: Town,
    system: System,
    hosts: Sequence[Host],
    root: Path,
    ssh_config: Path,
    workdir: Path,
) -> list[ProbeResult]:
    """Run the probes of ``system`` against ``hosts`` and return one result for each check.

    The probes get the inventory as a private file; secrets never are arguments or environment.

    Raises:
        EngineError: pytest itself could not run, or the system has no check at all.
    """
    inventory, results = (
        workdir / f"probe-{system.name}.json",
        workdir / f"results-{system.name}.jsonl",
    )
    data = {
        "ssh_config": str(ssh_config),
        "hosts": {h.name: h.vars for h in town.hosts.values()},
        "outside": {h.name: h.vars for h in town.outside.values()},
    }
    inventory.touch(mode=0o600)
    inventory.write_text(json.dumps(data), encoding="utf-8")
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--color=no"),
        *(f"--ssh-config={ssh_config}", "--sudo"),
        f"--hosts={','.join(f'ssh://{h.name}' for h in hosts)}",
        str(root / system.probes),
    ]
    environment = os.environ | {
        "KAHYA_PROBE_JSON": str(inventory),
        "KAHYA_PROBE_RESULTS": str(results),
    }
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False,
        timeout=TIMEOUT_SECONDS,
    )  # fmt: skip
    if not results.exists() or done.returncode == NO_TESTS:
        words = redact((done.stdout + done.stderr)[-2000:], town.secrets)
        raise EngineError(f"the probes of {system.name} did not run: {words}")
    lines = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    return [ProbeResult(system=system.name, **redact(line, town.secrets)) for line in lines]
