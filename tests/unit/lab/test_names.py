"""The lab's name servers outside: every name has an address, in the form of RFC 1035."""

import struct
from ipaddress import ip_address

import pytest
from names import reply


@pytest.mark.parametrize(
    ("name", "kind", "addresses"),
    [
        ("haber.example", 1, ["203.0.113.80"]),
        ("haber.example", 28, ["2001:db8:113::80"]),
        ("inside.org", 1, ["10.20.1.10"]),
        ("haber.example", 16, []),
        ("", 2, []),
    ],
)
def test_reply(name, kind, addresses):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label)
    question = labels + struct.pack("!BHH", 0, kind, 1)
    extra = bytes.fromhex("0000291000000080000000")  # EDNS, as resolvers send it
    told = reply(struct.pack("!6H", 7, 0x0110, 1, 0, 0, 1) + question + extra)
    assert struct.unpack("!6H", told[:12]) == (7, 0x8180, 1, len(addresses), 0, 0)
    assert told[12:].startswith(question)
    found = [str(ip_address(told[-4 if kind == 1 else -16 :]))] if addresses else []
    assert found == addresses
