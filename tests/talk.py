"""Connections that last, sent to a host as text: `talk.py listen PLACES`, `talk.py talk PLACES`.

PLACES: JSON, a list of [tcp or udp, address, port]. Who listens answers with what it hears. Who
talks does so over a few connections to each place, and opens new ones all the time. Both end with
their input; then the talker prints what it counted: how often it was answered, and what was lost.
"""

import json
import os
import socket
import sys
import threading
import time
from collections import Counter

STAYING = {"tcp": 4, "udp": 2}  # connections to each place
PAUSE = 0.02  # seconds between two words
PATIENCE = 5  # seconds for an answer
WORD = b"kahya"
counted, lost, over = Counter(), [], threading.Event()


def opened(kind, address, port=0):
    """Return a new socket, connected where there is a port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    made.settimeout(PATIENCE)
    if port:
        made.connect((address, port))
    return made


def echo(connection):
    """Say again what is heard."""
    while word := connection.recv(64):
        connection.sendall(word)


def answer(kind, address, port):
    """Answer whoever comes."""
    server = opened(kind, address)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, port))
    server.settimeout(None)
    if kind == "tcp":
        server.listen(128)
    os.write(1, b"ready\n")  # at once: others write here, too
    while True:
        if kind == "tcp":
            begin(echo, server.accept()[0])
        else:
            server.sendto(*server.recvfrom(64))


def stay(kind, *place):
    """Keep one connection, and count the answers: of packets every single one."""
    with opened(kind, *place) as connection:
        while not over.is_set():
            connection.sendall(WORD)
            if connection.recv(64) != WORD:
                raise ConnectionError("it was closed")
            counted[kind] += 1
            time.sleep(PAUSE)


def come_and_go(kind, *place):
    """Open one connection after another."""
    while not over.is_set():
        with opened(kind, *place) as connection:
            connection.sendall(WORD)
            connection.recv(64)
        counted[f"new {kind}"] += 1
        time.sleep(PAUSE)


def tried(do, *place):
    """Do it, and note how it ended if it ended early."""
    try:
        do(*place)
    except OSError as error:
        lost.append(f"{do.__name__} {place}: {error}")


def begin(do, *arguments):
    """Start it beside all else."""
    thread = threading.Thread(target=do, args=arguments, daemon=True)
    thread.start()
    return thread


what, places = sys.argv[1], json.loads(sys.argv[2])
if what == "listen":
    for place in places:
        begin(answer, *place)
    sys.stdin.read()
    os._exit(0)
talkers = [begin(tried, stay, *place) for place in places for _ in range(STAYING[place[0]])]
talkers += [begin(tried, come_and_go, *place) for place in places]
sys.stdin.read()
over.set()
for talker in talkers:
    talker.join(PATIENCE + 1)
print(json.dumps({"counted": counted, "lost": lost}))
