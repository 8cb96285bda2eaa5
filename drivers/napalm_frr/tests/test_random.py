"""Whatever the router has, it gets what was meant: exactly, and again without a change.

KAHYA_PAIRS=1000 pytest drivers/napalm_frr/tests/test_random.py tries as many as you like.
"""

import os
import random

import pytest
from random_configs import config

from napalm_frr.device.text import difference

pytestmark = pytest.mark.device
PAIRS = int(os.environ.get("KAHYA_PAIRS", "10"))


def test_every_configuration_leads_to_every_other(device):
    seed = int(os.environ.get("KAHYA_SEED", random.randrange(10**6)))
    dice = random.Random(seed)
    for number in range(PAIRS):
        about = f"seed {seed}, pair {number}"
        wanted = config(dice)
        device.load_replace_candidate(config=wanted)
        meant = device.get_config("candidate")["candidate"]
        if device.compare_config():
            device.commit_config()
        assert difference(device.get_config("running")["running"], meant) == [], about
        device.load_replace_candidate(config=wanted)
        assert device.compare_config() == "", about
