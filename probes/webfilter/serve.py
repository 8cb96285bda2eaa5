"""A few pages, as sites on the internet have them, until its input ends.

Sent to a host over its connection; nothing stays there. ``TASK``: ``address``, which the host has
meanwhile. A page says what its address asks for after "?"; one that ends with ".bin" is no text.
"""

import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TASK = globals()["TASK"]
LIFETIME = 120  # seconds, should nobody end it
PORTS = 80, 443  # at the latter, too, without TLS: who tunnels does not look


class Page(BaseHTTPRequestHandler):
    """Answers with a page."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Say what is asked for."""
        said = unquote(urlsplit(self.path).query)
        text = f"<html><body><p>kahya-probe {said}</p></body></html>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        """Stay quiet."""


def ip(action):
    words = ["ip", "address", action, f"{TASK['address']}/32", "dev", "lo"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def main():
    added = ip("add")  # it may be there already
    try:
        for port in PORTS:
            server = ThreadingHTTPServer((TASK["address"], port), Page)
            threading.Thread(target=server.serve_forever, daemon=True).start()
        signal.signal(signal.SIGALRM, lambda *_: sys.exit())
        signal.alarm(LIFETIME)
        print("ready", flush=True)
        sys.stdin.read()
    finally:
        if added:
            ip("delete")


main()
