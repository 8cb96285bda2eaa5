"""A shadow of the router: the same daemons and links in namespaces of their own.

What FRR makes of a configuration only FRR knows: which lines it rejects, which disappear because
they equal a default, how it writes the rest. So the candidate is loaded there first. The shadow has
its own network, host name, processes and /run/frr; killing its first process leaves nothing behind.
"""

import json
import re
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from . import daemons, text, vtysh
from .converge import approach, set_hostname

# Hidden under empty memory file systems, so that the shadow can't touch the router's own.
PRIVATE = (daemons.SOCKETS, Path("/var/log/frr"), Path("/var/lib/frr"))
SYSLOG = Path("/run/systemd/journal/dev-log")
# FRR prints these kernel settings as configuration.
SYSCTLS = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")
ENTER = ["unshare", "--net", "--uts", "--mount", "--pid", "--fork", "--kill-child"]
TIMEOUT = 120  # seconds

Router = dict[str, Any]


class RejectedError(Exception):
    """The configuration can't be taken; the arguments are the reasons."""


def describe_router() -> Router:
    """Return what the shadow must imitate: daemons, links, addresses and kernel settings.

    Two routers that are described alike predict alike.
    """
    links = json.loads(_do("ip", "-j", "address"))
    return {
        "links": [[x["ifname"], "POINTOPOINT" in x["flags"]] for x in links if x["ifname"] != "lo"],
        "addresses": [
            [x["ifname"], f"{a['local']}/{a['prefixlen']}"]
            for x in links
            for a in x["addr_info"]
            if a["scope"] == "global"
        ],
        "daemons": [_command(name) for name in daemons.names()],
        "sysctls": {name: Path("/proc/sys", name).read_text().strip() for name in SYSCTLS},
    }


def _command(daemon: str) -> list[str]:
    """Return how a daemon was started, as far as it changes its commands and defaults.

    Raises RejectedError when it does not run.
    """
    try:
        argv = Path("/proc", daemons.process(daemon) or "none", "cmdline").read_text().split("\0")
    except OSError:
        raise RejectedError(f"{daemon} is not running; has it crashed?") from None
    command = [argv[0]]
    for option, value in pairwise(argv):
        if option in ("-M", "--module", "-F", "--profile"):
            command += [option, value]
    return command


def run(router: Router, **task: Any) -> Any:
    """Do a task in a fresh shadow (see `main`) and return its result. Raises RejectedError."""
    done = subprocess.run(
        [*ENTER, sys.executable, "-I", sys.argv[0], "shadow"],
        input=json.dumps({"router": router, **task}),
        text=True,
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the shadow failed: {done.stderr[-2000:]}")
    result = json.loads(done.stdout.splitlines()[-1])
    if result["rejected"]:
        raise RejectedError(*result["rejected"])
    return result


def main(
    router: Router, start: str, candidate: str | None = None, target: str | None = None
) -> Any:
    """Inside the namespaces: load `start`, then load `candidate` or go to `target`.

    Returns {"prediction": canonical text, "rejected": reasons}.
    """
    _build(router)
    rejected: list[str] = []
    if start:
        vtysh.load(start)
    if candidate is not None:
        rejected = _not_reproduced(start) or _load_candidate(candidate)
    _unprime(router, (start or "") + (candidate or ""))
    if target is not None:
        rejected = [f"no safe way leads there: {line}" for line in approach(target)]
    return {"prediction": vtysh.running(), "rejected": rejected}


def _not_reproduced(start: str) -> list[str]:
    """A merge is only predictable on top of a configuration that FRR can read back."""
    left = text.difference(start, vtysh.running()) if start else []
    primed = {"router ospf"}  # see _build
    return [f"the running line can't be read back: {line}" for line in left if line not in primed]


def _load_candidate(candidate: str) -> list[str]:
    if name := text.hostname(candidate):
        set_hostname(name)
    lines = candidate.splitlines()
    return [
        f"line {r.number}: {lines[r.number - 1].strip()}: {r.words}" for r in vtysh.load(candidate)
    ]


def _build(router: Router) -> None:
    for directory in filter(Path.is_dir, PRIVATE):
        _do("mount", "-t", "tmpfs", "-o", "mode=755,uid=frr,gid=frr", "tmpfs", str(directory))
    if SYSLOG.exists():  # the shadow's daemons would fill the router's log
        _do("mount", "--bind", "/dev/null", str(SYSLOG))
    _do("mount", "-o", "remount,rw", "/proc/sys")
    for name, value in router["sysctls"].items():
        Path("/proc/sys", name).write_text(value)
    _do("ip", "-batch", "-", given="\n".join(_link_commands(router["links"])))
    # FRR refuses some lines that name an address of its own; one that can't be set is no harm.
    _do("ip", "-force", "-batch", "-", given=_address_commands(router["addresses"]), check=False)
    zebra, *others = router["daemons"]
    _start([zebra])  # first: a daemon that doesn't find zebra tries again only after 10 s
    _start(others)
    if _has_ospf(router):
        _prime(router["links"])


def _link_commands(links: list[tuple[str, bool]]) -> list[str]:
    """Links of the same name and kind: OSPF's defaults differ on a point-to-point link."""
    commands = ["link set lo up"]
    for number, (name, point_to_point) in enumerate(links):
        if point_to_point:
            commands.append(f"tuntap add mode tun name {name}")
        else:
            commands.append(f"link add name {name} type veth peer name shadow-{number}")
    return commands


def _address_commands(addresses: list[tuple[str, str]]) -> str:
    return "\n".join(f"address add {address} dev {name}" for name, address in addresses)


def _start(commands: list[list[str]]) -> None:
    options = ["-d", "-A", "127.0.0.1", "-P", "0", "-f", "/dev/null"]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [subprocess.Popen([*command, *options], **quiet) for command in commands]
    for process in started:  # a daemon leaves the foreground when its sockets are open
        if process.wait(TIMEOUT):
            raise RuntimeError(f"{process.args!r} did not start")


def _has_ospf(router: Router) -> bool:
    return any(Path(command[0]).name == "ospfd" for command in router["daemons"])


def _prime(links: list[tuple[str, bool]]) -> None:
    """Wait until ospfd knows the links; it asks for them only once it has an instance."""
    vtysh.load("router ospf\nexit\n")
    last = links[-1][0] if links else "lo"
    until = time.monotonic() + 5
    while "ifindex" not in vtysh.show(f"show ip ospf interface {last}"):
        if time.monotonic() > until:
            raise RuntimeError("ospfd does not see the links of the shadow")
        time.sleep(0.01)


def _unprime(router: Router, config: str) -> None:
    if _has_ospf(router) and not re.search(r"^router ospf\s*$", config, re.MULTILINE):
        vtysh.load("no router ospf\n")


def _do(*command: str, given: str = "", check: bool = True) -> str:
    done = subprocess.run(command, input=given, text=True, capture_output=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{command}: {done.stderr}")
    return done.stdout
