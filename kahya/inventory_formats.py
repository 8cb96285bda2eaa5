"""The forms of values that JSON Schema doesn't know, and how a schema is held against data."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_network
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator, FormatChecker, ValidationError, validators

WIREGUARD_KEY_BYTES = 32
FORMATS = FormatChecker(formats=["date", "ipv4", "ipv6", "regex"])


@FORMATS.checks("subnet", ValueError)
def _is_subnet(value: object) -> bool:
    return not isinstance(value, str) or ("/" in value and bool(IPv4Network(value)))


@FORMATS.checks("network", ValueError)
def _is_network(value: object) -> bool:
    return not isinstance(value, str) or ("/" in value and bool(ip_network(value)))


@FORMATS.checks("interface", ValueError)
def _is_interface(value: object) -> bool:
    return not isinstance(value, str) or ("/" in value and bool(IPv4Interface(value)))


@FORMATS.checks("subnet6", ValueError)
def _is_subnet6(value: object) -> bool:
    return not isinstance(value, str) or ("/" in value and bool(IPv6Network(value)))


@FORMATS.checks("interface6", ValueError)
def _is_interface6(value: object) -> bool:
    return not isinstance(value, str) or ("/" in value and bool(IPv6Interface(value)))


@FORMATS.checks("endpoint", ValueError)
def _is_endpoint(value: object) -> bool:
    if not isinstance(value, str):
        return True
    address, _, port = value.rpartition(":")
    return bool(IPv4Interface(address)) and 0 < int(port) < 65536  # noqa: PLR2004 - last TCP port


@FORMATS.checks("wireguard-key", (ValueError, binascii.Error))
def _is_wireguard_key(value: object) -> bool:
    if not isinstance(value, str):
        return True
    return len(base64.b64decode(value, validate=True)) == WIREGUARD_KEY_BYTES


@FORMATS.checks("page")
def _is_page(value: object) -> bool:
    return not isinstance(value, str) or unquote(value).isprintable()  # one line of a list


def _pattern(_validator: Any, pattern: str, value: object, _schema: Any) -> Iterator[Any]:
    # JSON Schema's $ is the very end; Python's lets the end of a line follow.
    if isinstance(value, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


VALIDATOR = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"pattern": _pattern}
)
