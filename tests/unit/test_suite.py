"""scripts/test runs all there is."""

from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_of_the_town_is_run():
    script = (ROOT / "scripts/test").read_text(encoding="utf-8")
    files = {str(path.relative_to(ROOT)) for path in ROOT.glob("tests/e2e/test_*.py")}
    assert files
    assert {name for name in files if name not in script} == set()
