"""A device's HTTPS server: Arista's eAPI, JSON-RPC as pyeapi speaks it.

Source of the form: Arista's "eAPI overview" (methods, error codes 1002 and 1003), and pyeapi.
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import ipaddress
import json
import ssl
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from devices.access import admits
from devices.cli import Answer, RefusedError
from devices.device import Device, write
from devices.eos import EosCli
from devices.faults import DroppedError

FAILED, UNCONVERTED = 1002, 1003


async def run_commands(device: Device, user: str, params: dict[str, Any]) -> dict[str, Any]:
    """Carry out the commands of one request in a session of its own, up to the first error.

    Returns:
        ``result``, or ``error`` with code, message and the answers so far.

    Raises:
        DroppedError: the connection ends.
    """
    cli = EosCli(device, user)
    cli.abbreviate = bool(params.get("autoComplete"))
    results: list[dict[str, Any]] = []
    commands = params["cmds"]
    for number, given in enumerate(commands, 1):
        line, text = (
            (given["cmd"], given.get("input")) if isinstance(given, dict) else (given, None)
        )
        code, words = FAILED, ""
        asked: list[str] = []

        async def ask(question: str, asked: list[str] = asked) -> str:
            asked.append(question)
            return ""

        cli.ask = ask
        try:
            answer: Answer = await cli.run(line)
            for more in [*text.rstrip("\n").split("\n"), "EOF"] if text and cli.cursor else ():
                answer = await cli.run(more)
        except RefusedError as refused:
            answer, words = "", str(refused).strip()
        if asked:
            words = f"{asked[0]} (the command needs input)"
        elif isinstance(answer, str) and answer and params.get("format") == "json":
            if line.startswith("show"):
                code, words = UNCONVERTED, "This is an unconverted command"
            answer = {"messages": [answer]}
        if words:
            message = f"CLI command {number} of {len(commands)} '{line}' failed: invalid command"
            data = [*results, {"errors": [words]}]
            return {"error": {"code": code, "message": message, "data": data}}
        as_text = params.get("format") == "text"
        if as_text and isinstance(answer, dict):
            answer = json.dumps(answer, indent=4)
        results.append({"output": answer} if as_text else answer or {})
    return {"result": results}


class Eapi:
    """The server."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.open: set[asyncio.StreamWriter] = set()
        device.watchers.append(self.hear)

    def hear(self, event: str) -> None:
        """A device that restarts drops its connections."""
        if event == "reload":
            for writer in self.open:
                writer.close()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests until the other side leaves."""
        self.open.add(writer)
        try:
            while admits(self.device, writer.get_extra_info("peername")[0]):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                fields = {k.lower(): v.strip() for k, _, v in (x.partition(":") for x in head[1:])}
                body = await reader.readexactly(int(fields.get("content-length", 0)))
                status, answer = await self.answer(fields.get("authorization", ""), body)
                data = json.dumps(answer).encode()
                writer.write(
                    f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(data)}\r\n\r\n".encode()
                    + data
                )
                await writer.drain()
        except (DroppedError, asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            self.open.discard(writer)
            writer.close()

    async def answer(self, authorization: str, body: bytes) -> tuple[str, dict[str, Any]]:
        """Return status and content for one request."""
        user, _, password = (
            base64.b64decode(authorization.partition(" ")[2]).decode().partition(":")
        )
        if self.device.login(user, password) is None:
            return "401 Unauthorized", {
                "error": "Unable to authenticate user: Bad username/password"
            }
        if not _enabled(self.device):
            return "404 Not Found", {"error": "eAPI is shut down"}
        request = json.loads(body)
        done = await run_commands(self.device, user, request["params"])
        return "200 OK", {"jsonrpc": "2.0", "id": request["id"], **done}


def _enabled(device: Device) -> bool:
    return any(
        "no shutdown" in lines for _, lines in device.running.find("management api http-commands")
    )


def certificate(folder: Path, address: str, name: str = "certificate") -> tuple[Path, Path]:
    """Return certificate and key, made on the first day: self-signed, for ``address`` alone.

    It is no authority (CA:FALSE): trusting it vouches for this device and no other.
    """
    public, private = folder / f"{name}.pem", folder / f"{name}.key"
    if not public.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, address)])
        now = dt.datetime.now(dt.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=3650))
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]),
                critical=False,
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        form = serialization.PrivateFormat.PKCS8
        write(private, key.private_bytes(pem, form, serialization.NoEncryption()).decode())
        write(public, made.public_bytes(pem).decode())
    return public, private


async def serve(device: Device, address: str, port: int) -> asyncio.Server:
    """Accept requests; a fault has it show another certificate than the one it is known by."""
    known = certificate(device.folder, device.known_as)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*known)

    def choose(connection: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
        if device.faults.find("host-key"):
            other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            other.load_cert_chain(*certificate(device.folder, device.known_as, "other"))
            connection.context = other

    context.sni_callback = choose  # called for every connection
    return await asyncio.start_server(Eapi(device).handle, address, port, ssl=context)
