"""A town on one machine: hosts as containers, switches as stand-ins, buildings as bridges.

`scripts/lab` calls this. There is no list of hosts here: the inventory is the lab.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import names
import tsa
from blueprint import Blueprint, Machine, blueprint
from containers import LOGIN, Container, Podman, container_name, make_room, settle, spec
from image import image
from mirror import Mirror, end_all
from people import write as write_people
from standins import Standins, factory
from standins import spec as standin_spec
from tools import LabError, missing, own, run
from wires import Namespace, listens, ports_of

ROOT = Path(__file__).resolve().parents[2]
LOGIN_PORTS = {"": 22, "ios": 22, "eos": 443}
PATIENCE = 60.0
"""Seconds that a host may take from power-on until it accepts logins."""

Say = Callable[[str], None]


@dataclass
class Lab:
    """The lab of one inventory in this checkout.

    Args:
        inventory: folder of the town.
        say: told each step before it is taken.
    """

    inventory: Path
    say: Say = print

    @cached_property
    def blueprint(self) -> Blueprint:
        """What was last brought up."""
        return Blueprint.read(self.directory / "blueprint.json")

    @cached_property
    def podman(self) -> Podman:
        """podman with the settings that work here."""
        return Podman(self.cache)

    @property
    def id(self) -> str:
        """Tells this lab from those of other checkouts and inventories."""
        return hashlib.sha256(f"{ROOT}/{self.inventory.name}".encode()).hexdigest()[:8]

    @property
    def directory(self) -> Path:
        """Where the key to the lab and the hosts' keys are; private."""
        return ROOT / ".kahya" / "labs" / self.inventory.name

    @property
    def cache(self) -> Path:
        """What all labs of the checkout share, and what outlives them."""
        return ROOT / ".kahya" / "cache"

    @property
    def mirror(self) -> Mirror:
        """The package cache."""
        return Mirror(self.cache)

    @property
    def standins(self) -> Standins:
        """The switches."""
        return Standins(self.directory / "devices")

    @property
    def namespace(self) -> Namespace:
        """The network that the hosts are plugged into."""
        return Namespace(f"kahya-{self.id}")

    def up(self, limit: tuple[str, ...] = ()) -> None:
        """Bring the lab, or only the hosts in ``limit``, to day zero or back to running.

        What is there already and still fits the inventory stays as it is.
        """
        from kahya.approvers import load as load_approvers
        from kahya.inventory import load  # a second of Ansible that only this needs

        if packages := missing():
            raise LabError(f"missing: {' '.join(packages)}", "Run scripts/lab deps --install.")
        with self._alone():
            with chdir(ROOT):  # ansible.cfg tells the vault's password file from here
                town = load(self.inventory)
            self.blueprint = blueprint(town)
            wanted = self.blueprint.pick(limit)
            key = self._key()
            people = load_approvers(self.inventory / "approvers")
            write_people(self.directory / "people", [p.name.split("@")[0] for p in people])
            self.blueprint.write(self.directory / "blueprint.json")
            base = image(self.podman, self.say)
            self.say(f"podman works with {self.podman.choose(base)} settings")
            make_room(self.say)
            self._network()
            switches, hosts = _apart(wanted)
            self._create(hosts, base, key)
            self._deliver(switches, {m.name: factory(town.hosts[m.name]) for m in switches})
            self._switch_on(wanted)
            self._wait(wanted)
            self._note_identities()
            self.say(f"lab {self.id} is up: {len(wanted)} hosts")

    def down(self) -> None:
        """Remove everything but the image and the package cache; may be half there, or gone."""
        with self._alone():
            self.podman.remove(self.id, self.podman.containers(self.id))
            self.standins.remove(self.standins.there())
            end_all(self.namespace)
            self.namespace.remove()
            if self.directory.exists():
                shutil.rmtree(self.directory)
            if not any(path.is_dir() for path in self.directory.parent.iterdir()):
                self.mirror.stop()
            self.say(f"lab {self.id} is down")

    def stop(self, host: str) -> None:
        """Switch a host off."""
        self._container(host)
        if self._is_switch(host):
            self.standins.stop([host])
        else:
            self.podman("stop", "--time", "5", container_name(self.id, host))

    def start(self, host: str) -> None:
        """Switch a host on again and wait until it accepts logins."""
        self._container(host)
        machines = self.blueprint.pick([host])
        self._switch_on(machines)
        self._wait(machines)

    def status(self) -> list[tuple[str, str, str, str]]:
        """Return name, building, addresses and state of all parts; a sound part is "up"."""
        there = self._there()
        hosts = [
            (m.name, m.building, " ".join(m.addresses), _state(m, there.get(m.name)))
            for m in self.blueprint.machines
        ]
        mirrors = [
            ("mirror", m.bridge, f"{m.address} port {m.port}", state)
            for m in self.blueprint.mirrors
            for state in ["up" if self.mirror.relays(self.namespace, m) else "down"]
        ]
        return hosts + mirrors

    def pid(self, host: str) -> int:
        """Return the process that holds a running host's namespaces.

        Raises:
            LabError: it doesn't run.
        """
        container = self._container(host)
        if not container.runs:
            raise LabError(f"{host} is switched off", f"Run scripts/lab start {host}.")
        return container.pid

    def seat(self) -> list[str]:
        """Return the words that put a command where the admin sits: in the workstation's network.

        A town without a workstation is administered from the building bridges themselves.
        """
        if self.blueprint.desk is None:
            return self.namespace.command()
        return ["nsenter", "-t", str(self.pid(self.blueprint.desk)), "-n", "--"]

    def console(self, host: str, commands: str) -> list[str]:
        """Return the command that types at a switch's console, empty for other hosts."""
        self.pid(host)  # says so when it is off
        return self.standins.console(host, commands) if self._is_switch(host) else []

    def _is_switch(self, host: str) -> bool:
        return bool(self.blueprint.pick([host])[0].platform)

    def _there(self) -> dict[str, Container]:
        return self.podman.containers(self.id) | self.standins.there()

    def _container(self, host: str) -> Container:
        self.blueprint.pick([host])
        try:
            return self._there()[host]
        except KeyError:
            raise LabError(f"{host} isn't there", "Run scripts/lab up.") from None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the checkout's labs for one who changes them."""
        labs = self.directory.parent
        for folder in (labs.parent, labs, self.cache):
            if not folder.exists():
                folder.mkdir(mode=0o700)
                own(folder)
        with (labs / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _key(self) -> str:
        """Return the public key that logs in everywhere; make it on the first day."""
        path = self.directory / "id_ed25519"
        if not path.exists():
            self.directory.mkdir(mode=0o700, exist_ok=True)
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", LOGIN, "-f", str(path)])
            for file in (self.directory, path, path.with_suffix(".pub")):
                own(file)
        return path.with_suffix(".pub").read_text(encoding="ascii").strip()

    def _network(self) -> None:
        self.say(f"network namespace {self.namespace.name}")
        mirrors = self.blueprint.mirrors
        self.namespace.add(self.blueprint.bridges, [(m.bridge, m.address) for m in mirrors])
        if self.mirror.start():
            self.say("package mirror started")
        for where in mirrors:
            self.mirror.relay(self.namespace, where)
        if self.namespace.serve(tsa.__file__, str(tsa.PORT)):
            self.say("time-stamping authority started")
        if self.namespace.serve(names.__file__):
            self.say("the outside world's name servers started")

    def _create(self, wanted: tuple[Machine, ...], base: str, key: str) -> None:
        there = self.podman.containers(self.id)
        specs = {m.name: spec(m, base, key) for m in wanted}
        known = {m.name for m in self.blueprint.machines}
        stale = [
            name
            for name, c in there.items()
            if name not in known or not c.whole or c.spec != specs.get(name, c.spec)
        ]
        self.podman.remove(self.id, stale)
        new = [m for m in wanted if m.name not in there or m.name in stale]
        if new:
            self.say(f"creating {', '.join(m.name for m in new)}")
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda m: self.podman.create(self.id, m, base, key), new))

    def _deliver(self, wanted: tuple[Machine, ...], factories: dict[str, str]) -> None:
        there = self.standins.there()
        known = {m.name for m in self.blueprint.machines if m.platform}
        self.standins.remove([name for name in there if name not in known])
        for machine in wanted:
            made = standin_spec(machine, factories[machine.name])
            if machine.name not in there or there[machine.name].spec != made:
                self.say(f"creating {machine.name}")
                self.standins.remove([machine.name])
                self.standins.create(machine, factories[machine.name])

    def _switch_on(self, wanted: tuple[Machine, ...]) -> None:
        there = self._there()
        switches, hosts = _apart(m for m in wanted if not there[m.name].runs)
        if off := [m.name for m in (*hosts, *switches)]:
            self.say(f"switching on {', '.join(off)}")
        self.podman.start(self.id, [m.name for m in hosts])
        self.standins.start(switches)
        there = self._there()
        for machine in wanted:
            self.namespace.plug(machine, there[machine.name].pid)
            if not machine.platform:
                settle(there[machine.name].pid)

    def _note_identities(self) -> None:
        """Write what all hosts are known by: SSH's host keys, and certificates."""
        path = self.directory / "known_hosts"
        path.write_text(known_hosts(self.blueprint.machines, self._there()), encoding="ascii")
        own(path)
        self.standins.certify(self.directory / "certificates.pem")

    def _wait(self, wanted: tuple[Machine, ...]) -> None:
        there = self._there()
        deadline = time.monotonic() + PATIENCE
        for machine in wanted:
            while not listens(there[machine.name].pid, LOGIN_PORTS[machine.platform]):
                if time.monotonic() > deadline:
                    raise LabError(
                        f"{machine.name} accepts no logins after {PATIENCE:.0f} s",
                        f"Look at: scripts/lab exec {machine.name} systemctl list-jobs",
                    )
                time.sleep(0.1)


def known_hosts(machines: tuple[Machine, ...], there: dict[str, Container]) -> str:
    """Return a line per host with a key: its name and all its addresses, then the key."""
    return "".join(
        f"{','.join((m.name, *m.addresses))} {there[m.name].host_key}\n"
        for m in machines
        if m.name in there and there[m.name].host_key
    )


def _apart(machines: Iterable[Machine]) -> tuple[tuple[Machine, ...], tuple[Machine, ...]]:
    """Return switches and other machines."""
    found = tuple(machines)
    return tuple(m for m in found if m.platform), tuple(m for m in found if not m.platform)


def _state(machine: Machine, container: Container | None) -> str:
    if container is None:
        return "missing"
    if not container.runs:
        return "off"
    if not {port.name for port in machine.ports} <= ports_of(container.pid):
        return "unplugged"
    return "up" if listens(container.pid, LOGIN_PORTS[machine.platform]) else "no login"
