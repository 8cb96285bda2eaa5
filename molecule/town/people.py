"""The keys of the example town's people: derived, for they protect containers and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from tools import own


def person(name: str) -> Ed25519PrivateKey:
    """Return the key of ``name``, the same on every machine; inventories/lab/approvers knows it."""
    seed = hashlib.sha256(f"kahya example person {name}".encode()).digest()
    return Ed25519PrivateKey.from_private_bytes(seed)


def public(name: str) -> str:
    """Return the public key of ``name`` as a .pub file has it."""
    return person(name).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def write(folder: Path, names: Iterable[str]) -> None:
    """Write the private key of each of ``names`` into ``folder``, for ``kahya approve --key``."""
    if not folder.exists():
        folder.mkdir(mode=0o700)
        own(folder)
    for name in names:
        path = folder / name
        path.touch(mode=0o600)
        path.write_bytes(
            person(name).private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        )
        own(path)
