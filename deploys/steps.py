"""What several deploys need: telling what commands mean, and files that are checked before use.

Plain pyinfra ignores the meaning; Kâhya shows it in its plan.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pyinfra.api import FileUploadCommand, QuoteString, StringCommand, operation
from pyinfra.operations import files, server

JINJA = {"trim_blocks": True, "lstrip_blocks": True}
"""Settings for files.template: a file looks as its template does."""


def told(commands: Iterable[Any], *meanings: dict[str, Any]) -> list[Any]:
    """Return ``commands`` with what they mean together fixed to the first of them.

    Args:
        commands: pyinfra commands, or text.
        meanings: one for each resource: ``resource``, ``action``, ``before`` and ``after`` (lines
            of text, "" for absent), and if need be ``risk`` and ``reversible``.
    """
    result = [c if not isinstance(c, str) else StringCommand(c) for c in commands]
    if result:
        result[0].meaning = meanings
    return result


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
