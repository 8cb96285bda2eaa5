"""The lab's time-stamping authority: many at once, and nothing stays behind."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import tsa


def test_each_stamp_has_a_number_of_its_own(tmp_path):
    def stamp(number):
        words = ["openssl", "ts", "-query", "-digest", f"{number:064x}", "-sha256"]
        query = subprocess.run(words, capture_output=True, check=True).stdout
        with urllib.request.urlopen(url, query, 30) as reply:
            (tmp_path / f"{number}.tsr").write_bytes(reply.read())
        shown = ["openssl", "ts", "-reply", "-in", tmp_path / f"{number}.tsr", "-text"]
        text = subprocess.run(shown, capture_output=True, check=True, text=True).stdout
        return next(line for line in text.splitlines() if line.startswith("Serial number"))

    with tsa.server("127.0.0.1", 0, tmp_path) as server, ThreadPoolExecutor(8) as pool:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        assert len(set(pool.map(stamp, range(16)))) == 16
        server.shutdown()


def test_its_key_goes_with_it(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-B", tsa.__file__, str(port)]
    process = subprocess.Popen(command, env=os.environ | {"TMPDIR": str(tmp_path)})
    until = time.monotonic() + 20
    while not list(tmp_path.glob("*/tsa.cnf")):
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert list(tmp_path.iterdir()) == []
