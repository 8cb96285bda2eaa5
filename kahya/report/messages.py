"""What the catalog translates; Babel calls this when the catalog is updated (locale/babel.cfg)."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from typing import Any, BinaryIO

import yaml

Message = tuple[int, None, str, list[str]]


def extract(
    file: BinaryIO,
    keywords: Collection[str],
    _tags: Collection[str],
    options: Mapping[str, str],  # noqa: ARG001 - Babel passes it by name
) -> Iterator[Message]:
    """Yield what ``file`` (Python) shows to people.

    That is every ``_("…")``, also within an f-string, where Babel itself doesn't look; every word
    that a ``status`` may have; and the name of every probe, the first line of its docstring.
    """
    for node in ast.walk(ast.parse(file.read())):
        match node:
            case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str(text)), *_]):
                words = [text] if name in keywords else []
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), annotation=value)
            ) if name.lower().endswith("status"):
                words = [str(c.value) for c in ast.walk(value) if isinstance(c, ast.Constant)]
            case ast.FunctionDef(name=name) if name.startswith("test_"):
                words = [(ast.get_docstring(node) or name).splitlines()[0]]
            case _:
                continue
        yield from ((node.lineno, None, text, []) for text in words)


def extract_descriptions(
    file: BinaryIO,
    keywords: Collection[str],  # noqa: ARG001 - Babel passes all four
    _tags: Collection[str],
    options: Mapping[str, str],  # noqa: ARG001
) -> Iterator[Message]:
    """Yield what ``file`` (a schema or argument_specs.yml) says of each variable.

    An error about the variable shows it. What is said of a whole role is for its developers.
    """
    data = yaml.safe_load(file)
    role = data.get("argument_specs")
    for text in _descriptions(role["main"]["options"] if role else data):
        yield 1, None, text, []


def _descriptions(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        if isinstance(data.get("description"), str):
            yield data["description"]
        for value in data.values():
            yield from _descriptions(value)
