"""The programs that run on a gateway, as modules."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
for folder in ("deploys/accesslog/service", "molecule/town"):
    sys.path.insert(0, str(ROOT / folder))
