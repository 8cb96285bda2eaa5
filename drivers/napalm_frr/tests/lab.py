"""Two FRR routers in containers, wired to each other and to nothing else.

    tests --(proxy command in the neighbour's network)-- mgmt0 = mgmt0 --+
                                         neighbour ----- lan0  = lan0 ---+-- router -- wg0 (tun)

The containers have no network of the host's: no address and no name can collide with anything.
"""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

PACKAGES = ["systemd", "systemd-sysv", "dbus", "openssh-server", "python3", "iproute2"]
PACKAGES += ["iputils-ping", "sudo", "frr", "lldpd"]
IMAGE = f"localhost/kahya-frr-dev:{hashlib.sha256(' '.join(PACKAGES).encode()).hexdigest()[:12]}"
CAPABILITIES = "NET_ADMIN,NET_RAW,SYS_ADMIN"
# For hosts where podman's own choices don't work (no crun, low limits).
PLAIN_PODMAN = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=10000:10000"]
[engine]
runtime = "runc"
"""
HERE = Path(__file__).parent
ROUTER = "10.255.0.1"
EXTRA_LINKS = (
    "ip tuntap add mode tun name wg0; ip address add 10.254.0.1/30 dev wg0; ip link set wg0 up;"
    " ip link add br0 type bridge; ip link set br0 up; ping -q -c 1 -W 2 2001:db8:12::2"
)


def run(*command: str, given: str = "", check: bool = True) -> str:
    """Run a command here and return its output, stripped."""
    done = subprocess.run(
        command, input=given, text=True, capture_output=True, timeout=300, check=False
    )
    if check and done.returncode:
        raise RuntimeError(f"{shlex.join(command)}: {done.stderr or done.stdout}")
    return done.stdout.strip()


def image() -> str:
    """Return the name of an image that boots systemd with FRR and sshd; make it if need be."""
    given = os.environ.get("KAHYA_FRR_IMAGE")
    if given:
        return given
    if subprocess.run(["podman", "image", "exists", IMAGE], check=False).returncode:
        with tempfile.TemporaryDirectory() as directory:
            tar = f"{directory}/root.tar"
            include = f"--include={','.join(PACKAGES)}"
            run("mmdebstrap", "--quiet", "--variant=minbase", include, "bookworm", tar)
            run("podman", "import", "--quiet", tar, IMAGE)
    return IMAGE


class Container:
    """One router."""

    def __init__(self, name: str) -> None:
        self.name = name
        options = ["--network=none", "--device=/dev/net/tun", "--sysctl=net.ipv4.ip_forward=1"]
        options += [f"--cap-add={CAPABILITIES}", f"--name={name}", f"--hostname={name[-1]}1"]
        run("podman", "run", "--detach", *options, image(), "/sbin/init")
        self.pid = run("podman", "inspect", "--format={{.State.Pid}}", name)
        if self.pid == "0":  # most often too many containers for fs.inotify.max_user_instances
            raise RuntimeError(f"{name} did not start: {run('podman', 'logs', name)}")

    def sh(self, script: str, given: str = "", check: bool = True) -> str:
        """Run a shell script inside, as root."""
        return run("podman", "exec", "-i", self.name, "sh", "-c", script, given=given, check=check)

    def network(self) -> str:
        """Return the path of its network namespace."""
        return f"/proc/{self.pid}/ns/net"

    def prepare(self, public_key: str, frr_conf: str) -> None:
        """Let the tests log in, switch the daemons on and load a first configuration."""
        self.sh(
            "systemctl is-system-running --wait >/dev/null; ssh-keygen -A >/dev/null;"
            " useradd -m -s /bin/sh netadm;"
            " echo 'netadm ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/netadm;"
            " for home in /root /home/netadm; do mkdir -p -m 700 $home/.ssh;"
            f" echo '{public_key}' > $home/.ssh/authorized_keys; done;"
            " chown -R netadm: /home/netadm; systemctl restart ssh;"
            r" sed -i 's/^\(bgpd\|ospfd\|ospf6d\|bfdd\)=no/\1=yes/' /etc/frr/daemons;"
            " install -m 640 -o frr -g frr /dev/stdin /etc/frr/frr.conf;"
            " systemctl restart frr",
            given=frr_conf,
        )

    def remove(self) -> None:
        """Remove the container, and with it its end of every link."""
        run("podman", "rm", "--force", "--time=0", self.name, check=False)


class Lab:
    """The two routers and the way to log in to the first."""

    def __init__(self, directory: Path) -> None:
        if not os.environ.get("CONTAINERS_CONF") and not _podman_works():
            os.environ["CONTAINERS_CONF"] = str(directory / "containers.conf")
            (directory / "containers.conf").write_text(PLAIN_PODMAN)
        self.directory = directory
        self.name = f"kahya-frr-{uuid.uuid4().hex[:8]}"
        self.containers: list[Container] = []
        self.key = str(directory / "key")
        self.known_hosts = str(directory / "known_hosts")

    def start(self) -> None:
        """Start and wire everything."""
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key)
        public = Path(f"{self.key}.pub").read_text().strip()
        for end in ("r", "n"):
            self.containers.append(Container(f"{self.name}-{end}"))
        self.router, self.neighbour = self.containers
        for link, network in (("mgmt0", "10.255.0"), ("lan0", "10.0.12")):
            self._wire(link, network)
        self.router.sh(EXTRA_LINKS)
        for container, config in ((self.router, "initial"), (self.neighbour, "neighbour")):
            container.prepare(public, (HERE / "frr" / f"{config}.conf").read_text())
        host_key = self.router.sh("cat /etc/ssh/ssh_host_ed25519_key.pub")
        Path(self.known_hosts).write_text(f"{ROUTER} {host_key}\n")

    def _wire(self, link: str, network: str) -> None:
        ends = [["name", link, "netns", container.pid] for container in self.containers]
        run("ip", "link", "add", *ends[0], "type", "veth", "peer", *ends[1])
        number = network.split(".")[2]
        for host, container in enumerate(self.containers, 1):
            container.sh(
                f"ip address add {network}.{host}/24 dev {link}; ip link set {link} up;"
                f" ip address add 2001:db8:{number}::{host}/64 dev {link} nodad"
            )

    @staticmethod
    def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
        """Wait until something is so; AssertionError when it is not in time."""
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, "it did not happen in time"
            time.sleep(0.1)

    def stop(self) -> None:
        """Remove what start made."""
        for container in self.containers:
            container.remove()

    def options(self, **other: Any) -> dict[str, Any]:
        """Return the optional_args that lead to the router."""
        relay = shlex.join([sys.executable, "-I", "-S", str(HERE / "relay.py")])
        enter = f"nsenter --net={self.neighbour.network()}"
        return {
            "key_file": self.key,
            "known_hosts": self.known_hosts,
            "proxy_command": f"{enter} {relay} %h %p",
            **other,
        }


def _podman_works() -> bool:
    command = ["podman", "run", "--rm", "--network=none", image(), "true"]
    return not subprocess.run(command, capture_output=True, check=False).returncode


def can_run() -> bool:
    """Tell whether this machine can build the lab: root, podman, and a way to get an image."""
    tools = all(map(shutil.which, ("podman", "nsenter", "ip", "mmdebstrap")))
    return os.geteuid() == 0 and tools
