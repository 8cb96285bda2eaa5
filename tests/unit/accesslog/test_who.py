"""Who was behind an address: across restarts, midnight, and ports that are used again."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml
from chain import Log

from kahya.accesslog.files import from_paths
from kahya.accesslog.who import address, who

CASES = yaml.safe_load(Path(__file__).with_name("who.yml").read_text(encoding="utf-8"))
DAY = datetime.fromisoformat("2026-11-27T00:00:00+03:00")
PUBLIC = "198.51.100.11:40000"


def at(clock):
    """Return a time of the day of the cases, such as 10:00:05."""
    hours, minutes, seconds = map(int, clock.split(":"))
    return DAY + timedelta(hours=hours, minutes=minutes, seconds=seconds)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_cases(case, tmp_path):
    log = Log(tmp_path, 10**6)
    for clock, what, *more in case["log"]:
        if what == "close":
            log.close()
            continue
        fields = {}
        if what == "address":
            fields = dict(zip(("address", "mac", "name"), more, strict=True))
        elif what in {"begin", "open", "end"}:
            number, source = more[:2]
            fields = {"id": number, "protocol": "tcp", "source": source}
            fields |= {"destination": "203.0.113.1:80", "translated": (more[2:] or [PUBLIC])[0]}
            if what == "end":
                fields["bytes"] = [10, 20]
        log.put(what, at=at(clock).timestamp(), **fields)
    for asked, expected in case["asked"].items():
        found = who(from_paths([tmp_path]), PUBLIC, at(asked), timedelta(seconds=2))
        assert [
            [c.source, c.mac, c.name][: len(e)] for c, e in zip(found, expected, strict=True)
        ] == expected


def test_addresses_with_and_without_ports():
    ends = {
        "10.0.0.1:80": "10.0.0.1",
        "[fd00::1]:80": "fd00::1",
        "fd00::1": "fd00::1",
        "10.0.0.1": "10.0.0.1",
    }
    assert {end: address(end) for end in ends} == ends
