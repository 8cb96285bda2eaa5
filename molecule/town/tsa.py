"""The lab's time-stamping authority: a stand-in for the one a town asks, by openssl (RFC 3161).

As a program it answers on the port that its first argument names, until it is ended.
"""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PORT = 3161
ALWAYS = datetime(2026, 1, 1, tzinfo=UTC), datetime(2056, 1, 1, tzinfo=UTC)
CONFIG = """\
[tsa]
default_tsa = lab
[lab]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.3.6.1.4.1.99999.1
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _authority() -> Ed25519PrivateKey:
    """Return its key, derived: the same everywhere, for it vouches for labs and nothing else."""
    seed = hashlib.sha256(b"kahya example time-stamping authority").digest()
    return Ed25519PrivateKey.from_private_bytes(seed)


def certificate() -> str:
    """Return the root certificate as PEM; an inventory has it as ``accesslog.tsa_ca``."""
    key, name = _authority(), _name("Lab time stamps, root")
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, *ALWAYS)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return made.sign(key, None).public_bytes(Encoding.PEM).decode()


def _prepare(folder: Path) -> None:
    """Make the key that signs stamps, and a certificate for it by the root."""
    key, root, now = ec.generate_private_key(ec.SECP256R1()), _authority(), datetime.now(UTC)
    until = now + timedelta(days=3650)
    made = x509.CertificateBuilder(
        _name("Lab time stamps, root"), _name("Lab time stamps"), key.public_key(),
        x509.random_serial_number(), now - timedelta(days=1), until,
    )  # fmt: skip
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    made = made.add_extension(usage, critical=True)
    own = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for file, text in {
        "tsa.key": own,
        "tsa.pem": made.sign(root, None).public_bytes(Encoding.PEM),
        "serial": b"01\n",
        "tsa.cnf": CONFIG.format(folder=folder).encode(),
    }.items():
        (folder / file).write_bytes(text)


class Handler(BaseHTTPRequestHandler):
    """Answers a time-stamp query."""

    timeout = 10  # seconds: nobody keeps the others waiting

    def __init__(self, folder: Path, *about: object) -> None:
        self.folder = folder
        super().__init__(*about)

    def do_POST(self) -> None:
        """Stamp what was sent."""
        with tempfile.NamedTemporaryFile(dir=self.folder) as query:
            query.write(self.rfile.read(int(self.headers["Content-Length"])))
            query.flush()
            words = ["-config", str(self.folder / "tsa.cnf"), "-queryfile", query.name]
            done = subprocess.run(
                ["openssl", "ts", "-reply", *words], capture_output=True, check=False
            )
        self.send_response(200 if done.returncode == 0 else 500)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.send_header("Content-Length", str(len(done.stdout)))
        self.end_headers()
        self.wfile.write(done.stdout)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


def server(address: str, port: int, folder: Path) -> HTTPServer:
    """Return an authority for ``address`` that is yet to serve; its files are in ``folder``.

    It answers one after the other: openssl reads the serial number's file and writes it anew.
    """
    _prepare(folder)
    return HTTPServer((address, port), partial(Handler, folder))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # the folder with the key is removed
    with tempfile.TemporaryDirectory(prefix="kahya-tsa-") as place:
        server("0.0.0.0", int(sys.argv[1]), Path(place)).serve_forever()  # noqa: S104 - of the lab
