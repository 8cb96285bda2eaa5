"""The lab's town, read once."""

from pathlib import Path

import pytest

from kahya.inventory import load

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def town():
    return load(ROOT / "inventories/lab")
