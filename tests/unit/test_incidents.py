"""What is written down to be cut off, by several people at once."""

from threading import Thread
from types import SimpleNamespace

import pytest
import yaml

from kahya import incidents
from kahya.errors import InventoryError

ABOUT = {"reason": "x", "by": "y", "since": "2026-11-27T03:12:00Z"}


def test_who_is_refused_takes_no_entry_of_another_along(tmp_path, monkeypatch):
    """The first one's entry is judged, for seconds, while the second one writes."""
    others = []

    def load(directory, *, lists):
        assert not lists
        if not others:
            words = (directory, "blocked", "203.0.113.8", ABOUT)
            others.append(Thread(target=incidents.cut_off, args=words))
            others[0].start()
            others[0].join(0.5)
            raise InventoryError("refused")
        return SimpleNamespace(settings={}, directory=str(directory))

    monkeypatch.setattr(incidents, "load", load)
    with pytest.raises(InventoryError, match="refused"):
        incidents.cut_off(tmp_path, "blocked", "203.0.113.7", ABOUT)
    others[0].join(10)
    written = yaml.safe_load((tmp_path / "incidents.yml").read_text())
    assert written == {"blocked": {"203.0.113.8": ABOUT}}
