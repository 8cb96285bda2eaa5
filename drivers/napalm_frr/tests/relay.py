"""Connect standard input and output to HOST PORT: a proxy command that needs no other program."""

import os
import selectors
import socket
import sys

connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10)
connection.settimeout(None)
ready = selectors.DefaultSelector()
ready.register(0, selectors.EVENT_READ, connection.sendall)
ready.register(connection, selectors.EVENT_READ, lambda data: os.write(1, data))
while True:
    for key, _ in ready.select():
        chunk = os.read(key.fd, 1 << 16)
        if not chunk:
            sys.exit()
        key.data(chunk)
