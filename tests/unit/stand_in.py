#!/usr/bin/env python3
"""Stands in for kahya in the tests of the CI jobs: notes how it was called, ends as told."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

command, *rest = sys.argv[1:]
told = json.loads(os.environ["STAND_IN_ENDS"])
code = told.get(command, 0)


def output(*words):
    """Return what a program prints."""
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


commit = output("git", "rev-parse", "HEAD")
vault = os.environ.get("ANSIBLE_VAULT_PASSWORD_FILE")
plan = Path(rest[0]) if command == "apply" else None
call = {
    "command": command,
    "arguments": rest,
    "commit": commit,
    "keys": output("ssh-add", "-L"),
    "agent": int(os.environ["SSH_AGENT_PID"]),
    "vault": Path(vault).read_text(encoding="utf-8").strip(),
    "environment": dict(os.environ),
    "beside": sorted(p.name for p in plan.parent.iterdir()) if plan else [],
}
with Path(os.environ["STAND_IN_LOG"]).open("a", encoding="utf-8") as log:
    log.write(json.dumps(call) + "\n")
time.sleep(told.get("seconds", 0))
if "--out" in rest and code in (0, 1, 2, 3):
    target = Path(rest[rest.index("--out") + 1])
    if command == "report":
        target.mkdir()
        target /= "index.html"
    target.write_text(json.dumps({"commit": commit}), encoding="utf-8")
if "--markdown" in rest and code in (0, 1, 2):
    print("A plan of", commit)
sys.exit(code)
