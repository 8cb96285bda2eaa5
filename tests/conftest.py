"""What all tests share: no example is too slow; and the lab, for those that need it.

Those run on the workstation's network: scripts/test lab.
"""

import pytest
from admin import PEOPLE, SIGNERS, kahya
from hypothesis import settings

# How long an example takes depends on what else the machine does.
settings.register_profile("kahya", deadline=None)
settings.load_profile("kahya")


@pytest.fixture(scope="session")
def bring_up():
    """Bring the town in the lab up, as scripts/demo does, and return what was said."""
    done = kahya("apply", "--stage-by-stage", *(f"--key={PEOPLE / name}" for name in SIGNERS))
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout
