"""The lab's modules stand in its Molecule scenario, outside of any package."""

import sys
from pathlib import Path

sys.path.insert(
    0, str(Path(__file__).resolve().parents[3] / "molecule" / "town")
)  # first: aerleon, too, has a "tools"
