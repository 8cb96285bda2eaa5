"""What tests of devices have in common."""

from __future__ import annotations

import time

from switches import Switch

NEW_VLAN = "vlan 20\n name misafir\n"
HURRIED: dict[str, dict[str, float]] = {"ios": {"read_timeout_override": 2}, "eos": {}}
"""Options of the drivers where no answer is expected."""


def running(device: Switch) -> str:
    return device.type_in("show running-config")


def returns(seconds: float, device: Switch) -> bool:
    """Wait until the VLAN is gone."""
    until = time.monotonic() + seconds
    while "misafir" in running(device) and time.monotonic() < until:
        time.sleep(0.1)
    return "misafir" not in running(device)
