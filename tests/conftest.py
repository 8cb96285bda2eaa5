"""The lab for the tests that need it. They run on the workstation's network: scripts/test lab."""

import pytest
from admin import PEOPLE, SIGNERS, kahya


@pytest.fixture(scope="session")
def bring_up():
    """Bring the town in the lab up, as scripts/demo does, and return what was said."""
    done = kahya("apply", "--stage-by-stage", *(f"--key={PEOPLE / name}" for name in SIGNERS))
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout
