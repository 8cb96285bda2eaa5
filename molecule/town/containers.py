"""The lab's hosts as podman containers."""

from __future__ import annotations

import hashlib
import io
import json
import os
import resource
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blueprint import Machine
from tools import LabError, run

INIT = "/sbin/init"
LOGIN = "kahya"
LOGIN_ID = 1000
CAPABILITIES = "NET_ADMIN,NET_RAW,AUDIT_WRITE"
ROUTER_CAPABILITIES = f"{CAPABILITIES},SYS_ADMIN"  # frr.service hangs without SYS_ADMIN
FORWARD = ("ipv4.ip_forward", "ipv6.conf.all.forwarding")
# A new network namespace copies these from the machine, whatever it has. 2 (loose) because answers
# may come back through another tunnel than the one they left by.
RP_FILTER = ("net.ipv4.conf.all.rp_filter=2", "net.ipv4.conf.default.rp_filter=2")
# Addresses and routes are set, not advertised.
NO_ADVERTISEMENTS = ("net.ipv6.conf.all.accept_ra=0", "net.ipv6.conf.default.accept_ra=0")
INOTIFY_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_ROOM = 1024
LAB, SPEC, HOST_KEY = "kahya.lab", "kahya.spec", "kahya.hostkey"
"""Labels: podman itself remembers what belongs to which lab, and what it was made from."""


@dataclass(frozen=True)
class Container:
    """A container as podman reports it.

    ``pid`` is 0 when it doesn't run. ``whole`` is False when it never did, so that its files may
    be missing, and when it was killed together with its monitor: podman takes that for running,
    and neither starts nor stops it.
    """

    name: str
    pid: int
    whole: bool
    spec: str
    host_key: str

    @property
    def runs(self) -> bool:
        """Whether it is switched on."""
        return self.pid > 0


@dataclass
class Podman:
    """podman with this machine's own settings or, where they can't work, the project's.

    Args:
        cache: folder that keeps the choice.
    """

    cache: Path
    env: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Take up the choice made earlier."""
        own = {"CONTAINERS_CONF": str(self.settings)} if self.settings.exists() else {}
        self.env = {**os.environ, **own}

    @property
    def settings(self) -> Path:
        """The project's own containers.conf; it exists only where it is needed."""
        return self.cache / "containers.conf"

    def __call__(self, *arguments: str, text: str | bytes | None = None) -> str:
        """Run podman and return what it printed."""
        return run(["podman", *arguments], text, self.env)

    def choose(self, image: str) -> str:
        """Find out which settings run a container here, and return their name."""
        if self.settings.exists() or (self.cache / "podman-default").exists():
            return "the project's" if self.settings.exists() else "podman's own"
        probe = ("run", "--rm", "--network", "none", image, "true")
        try:
            self(*probe)
        except LabError:
            self._lower_limits()
            self(*probe)
            return "the project's"
        (self.cache / "podman-default").touch()
        return "podman's own"

    def _lower_limits(self) -> None:
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.settings.write_text(
            '[engine]\nruntime = "runc"\n\n[containers]\n'
            f'default_ulimits = ["nofile={files}:{files}", "nproc=10000:10000"]\n',
            encoding="utf-8",
        )
        self.env["CONTAINERS_CONF"] = str(self.settings)

    def containers(self, lab: str) -> dict[str, Container]:
        """Return the lab's containers by name of host, whatever state they are in."""
        rows = self("ps", "--all", "--filter", f"label={LAB}={lab}", "--format", "json")
        found = (_container(row) for row in json.loads(rows or "[]"))
        return {container.name: container for container in found}

    def create(self, lab: str, machine: Machine, image: str, key: str) -> None:
        """Make the host as it is on day zero, switched off: own host key, our login key."""
        name = container_name(lab, machine.name)
        host_key = _host_key(machine.name)
        values = {LAB: lab, SPEC: spec(machine, image, key), HOST_KEY: host_key[1]}
        labels = [f"--label={label}={value}" for label, value in values.items()]
        names = ["--name", name, "--hostname", machine.name]
        self("create", *names, *labels, *_options(machine), image, INIT)
        # Without archive=false podman gives every file to root.
        self("cp", "--archive=false", "-", f"{name}:/", text=_day_zero(machine.name, host_key, key))

    def start(self, lab: str, hosts: Iterable[str]) -> None:
        """Switch hosts on."""
        if names := [container_name(lab, host) for host in hosts]:
            self("start", *names)

    def remove(self, lab: str, hosts: Iterable[str]) -> None:
        """Remove hosts, whether they run or not."""
        if names := [container_name(lab, host) for host in hosts]:
            self("rm", "--force", "--ignore", "--time", "0", *names)


def make_room(say: Callable[[str], None]) -> None:
    """Raise the machine's limit on inotify instances if it is too low for many systemds.

    Each host holds about seven. Past the limit (128 on Debian, for all of root's processes) a host
    stays halfway through its boot without a word. The limit returns with the next reboot.
    """
    if int(INOTIFY_LIMIT.read_text(encoding="ascii")) >= INOTIFY_ROOM:
        return
    say(f"raising this machine's fs.inotify.max_user_instances to {INOTIFY_ROOM}")
    try:
        INOTIFY_LIMIT.write_text(f"{INOTIFY_ROOM}\n", encoding="ascii")
    except OSError as error:
        say(f"that was not allowed ({error.strerror}); a large lab may not start")


def container_name(lab: str, host: str) -> str:
    """Return the name of a host's container."""
    return f"kahya-{lab}-{host}"


def spec(machine: Machine, image: str, key: str) -> str:
    """Return a digest of what the container is made from: another one means making it anew."""
    made_from = repr((machine, image, key, _options(machine)))
    return hashlib.sha256(made_from.encode()).hexdigest()[:16]


def _options(machine: Machine) -> list[str]:
    options = ["--network=none", "--no-hosts", "--systemd=always", "--log-driver=none"]
    options.append("--security-opt=apparmor=unconfined")  # it would deny systemd its mounts
    forwards = [f"net.{key}={int(machine.routes)}" for key in FORWARD]
    sysctls = [*forwards, *RP_FILTER, *NO_ADVERTISEMENTS]
    options += [f"--sysctl={sysctl}" for sysctl in sysctls]
    options.append(f"--cap-add={ROUTER_CAPABILITIES if machine.routes else CAPABILITIES}")
    return [*options, "--device=/dev/net/tun"] if machine.routes else options


def settle(pid: int) -> None:
    """Do for a host that was just switched on what its own boot cannot: network sysctls.

    podman leaves /proc/sys read-only, so systemd-sysctl was skipped. The network's keys belong to
    the container's own namespace and are opened; the others are the machine's, and stay closed.
    """
    mounts = Path(f"/proc/{pid}/mountinfo").read_text(encoding="utf-8")
    if " /proc/sys/net rw" in mounts:
        return
    script = (
        "mount --bind /proc/sys/net /proc/sys/net && mount -o remount,rw,bind /proc/sys/net"
        " && { /lib/systemd/systemd-sysctl || :; }"  # fails where /etc/sysctl.d has a closed key
    )
    run(["nsenter", "-t", str(pid), "-m", "-n", "sh", "-c", script])


def _container(row: dict[str, Any]) -> Container:
    labels = row["Labels"]
    name = row["Names"][0].removeprefix(f"kahya-{labels[LAB]}-")
    pid = row["Pid"] if row["State"] == "running" and Path(f"/proc/{row['Pid']}").exists() else 0
    whole = pid > 0 or row["State"] in ("exited", "stopped")
    return Container(name, pid, whole, labels[SPEC], labels[HOST_KEY])


def _host_key(host: str) -> tuple[str, str]:
    """Return a new private host key and its public half (type and key, no comment)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "key")
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"root@{host}", "-f", str(path)])
        public = path.with_suffix(".pub").read_text(encoding="ascii").split()
        return path.read_text(encoding="ascii"), " ".join(public[:2])


def _day_zero(host: str, host_key: tuple[str, str], key: str) -> bytes:
    """Return a tar archive of the files in which this host differs from every other."""
    hosts = f"127.0.0.1 localhost\n127.0.1.1 {host}\n::1 localhost ip6-localhost ip6-loopback\n"
    files = [
        ("etc/hosts", hosts, 0o644, 0),
        ("etc/ssh/ssh_host_ed25519_key", host_key[0], 0o600, 0),
        ("etc/ssh/ssh_host_ed25519_key.pub", f"{host_key[1]} root@{host}\n", 0o644, 0),
        (f"home/{LOGIN}/.ssh", None, 0o700, LOGIN_ID),
        (f"home/{LOGIN}/.ssh/authorized_keys", f"{key}\n", 0o600, LOGIN_ID),
    ]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, text, mode, user in files:
            entry = tarfile.TarInfo(path)
            entry.mode, entry.uid, entry.gid = mode, user, user
            data = (text or "").encode()
            entry.type = tarfile.REGTYPE if text is not None else tarfile.DIRTYPE
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return archive.getvalue()
