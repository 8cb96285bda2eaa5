"""The command line on the device: the name of an operation, its arguments as JSON on stdin."""

import json
import sys

from . import commit, shadow, store

CHANGES = {"commit", "confirm", "revert", "rollback"}  # one at a time
READS = {"stage", "status"}


def main() -> int:
    """Run one operation and print its answer: {"ok": ...} or {"rejected": [...]}/{"refused": ...}.

    Exit status 1 means refused (systemd tries a failed return again).
    """
    operation = sys.argv[1]
    if operation == "shadow":
        print(json.dumps(shadow.main(**json.load(sys.stdin))))
        return 0
    given = "" if operation == "revert" else sys.stdin.read()
    arguments = json.loads(given or "{}")
    answer = run(operation, arguments)
    print(json.dumps(answer))
    return 0 if "ok" in answer else 1


def run(operation: str, arguments: dict[str, object]) -> dict[str, object]:
    """Run an operation under the right lock and put its outcome into words."""
    store.prepare()
    try:
        if operation in CHANGES:
            # The return must not give up: it waits as long as it takes.
            with store.lock(wait=600 if operation == "revert" else store.LOCK_WAIT):
                return {"ok": getattr(commit, operation)(**arguments)}
        if operation in READS:
            return {"ok": getattr(commit, operation)(**arguments)}
    except shadow.RejectedError as error:
        return {"rejected": list(error.args)}
    except FileNotFoundError as error:
        if error.filename != "vtysh":
            raise
        return {"refused": "FRR is not installed"}
    except (commit.RefusedError, store.BusyError) as error:
        return {"refused": str(error)}
    return {"refused": f"unknown operation {operation}"}
