"""Passwords as devices keep them: hashed when they are entered, checked when somebody logs in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import string
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it goes with Python 3.13
    import crypt

CISCO = "./" + string.digits + string.ascii_uppercase + string.ascii_lowercase
COMMON = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
PLAIN = ("0",)
HASHED = ("5", "8", "9", "sha512")
"""What may stand before the hash: md5-crypt, PBKDF2, scrypt (Cisco's), sha512-crypt (Arista's)."""


def seal(words: tuple[str, ...], kind: str) -> tuple[str, ...]:
    """Return the words of a line with the hash in place of the password, ``5`` or ``sha512``."""
    *before, password = words
    if before[-1] in HASHED or not {"secret", "password"} & {*before}:
        return words
    if before[-1] in PLAIN:
        before.pop()
    method = crypt.METHOD_SHA512 if kind == "sha512" else crypt.METHOD_MD5
    return (*before, kind, crypt.crypt(password, method))


def fits(password: str, kept: str) -> bool:
    """Return whether ``password`` is the one whose hash is ``kept``."""
    scheme = kept.split("$")[1] if kept.count("$") > 1 else ""
    try:
        if scheme in ("8", "9"):
            made = cisco(password, scheme, kept.split("$")[2])
        else:
            made = crypt.crypt(password, kept)
    except OSError:  # it is no hash
        return False
    return hmac.compare_digest(made, kept)


def cisco(password: str, scheme: str, salt: str = "") -> str:
    """Return the type 8 (PBKDF2) or type 9 (scrypt) hash of a password, as IOS shows it."""
    salt = salt or "".join(secrets.choice(CISCO) for _ in range(14))
    if scheme == "8":
        raw = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), 20000, 32)
    else:
        raw = hashlib.scrypt(password.encode(), salt=salt.encode(), n=16384, r=1, p=1, dklen=32)
    text = base64.b64encode(raw).decode().rstrip("=").translate(str.maketrans(COMMON, CISCO))
    return f"${scheme}${salt}${text}"
