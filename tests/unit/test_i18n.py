"""Everything that people read has a Turkish text, with the same places to fill in."""

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from kahya.i18n import CATALOGS, set_language, translator
from kahya.report.messages import extract, extract_descriptions

ROOT = Path(__file__).resolve().parents[2]
METHODS = [
    ("kahya/**.py", extract),
    ("probes/**/test_*.py", extract),
    ("kahya/inventory_schema.yml", extract_descriptions),
    ("**/meta/argument_specs.yml", extract_descriptions),
    ("templates/report/*.*", "jinja2"),
]
HOLE = re.compile(r"{[^}]*}|--[a-z-]+|kahya [a-z]+")


def shown() -> dict[str, str]:
    """Return every text that is translated, and where it is."""
    found = extract_from_dir(ROOT, METHODS, {"templates/report/*.*": {"trim_blocks": "true"}})
    return {text: f"{file}:{line}" for file, line, text, *_ in found}


def catalog() -> dict[str, str]:
    with (CATALOGS / "tr" / "LC_MESSAGES" / "kahya.po").open("rb") as file:
        return {m.id: m.string for m in read_po(file, abort_invalid=True) if m.id and not m.fuzzy}


def test_every_text_is_translated():
    turkish = catalog()
    missing = [f"{where}: {text}" for text, where in shown().items() if not turkish.get(text)]
    assert not missing, "\n".join(missing)


def test_no_translation_is_left_over():
    assert not catalog().keys() - shown().keys()


def test_places_to_fill_in_are_kept():
    for english, turkish in catalog().items():
        assert sorted(HOLE.findall(turkish)) == sorted(HOLE.findall(english)), english


def test_texts_in_calls_in_f_strings_in_templates_in_probes_and_in_schemas_are_found():
    found = shown()
    for text in ("error", "left", "no check made", "refused", "tr or en", "the login name"):
        assert text in found


@pytest.mark.parametrize(("language", "text"), [("en", "drift"), ("tr", "sapma")])
def test_translator(language, text):
    assert translator(language)("drift") == text
    assert translator(language)("no such text") == "no such text"


def test_the_process_speaks_the_chosen_language():
    from kahya import i18n

    try:
        set_language("tr")
        assert i18n._("drift") == "sapma"
    finally:
        set_language("en")
    assert i18n._("drift") == "drift"
