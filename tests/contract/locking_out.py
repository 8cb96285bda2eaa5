"""Apply a policy to the gateway gw-fen that locks us out: a process for others to kill.

Its one argument is a private folder. It prints what the engine tells, and the outcome.
"""

import sys
from dataclasses import replace
from pathlib import Path

from kahya.engines.base import Mandate, Task
from kahya.engines.pyinfra import PyinfraEngine
from kahya.inventory import load
from kahya.ssh import write_ssh_config

SECONDS = 25  # until the gateway returns by itself


def prepare(folder):
    """Return the town, its engine, the task for this change, and the same as it is intended."""
    town = replace(load(Path(__file__).parents[2] / "inventories/lab"), confirm_seconds=SECONDS)
    system = next(s for s in town.systems if s.name == "firewall")
    gateway = town.hosts["gw-fen"]
    locked = replace(gateway, vars={**gateway.vars, "firewall_ssh_from": ["wan"]})
    engine = PyinfraEngine(write_ssh_config(town, folder), folder)
    return town, engine, Task(system, (locked,)), Task(system, (gateway,))


def apply(folder, tell):
    """Apply it and return the outcome."""
    town, engine, task, _ = prepare(folder)
    [plan] = engine.plan(town, [task], lambda *_: None)
    approved = {("gw-fen", "firewall"): Mandate(tuple(c.id for c in plan.changes), plan.identity)}
    [outcome] = engine.apply(town, [task], approved, tell)
    return outcome


if __name__ == "__main__":
    print(apply(Path(sys.argv[1]), lambda *news: print(*news, flush=True)))
