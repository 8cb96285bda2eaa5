"""The command line of the lab: `scripts/lab` runs this folder."""

from __future__ import annotations

import argparse
import os
import pwd
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from blueprint import WAN
from containers import container_name
from kahya.errors import KahyaError
from lab import ROOT, Lab
from tools import missing, owner

Act = Callable[[Lab, argparse.Namespace], int]


def _run(lab: Lab, arguments: argparse.Namespace) -> int:
    return _enter(lab, arguments.command)


def _enter(lab: Lab, command: list[str]) -> NoReturn:
    """Become the command, in the workstation's network and as the person at the keyboard."""
    user, group = owner()
    become: list[str] = []
    if user != os.getuid():
        os.environ["HOME"] = pwd.getpwuid(user).pw_dir
        become = ["setpriv", "--reuid", str(user), "--regid", str(group), "--init-groups"]
    command = [*lab.seat(), *become, *command]
    os.execvp(command[0], command)


def _exec(lab: Lab, arguments: argparse.Namespace) -> int:
    lab.pid(arguments.host)
    terminal = ["-t"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    name = container_name(lab.id, arguments.host)
    os.execvpe(
        "podman", ["podman", "exec", "-i", *terminal, name, *arguments.command], lab.podman.env
    )


def _ssh(lab: Lab, arguments: argparse.Namespace) -> int:
    login = [sys.executable, str(Path(__file__).with_name("login.py")), str(lab.inventory)]
    return _enter(lab, [*login, arguments.host, *arguments.command])


def _up(lab: Lab, arguments: argparse.Namespace) -> int:
    lab.up(tuple(filter(None, arguments.limit.split(","))))
    return 0


def _down(lab: Lab, arguments: argparse.Namespace) -> int:
    lab.down()
    return 0


def _status(lab: Lab, arguments: argparse.Namespace) -> int:
    rows = lab.status()
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0 if all(state == "up" for *_, state in rows) else 1


def _power(lab: Lab, arguments: argparse.Namespace) -> int:
    getattr(lab, arguments.action)(arguments.host)
    return 0


def _capture(lab: Lab, arguments: argparse.Namespace) -> int:
    """Show, or write to a file, what passes on the WAN for some seconds."""
    where = ["-w", arguments.file, "-U"] if arguments.file else ["-n"]
    limit = ["timeout", "--preserve-status", "-s", "INT", str(arguments.seconds)]
    command = lab.namespace.command(*limit, "tcpdump", "-l", "-i", WAN, *where)
    os.execvp(command[0], command)


def _deps(lab: Lab, arguments: argparse.Namespace) -> int:
    packages = missing()
    if packages and arguments.install:
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        command = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends"]
        os.execvp(command[0], [*command, *packages])
    print("\n".join(packages))
    return 1 if packages else 0


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    top = argparse.ArgumentParser("scripts/lab", description=__doc__)
    top.add_argument("-i", "--inventory", type=Path, default=ROOT / "inventories" / "lab")
    commands = top.add_subparsers(dest="action", required=True, metavar="COMMAND")

    def add(name: str, act: Act, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(act=act)
        return command

    add("up", _up, "create, start and connect every host").add_argument("--limit", default="")
    add("down", _down, "remove the lab")
    add("status", _status, "show every host; ends 0 when all are up")
    for name, text in (("stop", "switch a host off"), ("start", "switch a host on again")):
        add(name, _power, text).add_argument("host")
    for name, act, text in (
        ("exec", _exec, "run a command inside a host"),
        ("ssh", _ssh, "log in from the workstation"),
    ):
        command = add(name, act, text)
        command.add_argument("host")
        command.add_argument("command", nargs=argparse.REMAINDER)
    add("run", _run, "run a command of this machine in the workstation's network").add_argument(
        "command", nargs=argparse.REMAINDER
    )
    capture = add("capture", _capture, "record the WAN")
    capture.add_argument("seconds", type=int)
    capture.add_argument("file", nargs="?")
    add("deps", _deps, "name the packages that are missing").add_argument(
        "--install", action="store_true"
    )
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
