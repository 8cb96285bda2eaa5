"""Random plans over the lab's systems: predicted = applied, and nothing is left.

A test runs a few of them (test_random_plans.py); many: scripts/lab run .venv/bin/python
tests/e2e/random_plans.py COUNT [SEED]. Each plan repairs one to four random changes by hand.
"""

import random
import sys
import time
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))
from admin import PEOPLE, ROOT, SIGNERS, on

from kahya import ssh, workflow
from kahya.inventory import load
from kahya.journal import Journal
from kahya.plan import signature
from kahya.plan.waves import Wave
from kahya.scope import Scope, scope
from kahya.workflow import Workflow

MUTATIONS = yaml.safe_load(Path(__file__).with_name("mutations.yml").read_text(encoding="utf-8"))


WEIGHTS = {"base": 4, "vpn": 3, "routing": 3, "firewall": 3, "postgresql": 1}  # by their speed
MIXED = 0.3  # of the plans are for several engines


def quickly(town, plan, **_options):
    """Return one wave of all hosts but the gateways, which follow one by one.

    The inventory begins with the building of the controller: its gateway is the last.
    """
    touched = {change.host for change in plan.changes}
    gateways = [n for n, h in town.hosts.items() if n in touched and "gateways" in h.groups]
    order = [tuple(touched - {*gateways}), *((name,) for name in reversed(gateways))]
    return tuple(Wave("quick", hosts) for hosts in order if hosts)


class Generator:
    """Makes random changes in the lab and has Kâhya plan, sign and apply their repair."""

    def __init__(self, folder: Path, seed: int):
        self.random = random.Random(seed)
        self.town = load(ROOT / "inventories/lab")
        self.flow = Workflow(self.town, Journal.in_folder(folder), lambda *_: None)
        # Whether systems work is for other tests, and fewer waves are faster.
        self.flow.probe = lambda _pairs: []
        workflow.waves = quickly

    def one(self):
        """Change, plan, sign, apply, plan again; return what was done by hand and the result."""
        by_hand = self._mutations(self.random.randint(1, 4))
        for host, _system, command in by_hand:
            on(host, command)
        names = {system for _host, system, _command in by_hand}
        part = Scope(
            tuple(dict.fromkeys(host for host, *_ in by_hand)),
            tuple(s for s in self.town.systems if s.name in names),
        )
        assert ssh.await_vpn(self.town)  # no probe waited for the routers after the plan before
        plan = self.flow.make_plan(part)
        assert not plan.unread, plan.unread
        assert not plan.blind_spots, plan.blind_spots
        if not plan.changes:  # a change that happened to be none, such as the same value
            return by_hand, plan, None
        approvals = []
        for name in SIGNERS:
            with signature.signing_key(PEOPLE / name, self.flow.approvers) as (who, file):
                approvals.append(signature.approve(plan, who, file))
        result = self.flow.apply(plan, approvals)
        told = [entry.data for entry in self.flow.journal.entries("outcome")][-len(plan.changes) :]
        about = by_hand, result.stopped, told
        assert {c.id for c in result.applied} == {c.id for c in plan.changes}, about
        assert len(result.applied) == len(plan.changes), about
        assert result.ok, (about, result.left)  # of all that was touched, nothing is left to do
        return by_hand, plan, result

    def all_in_order(self):
        """Plan the whole town: nothing may be left anywhere."""
        plan = self.flow.make_plan(scope(self.town))
        assert not plan.changes, plan.changes
        assert not plan.unread, plan.unread

    def _mutations(self, count):
        """Choose what to do: by system first, for there are many more ways to change a PC."""
        mixed = self.random.random() < MIXED
        engines = {system.name: system.engine for system in self.town.systems}
        [first] = self.random.choices([*WEIGHTS], [*WEIGHTS.values()])
        weights = {s: w for s, w in WEIGHTS.items() if mixed or engines[s] == engines[first]}
        others = self.random.choices([*weights], [*weights.values()], k=count - 1)
        return [self._mutation(system) for system in (first, *others)]

    def _mutation(self, system):
        kind = self.random.choice([m for m in MUTATIONS if m["system"] == system])
        hosts = [h.name for h in self.town.hosts.values() if kind["group"] in h.groups]
        values = [self.random.choice(options) for options in kind["values"]]
        return self.random.choice(hosts), system, kind["command"].format(*values)


def main(count: int, seed: int) -> None:
    """Run ``count`` random plans and print a line for each and the sum."""
    import tempfile

    begin, planned, applied = time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory(prefix="kahya-") as folder:
        generator = Generator(Path(folder), seed)
        for number in range(1, count + 1):
            by_hand, plan, result = generator.one()
            planned += len(plan.changes)
            applied += len(result.applied) if result else 0
            about = ", ".join(sorted({f"{host} {system}" for host, system, _ in by_hand}))
            seconds = time.monotonic() - begin
            if number == count or not number % 25:
                generator.all_in_order()
            print(f"{number:4} {seconds:6.0f} s  {len(plan.changes)} changes: {about}", flush=True)
    print(
        f"{count} plans, seed {seed}: {planned} changes predicted, {applied} applied as predicted"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**6))
