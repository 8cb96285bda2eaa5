"""Asks a proxy for pages, all at once. Sent to a host over its login; nothing stays there.

``TASK``: ``proxy``, its address; ``asked``: [how, what], where how is GET (a URL) or CONNECT (a
host and port); ``mark``: what the page says that is shown instead. Prints a line of JSON: for each
"passed", "blocked", or what came instead.
"""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

TASK = globals()["TASK"]
PORT = 8080
PATIENCE = 10  # seconds
PAGE = b"kahya-probe"


def ask(how, what):
    with socket.create_connection((TASK["proxy"], PORT), PATIENCE) as proxy:
        host = what.split("/")[2] if how == "GET" else what
        proxy.sendall(
            f"{how} {what} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        )
        if how == "CONNECT":
            status = proxy.recv(4096).split(b"\r\n")[0]
            if b" 200 " not in status + b" ":
                return "blocked" if b" 302 " in status + b" " else status.decode()
            proxy.sendall(b"GET / HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n")
        text = b""
        with suppress(TimeoutError):  # whoever keeps the line open has said what it has to say
            while chunk := proxy.recv(65536):
                text += chunk
    if TASK["mark"].encode() in text:  # it shows what was asked for, too
        return "blocked"
    return "passed" if PAGE in text else text[-200:].decode(errors="replace")


def look(asked):
    try:
        return ask(*asked)
    except OSError as error:
        return str(error)


with ThreadPoolExecutor(16) as pool:
    print(json.dumps(list(pool.map(look, TASK["asked"]))))
