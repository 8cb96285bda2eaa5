"""What several deploys need: telling what commands mean, and files that are checked before use.

Plain pyinfra ignores the meaning; Kâhya shows it in its plan.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pyinfra import host
from pyinfra.api import FileUploadCommand, QuoteString, StringCommand, operation
from pyinfra.facts.deb import DebPackages
from pyinfra.facts.server import Timezone
from pyinfra.operations import apt, files, server

JINJA = {"trim_blocks": True, "lstrip_blocks": True}
"""Settings for files.template: a file looks as its template does."""
INDEX_SECONDS = 3600  # so long is the list of packages new enough for all systems of a host


def packages(names: list[str]) -> tuple[Any, set[str]]:
    """Install what is missing of ``names``; return the operation, and what that is."""
    missing = set(names) - set(host.get_fact(DebPackages))
    install = apt.packages(
        packages=names, update=bool(missing), cache_time=INDEX_SECONDS, no_recommends=True
    )
    return install, missing


def told(
    commands: Iterable[Any], *meanings: dict[str, Any], back: dict[str, tuple[str, ...]] | None
) -> list[Any]:
    """Return ``commands`` with what they mean together fixed to the first of them.

    Args:
        commands: pyinfra commands, or text.
        meanings: one for each resource: ``resource``, ``action``, ``before`` and ``after`` (lines
            of text, "" for absent), and if need be ``risk`` and ``notes`` (lines that are shown,
            but are no part of the state).
        back: how it is undone, None for not at all: ``saves`` (paths), ``dumps`` (shell that puts
            other states into files of its folder) and ``steps`` (shell, run in that folder once
            the saved paths are back). With the risk ``cuts-path`` the steps must lead to whatever
            state was saved, also to the one after the change: a return that cuts the path, too,
            is itself undone.
    """
    result = [c if not isinstance(c, str) else StringCommand(c) for c in commands]
    if result:
        result[0].meaning, result[0].way = meanings, back
    return result


@operation(is_idempotent=False)
def path_shell(commands: list[str]) -> Iterator[Any]:
    """Run commands like server.shell; what sets them off may cut the path to the host."""
    yield from commands


path_shell._inner.described_as = "server.shell"
path_shell._inner.cuts_path = True


@operation()
def checked_file(
    src: Any, dest: str, check: str, user: str = "root", group: str = "root", mode: str = "644"
) -> Iterator[Any]:
    """Write ``dest`` like files.put, once ``check`` has accepted the new file, named {}."""
    commands = list(files.put._inner(src, dest, user=user, group=group, mode=mode))
    staged = f"{dest}.kahya-check"
    if any(isinstance(c, FileUploadCommand) for c in commands):
        accepted = StringCommand(check.format(staged))
        yield FileUploadCommand(src, staged)
        yield StringCommand(
            accepted, "|| { rm -f", QuoteString(staged), "; exit 1; }; rm -f", QuoteString(staged)
        )
    yield from commands


checked_file._inner.described_as = "files.put"


@operation()
def sysctl(key: str, value: str | int, persist_file: str) -> Iterator[Any]:
    """Set a kernel parameter now and for every boot.

    pyinfra's own looks in the file for the wanted value only, and so leaves a line with another
    value beside it; this one looks for the key.
    """
    yield from server.sysctl._inner(key, value)
    line = rf"^[[:space:]]*{re.escape(key)}[[:space:]]*=.*$"
    yield from files.line._inner(persist_file, line, replace=f"{key} = {value}")


sysctl._inner.described_as = "server.sysctl"


@operation()
def timezone(timezone: str) -> Iterator[Any]:
    """Set the system's time zone in its files.

    pyinfra's own asks timedatectl, whose daemon knows for half a minute what it did last: where
    somebody changed the files meanwhile, it does nothing.
    """
    if host.get_fact(Timezone) != timezone:
        yield StringCommand(
            "ln -sf", QuoteString(f"/usr/share/zoneinfo/{timezone}"), "/etc/localtime"
        )
        yield StringCommand("echo", QuoteString(timezone), "> /etc/timezone")


timezone._inner.described_as = "server.timezone"
