"""Runs kahya in a process of its own on a simulated town, and kills it where a case says so."""

import hashlib
import json
import os
import re
import signal
import traceback
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from faults import world as simulated

from kahya import backup, cli, probes, run, ssh, workflow
from kahya.cli import common
from kahya.inventory import load
from kahya.journal import Journal
from kahya.model import Approval
from kahya.plan import signature, store

ROOT = Path(__file__).parents[2]
TOWN = load(ROOT / "inventories/lab")


@dataclass(frozen=True)
class Done:
    """How a command ended: its exit code (negative: killed by this signal) and its words."""

    code: int
    words: str


class Controller:
    """A controller of the simulated town, with its own journal and files in ``folder``."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.world = simulated.World(folder / "world.json")
        self.world.file.write_text("{}", encoding="utf-8")
        self.town = replace(TOWN, directory=str(ROOT / "inventories/lab"))
        self.commit = "c0ffee" * 6 + "c0ff"
        self.authors = ("author@ornek.bel.tr",)
        self.patches = []
        (folder / "state").mkdir()

    @property
    def journal(self):
        return Journal.in_folder(self.folder / "state")

    def run(
        self, *words, kill="", die_at="", interrupt="", fill_disk_at="", moves="", overtaken=False
    ) -> Done:
        """Run ``kahya words`` and return how it ended.

        Args:
            words: the command line.
            kill: "before|after KIND [NTH]": kill -9 around an entry of the journal.
            die_at: "host system resource": kill -9 right after this was changed on the host.
            interrupt: like kill, with Ctrl-C.
            fill_disk_at: like kill, but then there is no room left in the folder.
            moves: like kill, but then the checkout is at another commit.
            overtaken: somebody else runs ``kahya resume`` right before the town is locked.
        """
        self.patches_now = [
            lambda: around(kill, lambda: os.kill(os.getpid(), signal.SIGKILL)),
            lambda: around(interrupt, lambda: os.kill(os.getpid(), signal.SIGINT)),
            lambda: around(fill_disk_at, lambda: fill(self.folder)),
            lambda: around(moves, lambda: setattr(self, "commit", "deadbeef")),
            lambda: overtaken and self._overtake(),
            *self.patches,
        ]
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.close(reader)
            # A test run in the background ignores Ctrl-C; a person at a terminal doesn't.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            code = 70
            out = os.fdopen(writer, "w", encoding="utf-8", buffering=1)
            try:
                code = self._inside(words, die_at, out)
            except BaseException:  # noqa: BLE001 - an error of Kâhya: the test shows it
                traceback.print_exc(file=out)
            finally:
                os._exit(code)
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8") as out:
            said = out.read()
        return Done(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said)

    def _overtake(self):
        lock = Journal.lock

        def late(journal, *arguments):
            Journal.lock = lock
            assert self.run("resume").code == 0
            return lock(journal, *arguments)

        Journal.lock = late

    def key(self, name) -> Path:
        """Return the private key of a person, made from the name as the lab does."""
        path = self.folder / f"{name}.key"
        if not path.exists():
            seed = hashlib.sha256(f"kahya example person {name}".encode()).digest()
            private = Ed25519PrivateKey.from_private_bytes(seed)
            path.touch(mode=0o600)
            path.write_bytes(
                private.private_bytes(
                    form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption()
                )
            )
        return path

    def forge(self, name, file):
        """Put a signature beside a plan that ``kahya approve`` would refuse to make."""
        plan = store.read(self.folder / file)
        address = f"{name}@ornek.bel.tr"
        approval = Approval(plan.seal, address, plan.created, (), "")
        signed = signature.sign(approval.statement, self.key(name), "kahya-plan")
        text = json.dumps(asdict(replace(approval, signature=signed)))
        (self.folder / f"{file}.{address}.approval").write_text(text, encoding="utf-8")

    def _inside(self, words, die_at, out):
        engines = simulated.engines(self.world, die_at)
        workflow.engines = lambda *_: engines
        run.PATIENCE_SECONDS = 0  # a simulated host needs no time to settle
        workflow.state_folder = common.state_folder = lambda _town: self.folder / "state"
        workflow.Workflow._commit = lambda _self: self.commit
        workflow.Workflow._authors = lambda *_: self.authors
        common.load = lambda _directory: self.town
        ssh.host_keys = lambda _town, names: dict.fromkeys(names, "SHA256:known")
        ssh.answers = lambda _host: True
        backup.take = lambda *_: backup.Backup((), (), {})
        probes.run = lambda _town, system, hosts, *_: simulated.probe(self.world, system, hosts)
        for patch in self.patches_now:
            patch()
        with redirect_stdout(out), redirect_stderr(out):
            from kahya import console

            console.OUT = console.Console(file=out, highlight=False, soft_wrap=True)
            console.ERR = console.Console(file=out, highlight=False, soft_wrap=True)
            try:
                cli.main([*words, "-i", str(ROOT / "inventories/lab"), "--lang=en", "--quiet"])
            except SystemExit as end:
                return int(end.code or 0)
        return 0


def around(where, act):
    """Have ``act`` done "before" or "after" the NTH entry of a KIND is written."""
    if not where:
        return
    when, kind, nth = re.fullmatch(r"(before|after) (\S+)(?: (\d+))?", where).groups()
    original, seen = Journal.record, [0]

    def record(self, found, *arguments):
        seen[0] += found == kind
        now = found == kind and seen[0] == int(nth or 1)
        if now and when == "before":
            act()
        entry = original(self, found, *arguments)
        if now and when == "after":
            act()
        return entry

    Journal.record = record


def fill(folder):
    """Leave no room on the file system of ``folder``."""
    with (folder / "ballast").open("wb", buffering=0) as file:
        size = 65536
        while size:
            try:
                file.write(b"\0" * size)
            except OSError:
                size //= 2
