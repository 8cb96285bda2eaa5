"""NAPALM's own getters suite is run on devices here, not on its recordings."""

import os
import sys
from pathlib import Path

os.environ.setdefault("NAPALM_TEST_MOCK", "0")
sys.path.append(str(Path(__file__).parent))  # random_configs
