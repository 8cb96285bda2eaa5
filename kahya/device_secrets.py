"""Keys in the form in which devices show them: what is sent must read like what comes back."""

from __future__ import annotations

from functools import cache
from hashlib import sha1

from netutils.password import (
    JUNIPER_KEYS,
    JUNIPER_KEYS_STRING,
    encrypt_cisco_type7,
    encrypt_juniper_type9,
)

# Both codes take a random salt; a fixed one gives the same text each time. They hide a key from a
# glance only, so nothing is lost by it. Junos pads all salts but those of its last group.
TYPE_7_SALT = 8
JUNOS_SALT = JUNIPER_KEYS_STRING.index(JUNIPER_KEYS[-1][0])
STRETCHED_BYTES = 1 << 20
AES_128_BYTES = 16


def type_7(key: str) -> str:
    """Return ``key`` (at most 25 ASCII signs) as IOS and EOS show it."""
    return str(encrypt_cisco_type7(key, TYPE_7_SALT))


def junos_9(key: str) -> str:
    """Return ``key`` as Junos shows it (``$9$…``)."""
    return str(encrypt_juniper_type9(key, JUNOS_SALT))


def localized(password: str, engine_id: str) -> str:
    """Return the key that ``password`` gives on one SNMPv3 engine, as 40 hexadecimal digits.

    From RFC 3414, A.2.2: SHA-1 over a mebibyte of the password, then over that, the engine id (in
    hexadecimal) and that again. AES-128 takes the first 32 digits of it (RFC 3826, 3.1.2.1).

    >>> localized("maplesyrup", "000000000000000000000002")
    '6695febc9288e36282235fc7151f128497b38f3f'
    """
    key = _stretched(password)
    return sha1(key + bytes.fromhex(engine_id) + key).hexdigest()  # noqa: S324 - the protocol's own


@cache
def _stretched(password: str) -> bytes:
    text = password.encode()
    text *= STRETCHED_BYTES // len(text) + 1
    return sha1(text[:STRETCHED_BYTES]).digest()  # noqa: S324
