"""What NAPALM's own drivers read of a switch can be kept: no secret, no noise, and back again."""

import time

import pytest
from switches import switch

from kahya.mask import Mask

CANARY = "KanaryaKQXZ"
LINES = {
    "ios": f"""\
enable secret 9 $9${CANARY}
username admin privilege 15 secret 9 $9${CANARY}
snmp-server community {CANARY} RO
snmp-server host 10.0.0.8 version 2c {CANARY}
snmp-server host 10.0.0.9 version 2c {CANARY}
""",
    "eos": f"""\
username yedek privilege 15 secret sha512 $6${CANARY}
snmp-server community {CANARY} ro
radius-server host 10.0.0.7 key 7 {CANARY}
""",
}


@pytest.mark.parametrize("platform", LINES)
def test_what_is_read_is_masked_stable_and_filled_in(platform, tmp_path):
    mask = Mask("sw-fen", b"k" * 32, ())
    seen = []
    with switch(platform, tmp_path) as machine, machine.open() as driver:
        driver.load_merge_candidate(config=LINES[platform])
        driver.commit_config()
        for _time in range(2):
            raw, clean = (driver.get_config(sanitized=sanitized) for sanitized in (False, True))
            seen.append(
                {kind: mask.hide(raw[kind], clean[kind]) for kind in ("running", "startup")}
            )
            time.sleep(1.1)
    assert CANARY in raw["running"]
    assert seen[0] == seen[1]
    assert CANARY not in str(seen)
    assert seen[0]["running"].count("<secret:") >= LINES[platform].count(CANARY)
    filled = mask.fill(seen[0]["running"], raw, clean)
    assert filled == mask.fill(filled, raw, clean)
    assert set(LINES[platform].splitlines()) <= set(filled.splitlines())
