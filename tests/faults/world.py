"""A simulated town (L1): hosts in a JSON file, engines that work on it and fail on demand.

A pair "host system" of the world may hold:
  wrong     resources that differ from the inventory now, by name
  identity  what the machine says it is
  fault     partly | fails | unreachable | lost | silent | breaks | extra | sticky
  stuck     true: what was there before can't be brought back
  blind     a blind spot
  mends     "host system": what this one's apply puts right of another, without a word
  broken    checks that fail: "always", or "afterwards" once something was applied
"""

import json
import os
import signal
from pathlib import Path

from kahya.engines.base import refusal
from kahya.errors import EngineError
from kahya.model import BlindSpot, Change, HostPlan, Outcome, ProbeResult

RISKS = {"vpn": ("cuts-path",), "routing": ("cuts-path",), "firewall": ("cuts-path",)}


class World:
    """The state of all hosts, kept in a file so that it outlives a killed Kâhya."""

    def __init__(self, file: Path):
        self.file = file

    def read(self):
        return json.loads(self.file.read_text(encoding="utf-8"))

    def pair(self, host, system):
        return {"wrong": [], "identity": f"machine {host}"} | self.read().get(
            f"{host} {system}", {}
        )

    def put(self, host, system, **values):
        state = self.read()
        state[f"{host} {system}"] = self.pair(host, system) | values
        self.file.write_text(json.dumps(state), encoding="utf-8")

    def wrong(self):
        """Return every "host system resource" that is not as the inventory says."""
        return sorted(f"{pair} {r}" for pair, s in self.read().items() for r in s.get("wrong", []))


class SimulatedEngine:
    """Keeps the contract of kahya/engines/base.py on a World. ``die_at``: a resource, see _do."""

    def __init__(self, world, name, die_at=""):
        self.world, self.name, self.die_at = world, name, die_at

    def plan(self, town, tasks, progress):
        for task in tasks:
            for host in task.hosts:
                fault = self.world.pair(host.name, task.system.name).get("fault")
                if fault == "breaks":
                    raise EngineError("the tool can't be started", "Install it.")
                if fault != "silent":
                    yield self._look(host, task.system)

    observe = plan

    def _look(self, host, system):
        state = self.world.pair(host.name, system.name)
        if state.get("fault") == "unreachable":
            return HostPlan(host.name, system.name, "unreachable", reason="no route to host")
        changes = tuple(self._change(host, system, r) for r in state["wrong"])
        spots = (
            (BlindSpot(host.name, system.name, "a script", "it has no check mode"),)
            if state.get("blind")
            else ()
        )
        return HostPlan(host.name, system.name, "ok", changes, spots, identity=state["identity"])

    def _change(self, host, system, resource, after="right"):
        return Change(
            host.name, host.building, system.name, self.name, resource, "update",
            f"-wrong\n+{after}", {"before": "wrong", "after": after},
            risk=RISKS.get(system.name, ()),
        )  # fmt: skip

    def apply(self, town, tasks, approved, progress):
        for task in tasks:
            for host in task.hosts:
                fault = self.world.pair(host.name, task.system.name).get("fault")
                if fault == "breaks":
                    raise EngineError("the tool can't be started", "Install it.")
                if fault != "silent":
                    yield self._apply(host, task.system, approved)

    def _apply(self, host, system, approved):
        now = self._look(host, system)
        if now.status != "ok":
            return Outcome(host.name, system.name, "unreachable", reason=now.reason)
        if reason := refusal(approved, now):
            return Outcome(host.name, system.name, "refused", reason=reason)
        state = self.world.pair(host.name, system.name)
        fault = state.get("fault")
        if now.changes or now.blind_spots:
            run = approved[host.name, system.name].run
            self.world.put(host.name, system.name, before=state["wrong"], run=run)
        done = []
        for index, change in enumerate(now.changes):
            if fault == "fails" or (fault == "partly" and index):
                words = f"{change.resource}: permission denied"
                return Outcome(host.name, system.name, "failed", tuple(done), words)
            self._do(host, system, change.resource, stays=fault == "sticky")
            done.append(change)
        if fault == "extra":
            done.append(self._change(host, system, "something else"))
        runs = state.get("runs", 0) + bool(now.blind_spots)
        self.world.put(host.name, system.name, blind=False, touched=True, runs=runs)
        if fault == "lost":
            self.world.put(host.name, system.name, fault="unreachable")
            words = "the host is lost and not back yet"
            return Outcome(host.name, system.name, "unreachable", tuple(done), words)
        if "mends" in state:
            self.world.put(*state["mends"].split(" "), wrong=[])
        return Outcome(host.name, system.name, "applied", tuple(done))

    def _do(self, host, system, resource, *, stays):
        if not stays:
            left = [r for r in self.world.pair(host.name, system.name)["wrong"] if r != resource]
            self.world.put(host.name, system.name, wrong=left)
        if self.die_at == f"{host.name} {system.name} {resource}":
            os.kill(os.getpid(), signal.SIGKILL)

    def became(self, town, tasks, progress, run):
        for task in tasks:
            for host in task.hosts:
                state = self.world.pair(host.name, task.system.name)
                back = state.get("run") != run or state["wrong"] == state["before"]
                yield Outcome(host.name, task.system.name, "reverted" if back else "failed")

    def revert(self, town, tasks, progress, run=""):
        for task in tasks:
            for host in task.hosts:
                state = self.world.pair(host.name, task.system.name)
                if state.get("fault") == "unreachable":
                    yield Outcome(
                        host.name, task.system.name, "unreachable", reason="no route to host"
                    )
                elif run and state.get("run") != run:
                    words = "nothing was changed here by this plan"
                    yield Outcome(host.name, task.system.name, "reverted", reason=words)
                elif state.get("stuck"):
                    words = "the state before can't be had back"
                    yield Outcome(host.name, task.system.name, "failed", reason=words)
                else:
                    wrong = state.get("before", state["wrong"])
                    self.world.put(host.name, task.system.name, wrong=wrong, touched=False)
                    yield Outcome(host.name, task.system.name, "reverted")


def engines(world, die_at=""):
    """Return what kahya.engines.fleet.engines does."""
    return {name: SimulatedEngine(world, name, die_at) for name in ("ansible", "napalm", "pyinfra")}


def probe(world, system, hosts):
    """Return what kahya.probes.run does: one check for each host."""
    results = []
    for host in hosts:
        state = world.pair(host.name, system.name)
        broken = state.get("broken")
        bad = broken == "always" or (broken == "afterwards" and state.get("touched"))
        results.append(
            ProbeResult(host.name, system.name, "It works", "failed" if bad else "passed")
        )
    return results
