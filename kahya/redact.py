"""Keep secrets out of everything that is stored or shown."""

from __future__ import annotations

from typing import Any

MASK = "********"


def redact(value: Any, secrets: tuple[str, ...]) -> Any:
    """Return ``value`` (text, or plain data holding text) with every secret replaced by MASK."""
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, MASK)
        return value
    if isinstance(value, dict):
        return {redact(k, secrets): redact(v, secrets) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item, secrets) for item in value]
    return value
