"""Who may log in from where."""

from pathlib import Path

import pytest
from devices.access import admits
from devices.device import Device

LISTS = {
    "ios": """
ip access-list standard management
 deny 10.20.1.7
 permit 10.20.1.0 0.0.0.255
 permit host 10.20.9.9
line vty 0 4
 access-class {name} in
""",
    "eos": """
ip access-list standard management
   deny host 10.20.1.7
   permit 10.20.1.0/24
   permit host 10.20.9.9
management api http-commands
   no shutdown
   vrf default
      no shutdown
      ip access-group {name}
""",
}


@pytest.mark.parametrize("platform", LISTS)
@pytest.mark.parametrize(
    ("address", "name", "may"),
    [
        ("10.20.1.100", "management", True),
        ("10.20.1.7", "management", False),
        ("10.20.9.9", "management", True),
        ("10.20.2.50", "management", False),
        ("127.0.0.1", "management", True),
        ("10.20.2.50", "not-there", True),
    ],
)
def test_the_first_line_that_fits_decides(
    platform: str, address: str, name: str, may: bool, tmp_path: Path
) -> None:
    factory = LISTS[platform].format(name=name)
    device = Device(tmp_path, platform, factory, {"ports": [], "serial": "X"})
    assert admits(device, address) is may
