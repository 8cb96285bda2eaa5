"""What the picture is made of. All lengths are SVG user units."""

from __future__ import annotations

from dataclasses import dataclass

from kahya.model import Host
from kahya.report.readings import State

LETTER = 0.62  # width of a letter by its height, in the widest of the usual fonts

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A rectangle by its upper left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> Point:
        """Return its middle."""
        return self.x + self.width / 2, self.y + self.height / 2

    def overlaps(self, other: Box) -> bool:
        """Return whether both cover some common area."""
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )


@dataclass(frozen=True)
class Line:
    """A host written on its building's card; ``y`` is its baseline."""

    host: Host
    state: State
    name: str
    y: float


def shorten(text: str, room: float, size: float) -> str:
    """Return ``text`` cut to ``room`` at letters of ``size``, with an ellipsis where cut."""
    letters = int(room / (size * LETTER))
    return text if len(text) <= letters else text[: max(1, letters - 1)].rstrip() + "…"
