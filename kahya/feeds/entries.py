"""Lines of a feed as what they name: whole sites, single pages, addresses.

A million lines take seconds: what a line usually is, a plain domain, is found by one search through
the whole text; only what is left is looked at line by line.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import quote

import idna

# Letters, digits, - and _ (not in host names, but in the DNS and so in feeds); the last label
# begins with a letter, so that an address is none. RFC 1035: at most 63 in a label, 253 in all.
DOMAINS = re.compile(
    rb"^(?:(?!-)[a-z0-9_-]{1,63}(?<!-)\.)++[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$", re.MULTILINE
)
URL = re.compile(
    r"(?:https?://(?:[^/?@\s]*@)?)?(?P<host>\[[^]/?]*\]|[^/?:@\[\s]+)(?::(?P<port>\d*))?"
    r"(?P<path>[/?]\S*)?",
    re.IGNORECASE,
)
LONGEST = 253
PORTS = ("80", "443")  # the site itself is there
PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
WIDEST = {4: 16, 6: 32}  # prefix lengths: no line of a feed takes more of the internet than that

Network = IPv4Network | IPv6Network


@dataclass
class Entries:
    """What a text names. A domain stands for all beneath it, a URL for what begins with it.

    URLs are written without a scheme. ``rejected`` are lines that name nothing.
    """

    domains: set[bytes] = field(default_factory=set)
    urls: set[bytes] = field(default_factory=set)
    addresses: set[Network] = field(default_factory=set)
    rejected: set[bytes] = field(default_factory=set)


def read(text: bytes) -> Entries:
    """Return what the lines of ``text`` name, in whatever order they stand; # begins a comment."""
    lines = text.replace(b"\r", b"\n")
    domains = {d for d in DOMAINS.findall(lines.lower()) if len(d) <= LONGEST}
    urls, addresses, rejected = set[bytes](), set[Network](), set[bytes]()
    for line in set(map(bytes.strip, lines.split(b"\n"))) - domains:
        if not line or line.startswith(b"#"):
            continue
        match named(line):
            case None:
                rejected.add(line)
            case (host, rest) if rest:
                urls.add(host + rest)
            case (host, _) if (address := network(host.decode().strip("[]"))) is not None:
                addresses.add(address)
            case (host, _):
                domains.add(host)
    return Entries(without_covered(domains), urls, addresses, rejected)


def named(line: bytes) -> tuple[bytes, bytes] | None:
    """Return the host or network that a line is about and the rest of its URL, or None.

    The rest is empty where the whole site is meant: no path but "/", no port of its own.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError:
        text = line.decode("latin-1")  # UT1 has some
    text = text.partition("#")[0].rstrip()
    if (whole := network(text)) is not None:
        return (text.encode(), b"") if _blockable(whole) else None
    parts = URL.fullmatch(text)
    host = _host(parts["host"]) if parts else None
    if not parts or host is None:
        return None
    port = "" if parts["port"] in (None, "", *PORTS) else f":{parts['port']}"
    path = "" if parts["path"] in (None, "/") else quote(parts["path"], safe=PRINTABLE)
    return host, (port + path).encode()


def _host(text: str) -> bytes | None:
    """Return a host's name or address as the DNS and URLs have it, None for what is neither."""
    if (address := network(text.strip("[]"))) is not None:
        return text.lower().encode() if _blockable(address) else None
    name = text.rstrip(".")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode()  # as browsers do
        except idna.IDNAError:
            return None
    host = name.lower().encode()
    return host if len(host) <= LONGEST and DOMAINS.fullmatch(host) else None


def network(text: str) -> Network | None:
    """Return the address or network that ``text`` is, or None."""
    try:
        return ip_network(text)
    except ValueError:
        return None


def _blockable(found: Network) -> bool:
    strange = found.is_loopback or found.is_unspecified or found.is_multicast or found.is_link_local
    return not strange and found.prefixlen >= WIDEST[found.version]


def host_of(url: bytes) -> bytes:
    """Return the host of a URL as ``Entries.urls`` has it."""
    bracket, closed, _rest = url.partition(b"]")
    return bracket + closed if closed else re.split(rb"[/?:]", url, maxsplit=1)[0]


def covered(domain: bytes, by: Container[bytes]) -> bool:
    """Say whether ``by`` has a domain above ``domain``."""
    while domain := domain.partition(b".")[2]:
        if domain in by:
            return True
    return False


def without_covered(domains: set[bytes]) -> set[bytes]:
    """Return ``domains`` without those beneath another: blocking that blocks them."""
    # Most have two labels, and no list has a domain of one.
    return {d for d in domains if d.count(b".") == 1 or not covered(d, domains)}
