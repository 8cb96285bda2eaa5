"""The outside world's name servers, a stand-in: every name has an address, and none is signed.

As a program it answers at port 53 until it is ended.
"""

from __future__ import annotations

import struct
from ipaddress import ip_address
from socketserver import BaseRequestHandler, ThreadingUDPServer

A, AAAA = 1, 28
OUTSIDE = {A: "203.0.113.80", AAAA: "2001:db8:113::80"}
INSIDE = {A: "10.20.1.10", AAAA: "fd20:0:0:1::10"}  # for names that begin with "inside"
ANSWER, TTL = 0x8180, 5  # recursion was wanted and is to be had; seconds


def reply(query: bytes) -> bytes:
    """Return the answer to one question; there is none but for addresses."""
    end = query.index(b"\0", 12) + 5
    kind = struct.unpack("!H", query[end - 4 : end - 2])[0]
    known = INSIDE if query[13:19] == b"inside" else OUTSIDE
    data = ip_address(known[kind]).packed if kind in known else b""
    record = struct.pack("!3HIH", 0xC00C, kind, 1, TTL, len(data)) + data if data else b""
    head = query[:2] + struct.pack("!5H", ANSWER, 1, bool(data), 0, 0)
    return head + query[12:end] + record


class Handler(BaseRequestHandler):
    """Answers a question."""

    def handle(self) -> None:
        """Say what is asked for; what is no question goes unanswered."""
        query, client = self.request
        client.sendto(reply(query), self.client_address)


class Server(ThreadingUDPServer):
    """Answers many at once."""

    daemon_threads = True
    allow_reuse_address = True


if __name__ == "__main__":
    Server(("0.0.0.0", 53), Handler).serve_forever()  # noqa: S104 - of the lab
