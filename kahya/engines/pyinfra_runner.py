"""pyinfra in a process of its own (it patches Python's sockets): ``python -m`` this module.

Takes a job as JSON on standard input and answers in JSON lines on standard output. Each host is
worked on by itself, over one connection, system after system: connect, run the deploy, collect the
*complete* commands of every operation, tell them as changes. To apply means to do the same and
then, where exactly these changes were approved, to run these very commands.
"""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import sys  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from dataclasses import asdict  # noqa: E402
from pathlib import Path  # noqa: E402
from textwrap import shorten  # noqa: E402
from typing import Any  # noqa: E402

from gevent.pool import Pool  # noqa: E402
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS  # noqa: E402
from pyinfra.api.command import StringCommand  # noqa: E402
from pyinfra.api.config import Config  # noqa: E402
from pyinfra.api.exceptions import ConnectError, PyinfraError  # noqa: E402
from pyinfra.api.inventory import Inventory  # noqa: E402
from pyinfra.api.state import State, StateStage  # noqa: E402
from pyinfra.connectors.util import CommandOutput  # noqa: E402
from pyinfra.context import ctx_config, ctx_host, ctx_inventory, ctx_state  # noqa: E402

from kahya.engines.base import Mandate, refusal  # noqa: E402
from kahya.engines.pyinfra_meaning import (  # noqa: E402
    Operation,
    diff,
    effect,
    meanings,
    shown,
)
from kahya.engines.pyinfra_return import Return, way_back  # noqa: E402
from kahya.engines.pyinfra_ssh import AS_ROOT, LOST, Connection, batchable, words  # noqa: E402
from kahya.model import BlindSpot, Change, HostPlan, Outcome, Risk, digest  # noqa: E402
from kahya.redact import redact  # noqa: E402

CONNECT_SECONDS = 8
AT_ONCE = 40  # connections at a time
IDENTITY = f"{AS_ROOT}'cat /etc/machine-id'"


class RefusedError(PyinfraError):
    """The host did not accept a command; the message is the host's own."""


class HostRun:
    """The work on one host."""

    def __init__(self, host: Any, job: dict[str, Any]) -> None:
        self.host, self.job = host, job
        self.about = job["hosts"][host.name]
        self.secrets = tuple(job["secrets"])
        self.connection: Connection = host.connector
        self.identity = ""
        self.systems = [t for t in job["tasks"] if host.name in t["hosts"]]

    def go(self) -> None:
        """Answer every system of this host once."""
        with ctx_host.use(self.host), ctx_config.use(self.host.state.config.copy()):
            try:
                self.host.connect(show_errors=False, raise_exceptions=True)
            except (ConnectError, PyinfraError) as error:
                self._all("unreachable", str(error))
                return
            failed = ""
            try:
                self._prefetch()
                while self.systems:
                    failed = self._system(self.systems[0], failed)
                    self.systems.pop(0)
            except LOST as error:
                # This host's trouble is an answer about this host: others go on.
                self._all("error" if self.job["mode"] == "plan" else "failed", str(error))

    def _all(self, status: Any, reason: str) -> None:
        kind = HostPlan if self.job["mode"] == "plan" else Outcome
        for task in self.systems:
            self._answer(kind(self.host.name, task["system"], status, reason=reason))

    def _answer(self, answer: HostPlan | Outcome, **more: Any) -> None:
        kind = "plan" if isinstance(answer, HostPlan) else "outcome"
        emit({"kind": kind, "answer": redact(asdict(answer), self.secrets), **more})

    def _progress(self, task: dict[str, Any], text: str) -> None:
        text = redact(text, self.secrets)
        emit({"kind": "progress", "host": self.host.name, "system": task["system"], "text": text})

    def _prefetch(self) -> None:
        """Read in one round trip who this is and what its last plan had to read."""
        if self.job["mode"] in ("revert", "became"):
            return
        known = self.job["reads"].get(self.host.name, {})
        commands = {c: None for t in self.systems for c in known.get(t["system"], ())}
        self.connection.prefetch([IDENTITY, *commands])
        if read := self.connection.reads.get(IDENTITY):
            self.identity = "".join(read.output.stdout_lines).strip()

    def _system(self, task: dict[str, Any], failed: str) -> str:
        """Plan, and apply where wanted. Return the name of a system that failed, or ""."""
        if self.job["mode"] in ("revert", "became"):
            self._answer(self._revert(task) if self.job["mode"] == "revert" else self._became(task))
            return ""
        self._progress(task, "reading")
        plan, operations, reads = self._plan(task)
        if self.job["mode"] == "plan":
            self._answer(plan, reads=[r for r in reads if batchable(r)])
            return ""
        approved = {(h, s): Mandate(**m) for h, s, m in self.job["approved"]}
        reason = f"{failed} failed on this host before" if failed else refusal(approved, plan)
        if reason:
            self._answer(Outcome(plan.host, plan.system, "refused", reason=reason))
            return str(task["system"])
        mandate = approved.get((plan.host, plan.system), Mandate(()))
        outcome = self._apply(task, operations, mandate)
        self.connection.reads.clear()  # what the next system finds may be different now
        self._answer(outcome)
        return "" if outcome.status == "applied" else str(task["system"])

    def _plan(self, task: dict[str, Any]) -> tuple[HostPlan, list[Operation], list[str]]:
        name, system = self.host.name, task["system"]
        with self.connection.reading() as reads:
            try:
                operations = self._operations(task)
                changes = [c for op in operations for c in self._changes(task, op, operations)]
                reason = self._unread(reads)
                if not self.identity:
                    reason = reason or "/etc/machine-id can't be read: it is not known who this is"
            except Exception as error:  # noqa: BLE001 - any error of a deploy is this host's answer
                reason = self._unread(reads) or f"{type(error).__name__}: {error}"
        if reason:
            return HostPlan(name, system, "error", reason=reason), [], []
        blind = [(op.title(), op.blindness()) for op in operations]
        spots = [BlindSpot(name, system, title, why) for title, why in blind if why]
        base = digest(sorted([command, read.digest(command)] for command, read in reads.items()))
        plan = HostPlan(name, system, "ok", tuple(changes), tuple(spots), base, "", self.identity)
        return plan, operations, list(reads)

    def _operations(self, task: dict[str, Any]) -> list[Operation]:
        """Run the deploy and return its operations with all the commands they would run."""
        host, state = self.host, self.host.state
        start = len(host.op_hash_order)
        path = Path(task["source"]) / "deploy.py"
        exec(  # noqa: S102 - a deploy is code, as pyinfra itself runs it
            compile(path.read_text(encoding="utf-8"), str(path), "exec"), {"__file__": str(path)}
        )
        found = [Operation.of(state.ops[host][h]) for h in host.op_hash_order[start:]]
        for op in found:
            if not op.conditions:
                op.commands = list(op.generate())
        return found

    def _unread(self, reads: dict[str, Any]) -> str:
        """Return what pyinfra only logs: a fact that can't be read is not an absent state."""
        if self.host not in self.host.state.failed_hosts:
            return ""
        bad = [f"{self._short(c)}: {words(r.output)}" for c, r in reads.items() if not r.ok]
        return "could not be read: " + "; ".join(bad)

    def _changes(
        self, task: dict[str, Any], op: Operation, operations: list[Operation]
    ) -> Iterator[Change]:
        after = self._after(op, operations)
        risks: list[Risk] = ["restart"] * any(o.arguments.get("restarted") for o in after)
        risks += ["cuts-path"] * any(o.cuts for o in after)
        back = way_back(self.host, op)
        for meaning in meanings(self.host, op, self.secrets):
            yield Change(
                host=self.host.name,
                building=self.about["building"],
                system=task["system"],
                engine="pyinfra",
                resource=redact(meaning.resource, self.secrets),
                action=meaning.action,
                diff=diff(meaning, self.secrets),
                effect=effect(meaning, self.secrets),
                risk=tuple(dict.fromkeys((*meaning.risk, *risks))),
                reversible=back is not None,
                then=tuple(o.title() for o in after),
            )

    @staticmethod
    def _after(op: Operation, operations: list[Operation]) -> list[Operation]:
        return [o for o in operations if op.meta in (o.triggers() or ())]

    def _apply(
        self, task: dict[str, Any], operations: list[Operation], mandate: Mandate
    ) -> Outcome:
        """Save the state before and run the commands. What was done is told anew from it."""
        name, system = self.host.name, task["system"]
        back = Return(self.connection, system, self.about["vars"]["kahya_confirm_seconds"])
        applied: list[Change] = []
        try:
            with self.connection.reading():
                label = mandate.run or digest(sorted(mandate.changes))
                back.save(self.host, operations, label, resumed=mandate.resumed)
        except LOST as error:
            reason = f"nothing was changed, for the state before could not be saved: {error}"
            return Outcome(name, system, "refused", reason=reason)
        try:
            for op in operations:
                applied += self._operate(task, op, operations, back)
            back.confirm()
        except LOST as error:
            reason = str(error) or type(error).__name__
            if not back.armed:
                return Outcome(name, system, "failed", tuple(applied), reason)
            returned, reason = back.await_return(reason)
            if returned:
                return Outcome(name, system, "failed", reason=reason)
            return Outcome(name, system, "unreachable", tuple(applied), reason)
        return Outcome(name, system, "applied", tuple(applied))

    def _operate(
        self, task: dict[str, Any], op: Operation, operations: list[Operation], back: Return
    ) -> list[Change]:
        """Run one operation where its conditions hold, and return what it changed."""
        if not all(condition() for condition in op.conditions):
            op.meta.set_complete(success=True, commands=[], combined_output=CommandOutput([]))
            return []
        if op.conditions:
            op.commands = list(op.generate())
        if op.commands:
            self._progress(task, op.title())
            if op.cuts or any(o.cuts for o in self._after(op, operations)):
                back.arm()
        done: list[Any] = []
        try:
            with back.limit("not done before the host's timer ends"):
                for command in op.commands:
                    self._run(op, command)
                    done.append(command)
        except LOST as error:
            op.meta.set_complete(success=False, commands=[], combined_output=CommandOutput([]))
            raise RefusedError(self._broken(op, len(done), error)) from error
        op.meta.set_complete(success=True, commands=done, combined_output=CommandOutput([]))
        if op.triggers():  # it followed from a change and is none of its own
            return []
        with self.connection.reading():
            return list(self._changes(task, op, operations))

    def _broken(self, op: Operation, done: int, error: BaseException) -> str:
        """Say which commands of ``op`` were carried out, and which was not."""
        said = [self._short(f"$ {shown(c, self.secrets)}") for c in op.commands]
        parts = [f"{op.title()}: {error or type(error).__name__}", f"failed: {said[done]}"]
        parts += [f"carried out before: {'; '.join(said[:done])}"] * bool(done)
        return str(redact("; ".join(parts), self.secrets))

    def _short(self, text: str) -> str:
        return shorten(redact(text, self.secrets), 120)  # masked first: half a secret is one, too

    def _run(self, op: Operation, command: Any) -> None:
        keys = [k for k in CONNECTOR_ARGUMENT_KEYS if k in op.settings]
        settings = {k: op.settings[k] for k in keys} | command.connector_arguments
        result = command.execute(self.host.state, self.host, settings)
        ok, output = result if isinstance(command, StringCommand) else (result, CommandOutput([]))
        if not ok:
            raise RefusedError(words(output) or "the host refused it without a word")

    def _revert(self, task: dict[str, Any]) -> Outcome:
        name, system = self.host.name, task["system"]
        self._progress(task, "going back")
        back = Return(self.connection, system, self.about["vars"]["kahya_confirm_seconds"])
        try:
            return Outcome(name, system, "reverted", reason=back.revert(self.job["run"]))
        except LOST as error:
            returned, reason = True, str(error) or type(error).__name__
            if back.armed:
                returned, reason = back.await_return(reason)
            return Outcome(name, system, "failed" if returned else "unreachable", reason=reason)

    def _became(self, task: dict[str, Any]) -> Outcome:
        back = Return(self.connection, task["system"], 0)
        try:
            status, reason = back.became(self.job["run"])
        except LOST as error:
            status, reason = "unreachable", str(error) or type(error).__name__
        return Outcome(self.host.name, task["system"], status, reason=reason)


@contextmanager
def prepared(job: dict[str, Any]) -> Iterator[list[Any]]:
    """Set pyinfra up for all hosts of the job and yield them."""
    data = {
        name: about["vars"] | {
            "ssh_config_file": job["ssh_config"],
            "ssh_strict_host_key_checking": "yes",
            "ssh_allow_agent": "ansible_ssh_private_key_file" not in about["vars"],
            "ssh_look_for_keys": False,
        }
        for name, about in job["hosts"].items()
    }  # fmt: skip
    inventory = Inventory(([(name, data[name]) for name in data], {}))
    config = Config(CONNECT_TIMEOUT=CONNECT_SECONDS, SUDO=True, FAIL_PERCENT=None)
    # Operations are run by us, completely: pyinfra's own look-ahead stops at a first command.
    state = State(inventory, config, check_for_changes=False)
    state.current_stage = StateStage.Prepare
    for host in inventory:
        host.connector = Connection(state, host)
        state.activate_host(host)
    with ctx_state.use(state), ctx_inventory.use(inventory):
        yield list(inventory)


def emit(message: dict[str, Any]) -> None:
    """Write one line to the engine."""
    sys.stdout.write(json.dumps(message, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Do the job on standard input."""
    job = json.load(sys.stdin)
    sys.path.insert(0, job["root"])  # deploys import their neighbours
    with prepared(job) as hosts:
        pool = Pool(AT_ONCE)
        for worker in [pool.spawn(HostRun(host, job).go) for host in hosts]:
            worker.get()


if __name__ == "__main__":
    main()
