"""The command line of the lab: `scripts/lab` runs this folder."""

from __future__ import annotations

import os
import pwd
import sys
import time
from argparse import REMAINDER, ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from blueprint import MAIN, WAN
from containers import container_name
from lab import ROOT, Lab
from tools import LabError, missing, owner, run
from wires import cable_name

from kahya.errors import KahyaError

Act = Callable[[Lab, Namespace], int]


def _become(command: list[str], env: Mapping[str, str] = os.environ) -> NoReturn:
    os.execvpe(command[0], command, env)  # noqa: S606 - there is no shell to be had


def _enter(lab: Lab, command: list[str]) -> NoReturn:
    """Become the command, in the workstation's network and as the person at the keyboard."""
    user, group = owner()
    identity: list[str] = []
    if user != os.getuid():
        os.environ["HOME"] = pwd.getpwuid(user).pw_dir
        identity = ["setpriv", "--reuid", str(user), "--regid", str(group), "--init-groups"]
    _become([*lab.seat(), *identity, *command])


def _run(lab: Lab, arguments: Namespace) -> int:
    _enter(lab, arguments.command)


def _ssh(lab: Lab, arguments: Namespace) -> int:
    login = [sys.executable, "-B", str(Path(__file__).with_name("login.py")), str(lab.inventory)]
    _enter(lab, [*login, arguments.host, *arguments.command])


def _exec(lab: Lab, arguments: Namespace) -> int:
    if console := lab.console(arguments.host, " ".join(arguments.command)):
        _become(console)
    terminal = ["-t"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    name = container_name(lab.id, arguments.host)
    _become(["podman", "exec", "-i", *terminal, name, *arguments.command], lab.podman.env)


def _up(lab: Lab, arguments: Namespace) -> int:
    lab.up(tuple(filter(None, arguments.limit.split(","))))
    return 0


def _down(lab: Lab, _: Namespace) -> int:
    lab.down()
    return 0


def _status(lab: Lab, _: Namespace) -> int:
    rows = lab.status()
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
    return 0 if all(state == "up" for *_, state in rows) else 1


def _power(lab: Lab, arguments: Namespace) -> int:
    (lab.start if arguments.action == "start" else lab.stop)(arguments.host)
    return 0


def _capture(lab: Lab, arguments: Namespace) -> int:
    to_file = ["-U", "-w", arguments.file] if arguments.file else []
    limit = ["timeout", "--preserve-status", "--signal=INT", str(arguments.seconds)]
    # -Z root: as another user it could not write into the caller's folder.
    bridge = WAN if arguments.line == MAIN else f"{WAN}-{arguments.line}"
    _become(lab.namespace.command(*limit, "tcpdump", "-Z", "root", "-lni", bridge, *to_file))


def _cable(lab: Lab, arguments: Namespace) -> int:
    machine = lab.blueprint.pick([arguments.host])[0]
    ports = {port.name: port for port in machine.ports}
    if arguments.port not in ports:
        raise LabError(f"{machine.name} has no {arguments.port}", f"It has {', '.join(ports)}.")
    end = cable_name(machine, ports[arguments.port])
    state = "up" if arguments.action == "plug" else "down"
    run(["ip", "-n", lab.namespace.name, "link", "set", end, state])
    return 0


def _deps(_: Lab, arguments: Namespace) -> int:
    packages = missing()
    if packages and arguments.install:
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        if "apt-cacher-ng" in packages:  # the lab runs its own; Debian's would open a port to all
            run(["systemctl", "mask", "apt-cacher-ng.service"])
        print(f"Installing {' '.join(packages)} …", flush=True)
        run(["apt-get", "update"])
        run(["apt-get", "install", "--yes", "--no-install-recommends", *packages])
        return 0
    print("\n".join(packages))
    return 1 if packages else 0


def parser() -> ArgumentParser:
    """Return the command line's grammar."""
    top = ArgumentParser("scripts/lab", description=__doc__)
    top.add_argument("-i", "--inventory", type=Path, default=ROOT / "inventories" / "lab")
    commands = top.add_subparsers(dest="action", required=True, metavar="COMMAND")

    def add(name: str, act: Act, text: str) -> ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(act=act)
        return command

    up = add("up", _up, "create, start and connect every host, or mend what is not as it should be")
    up.add_argument("--limit", default="", metavar="HOST,…", help="only these hosts")
    add("down", _down, "remove the lab; the image and the package cache stay")
    add("status", _status, "show every part; ends 0 when all are up, else 1")
    add("stop", _power, "switch a host off").add_argument("host")
    add("start", _power, "switch a host on again").add_argument("host")
    for name, act, text in (
        ("exec", _exec, "run a command inside a host, as root, or type at a switch's console"),
        ("ssh", _ssh, "log in to a host from the workstation, over the VPN where there is one"),
    ):
        command = add(name, act, text)
        command.add_argument("host")
        command.add_argument("command", nargs=REMAINDER)
    run = add("run", _run, "run a command of this machine in the workstation's network")
    run.add_argument("command", nargs=REMAINDER)
    capture = add("capture", _capture, "show or record what passes on the WAN")
    capture.add_argument("seconds", type=int)
    capture.add_argument("file", nargs="?", help="write it in pcap form")
    capture.add_argument("--line", default=MAIN, help="on which line's network (main)")
    for name, text in (("pull", "pull a host's cable out"), ("plug", "put it in again")):
        cable = add(name, _cable, text)
        cable.add_argument("host")
        cable.add_argument("port")
    deps = add("deps", _deps, "name the Debian packages that are missing; ends 0 when none is")
    deps.add_argument("--install", action="store_true", help="install them")
    return top


def main() -> int:
    """Do what the command line says and return the exit code."""
    arguments = parser().parse_args()
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:5.1f} s] {text}", flush=True)

    try:
        return int(arguments.act(Lab(arguments.inventory.resolve(), say), arguments))
    except KahyaError as error:
        print(f"lab: {error}\n{error.hint}".strip(), file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
