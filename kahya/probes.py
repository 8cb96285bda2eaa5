"""Run the functional checks under probes/ (pytest-testinfra) and collect what they saw."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from kahya.i18n import N_
from kahya.model import Host, ProbeResult, System, Town
from kahya.redact import redact

DETAIL_LENGTH = 2000
TIMEOUT_SECONDS = 300
COMPLETE = (0, 1)  # pytest's exit codes: all passed, some failed


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
    A host without any result, and every host of a run that broke off, has one that says so.
    """
    results = workdir / f"results-{system.name}.jsonl"
    inventory = _write_inventory(town, ssh_config, workdir / f"probe-{system.name}.json")
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--color=no"),
        *("-p", "testinfra.plugin"),
        *(f"--ssh-config={ssh_config}", "--sudo"),
        f"--hosts={','.join(f'ssh://{h.name}' for h in hosts)}",
        str(root / system.probes),
    ]
    environment = os.environ | {
        "KAHYA_PROBE_JSON": str(inventory),
        "KAHYA_PROBE_RESULTS": str(results),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # whatever else is installed only takes time
    }
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, check=False,
            timeout=TIMEOUT_SECONDS,
        )  # fmt: skip
        code, words = done.returncode, redact(done.stdout + done.stderr, town.secrets)[-600:]
    except subprocess.TimeoutExpired:
        code, words = -1, f"not done after {TIMEOUT_SECONDS} s"
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    shown = [redact(json.loads(line), town.secrets) for line in lines]  # masked, then cut
    found = [
        ProbeResult(system=system.name, **r | {"detail": r["detail"][:DETAIL_LENGTH]})
        for r in shown
    ]
    # A run that broke off, or passed over a host, has not shown that the host is in order.
    silent = {h.name for h in hosts}
    if code in COMPLETE:
        silent -= {result.host for result in found}
    return found + [
        ProbeResult(name, system.name, N_("The checks ran to their end"), "error", words)
        for name in sorted(silent)
    ]


def _write_inventory(town: Town, ssh_config: Path, path: Path) -> Path:
    data = {
        "ssh_config": str(ssh_config),
        "hosts": {h.name: h.vars for h in town.hosts.values()},
        "outside": {h.name: h.vars for h in town.outside.values()},
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(data), encoding="utf-8")
    return path
