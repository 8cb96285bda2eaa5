"""Asks name servers, all at once. Sent to a host over its login; nothing stays there.

``TASK``: a list of [server, name, type, flags], in numbers of RFC 1035. ``WAITS``: seconds; what
has no answer after the first is said again. Prints a line of JSON: for each of them the answer as
[code, how many records], or null for none.
"""

import json
import selectors
import socket
import struct
import time

TASK = globals()["TASK"]
WAITS = globals().get("WAITS", (1.0, 3.0))


def question(number, name, kind, flags):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label)
    return struct.pack("!6H", number, flags, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, kind, 1)


def main():
    answers, waiting = [None] * len(TASK), selectors.DefaultSelector()
    for index, (server, *words) in enumerate(TASK):
        client = socket.socket(
            socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM
        )
        if client.connect_ex((server, 53)):
            continue  # no way there
        waiting.register(client, selectors.EVENT_READ, (index, question(index, *words)))
    for wait in WAITS:
        until = time.monotonic() + wait
        for key in waiting.get_map().values():
            key.fileobj.send(key.data[1])
        while waiting.get_map() and time.monotonic() < until:
            for key, _events in waiting.select(until - time.monotonic()):
                listen(key, answers, waiting)
    print(json.dumps(answers))


def listen(key, answers, waiting):
    index = key.data[0]
    try:
        number, flags, _questions, count = struct.unpack("!4H", key.fileobj.recv(4096)[:8])
    except OSError:  # refused: nobody is there
        waiting.unregister(key.fileobj)
        return
    if number == index:
        answers[index] = [flags & 15, count]
        waiting.unregister(key.fileobj)


main()
