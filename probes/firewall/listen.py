"""Answers at ports until its input ends. Sent to a host over its connection; nothing stays there.

``TASK``: ``name``, said in each answer, and ``ports``: [protocol, address, port]. Prints one line
of JSON: which ports are taken, so that a daemon answers there in its place.
"""

import errno
import json
import selectors
import socket
import sys
import time

TASK = globals()["TASK"]
LIFETIME = 120  # seconds, should nobody end it
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def opened(protocol, address, port):
    """Return a socket that waits there, or None where a daemon does."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = socket.socket(family, KINDS[protocol])
    if protocol == "tcp":
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.setblocking(False)  # noqa: FBT003 - the socket's own form
    try:
        server.bind((address, port))
        if protocol == "tcp":
            server.listen(64)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    return server


def answer(server, name):
    if server.type == socket.SOCK_DGRAM:
        _text, client = server.recvfrom(512)
        server.sendto(name, client)
        return
    client, _address = server.accept()
    client.send(name)
    client.close()


def main():
    waiting, taken = selectors.DefaultSelector(), []
    for protocol, address, port in TASK["ports"]:
        server = opened(protocol, address, port)
        if server:
            waiting.register(server, selectors.EVENT_READ)
        else:
            taken.append([protocol, address, port])
    waiting.register(sys.stdin, selectors.EVENT_READ)
    print(json.dumps(taken), flush=True)
    until = time.monotonic() + LIFETIME
    while time.monotonic() < until:
        for key, _events in waiting.select(1):
            if key.fileobj is sys.stdin:
                return
            try:
                answer(key.fileobj, TASK["name"].encode())
            except OSError:  # whoever knocked is gone again
                continue


main()
