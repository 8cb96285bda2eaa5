"""Apply what cuts the path to the gateway gw-fen: a process for others to kill.

Its arguments are a private folder, the system to do it with, and after how many seconds the
gateway is to return by itself. It prints what the engine tells, and the outcome.
"""

import sys
from dataclasses import replace
from pathlib import Path

from kahya.engines.base import Mandate, Task
from kahya.engines.pyinfra import PyinfraEngine
from kahya.inventory import load
from kahya.ssh import write_ssh_config

SECONDS = 15  # until the gateway returns by itself


def cut(system, data):
    """Return the gateway's variables with one mistake: nobody is let in, or no tunnel works."""
    if system == "firewall":
        return {**data, "firewall": {**data["firewall"], "rules": []}}
    return {**data, "tunnels": [{**t, "endpoint": "192.0.2.1:51820"} for t in data["tunnels"]]}


def prepare(folder, name, seconds=SECONDS):
    """Return the town, its engine, the task for this change, and the same as it is intended."""
    town = replace(load(Path(__file__).parents[2] / "inventories/lab"), confirm_seconds=seconds)
    system = next(s for s in town.systems if s.name == name)
    gateway = town.hosts["gw-fen"]
    locked = replace(gateway, vars=cut(name, gateway.vars))
    engine = PyinfraEngine(write_ssh_config(town, folder), folder)
    return town, engine, Task(system, (locked,)), Task(system, (gateway,))


def apply(folder, name, tell, seconds=SECONDS):
    """Apply it and return the outcome."""
    town, engine, task, _ = prepare(folder, name, seconds)
    [plan] = engine.plan(town, [task], lambda *_: None)
    approved = {("gw-fen", name): Mandate(tuple(c.mark for c in plan.changes), plan.identity)}
    [outcome] = engine.apply(town, [task], approved, tell)
    return outcome


if __name__ == "__main__":
    folder, system, seconds = sys.argv[1:]
    print(apply(Path(folder), system, lambda *news: print(*news, flush=True), int(seconds)))
