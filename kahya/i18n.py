"""User-facing words in the reader's language. English in the code, Turkish in a catalog."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

from babel.messages.pofile import read_po

LANGUAGES = ("en", "tr")
CATALOGS = Path(__file__).with_name("locale")
Translate = Callable[[str], str]

_current = "en"


def set_language(language: str) -> None:
    """Choose the language of ``_`` for this process."""
    global _current  # noqa: PLW0603 - one process speaks one language, as with gettext
    _current = language


def default_language() -> str:
    """Return the language of the locale: ``tr``, or ``en`` for all others."""
    names = (os.environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next((name for name in names if name), "")
    return "tr" if locale.startswith("tr") else "en"


def _(text: str) -> str:
    """Return ``text`` in the language of this process."""
    return translator(_current)(text)


def N_(text: str) -> str:  # noqa: N802 - gettext's own name for it
    """Mark ``text`` for translation where it is shown, and return it as it is."""
    return text


@cache
def translator(language: str) -> Translate:
    """Return the function that turns English texts into ``language``; unknown ones stay as is."""
    if language == "en":
        return str
    with (CATALOGS / language / "LC_MESSAGES" / "kahya.po").open("rb") as file:
        catalog = {str(m.id): str(m.string) for m in read_po(file) if m.id and m.string}
    return lambda text: catalog.get(text, text)
