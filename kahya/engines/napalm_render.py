"""The whole intended configuration of a device, from its template and nothing but its variables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2

from kahya.i18n import _
from kahya.model import Host, System, Town


def render(town: Town, system: System, host: Host) -> str:
    """Return the whole intended configuration of ``host``.

    Raises:
        jinja2.TemplateError: a template is missing, or names a value that the inventory lacks; the
            message says which value of which host.
    """
    folder = Path(town.directory).parents[1] / system.source / host.vars["platform"]

    class Missing(jinja2.StrictUndefined):
        """A value that is not there, which says so by its whole name."""

        @property
        def _undefined_message(self) -> str:
            above = next(_names_of(self._undefined_obj, host.vars), "")
            key = f"{above}.{self._undefined_name}".removeprefix(".")
            return _("{key} is missing of {host}").format(key=key, host=host.name)

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=Missing,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - device configuration, not HTML
    )
    return environment.get_template("main.j2").render(host.vars)


def _names_of(wanted: object, data: Any, name: str = "") -> Iterator[str]:
    """Yield the names, such as ``switch.ports[3]``, under which ``wanted`` stands in ``data``."""
    if data is wanted:
        yield name
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from _names_of(wanted, value, f"{name}.{key}")
    elif isinstance(data, list | tuple):
        for index, value in enumerate(data):
            yield from _names_of(wanted, value, f"{name}[{index}]")
