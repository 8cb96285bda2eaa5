"""A FortiGate that is not there: the tables of its REST API behind HTTPS, with a token.

Sources of the form: FortiOS 7.4's REST API (status codes, ``mkey``, ``vdom``, ``action=move``), and
the collection fortinet.fortios. In its folder are ``requests.log``,
what was asked of it, and ``certificate.pem``, what it is known by.
"""

from __future__ import annotations

import json
import ssl
import zlib
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import RLock
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from devices.eapi import certificate

Body = dict[str, Any]

ABOUT = {"serial": "FGVM00UNITTEST01", "version": "v7.4.8", "build": 2795}
KEYS = {
    "firewall/address": "name",
    "firewall/address6": "name",
    "firewall/addrgrp": "name",
    "firewall/addrgrp6": "name",
    "firewall.service/custom": "name",
    "firewall.schedule/onetime": "name",
    "firewall.schedule/recurring": "name",
    "firewall/vip": "name",
    "firewall/vip6": "name",
    "firewall/policy": "policyid",
    "firewall/local-in-policy": "policyid",
    "firewall/local-in-policy6": "policyid",
    "system/interface": "name",
}
"""The key of each table's entries."""

FACTORY: dict[str, list[Body]] = {
    "firewall/address": [{"name": "all", "type": "ipmask", "subnet": "0.0.0.0 0.0.0.0"},
                         {"name": "SSLVPN_TUNNEL_ADDR1", "type": "iprange",
                          "start-ip": "10.212.134.200", "end-ip": "10.212.134.210"}],
    "firewall/address6": [{"name": "all", "type": "ipprefix", "ip6": "::/0"}],
    "firewall.service/custom": [{"name": "ALL", "protocol": "IP"},
                                {"name": "HTTPS", "tcp-portrange": "443"}],
    "firewall.schedule/recurring": [{"name": "always", "day": "sunday monday tuesday"}],
}  # fmt: skip

DEFAULTS: dict[str, Body] = {
    "firewall/address": {"type": "ipmask", "comment": "", "associated-interface": ""},
    "firewall/address6": {"type": "ipprefix", "comment": ""},
    "firewall.service/custom": {
        "protocol": "TCP/UDP/SCTP", "tcp-portrange": "", "udp-portrange": "", "comment": "",
    },
    "firewall/vip": {
        "type": "static-nat", "status": "enable", "extintf": "", "portforward": "disable",
        "protocol": "tcp", "comment": "",
    },
    "firewall/vip6": {"type": "static-nat", "portforward": "disable", "protocol": "tcp"},
    "firewall/policy": {
        "status": "enable", "action": "deny", "nat": "disable", "match-vip": "enable",
        "logtraffic": "utm", "srcaddr": [], "dstaddr": [], "srcaddr6": [], "dstaddr6": [],
        "srcaddr-negate": "disable", "dstaddr-negate": "disable", "service-negate": "disable",
        "groups": [], "users": [], "comments": "", "schedule": "", "service": [],
    },
}  # fmt: skip
DEFAULTS["firewall/local-in-policy"] = {
    "status": "enable", "action": "deny", "srcaddr": [], "dstaddr": [], "service": [],
    "schedule": "", "comments": "",
}  # fmt: skip
DEFAULTS["firewall/local-in-policy6"] = DEFAULTS["firewall/local-in-policy"]

V4, V6 = ("firewall/address", "firewall/addrgrp"), ("firewall/address6", "firewall/addrgrp6")
SERVICES = ("firewall.service/custom",)
TIMES = ("firewall.schedule/onetime", "firewall.schedule/recurring")
REFERS = {
    "firewall/policy": {
        "srcaddr": V4, "dstaddr": (*V4, "firewall/vip"), "srcaddr6": V6,
        "dstaddr6": (*V6, "firewall/vip6"), "service": SERVICES, "schedule": TIMES,
        "srcintf": ("system/interface",), "dstintf": ("system/interface",),
    },
    "firewall/local-in-policy": {
        "srcaddr": V4, "dstaddr": V4, "service": SERVICES, "schedule": TIMES,
        "intf": ("system/interface",),
    },
    "firewall/local-in-policy6": {
        "srcaddr": V6, "dstaddr": V6, "service": SERVICES, "schedule": TIMES,
        "intf": ("system/interface",),
    },
    "firewall/vip": {"extintf": ("system/interface",)},
}  # fmt: skip
"""In which tables the names stand that a field may have."""

NEEDED = {
    "firewall/policy": ("srcintf", "dstintf", "service", "schedule"),
    "firewall/local-in-policy": ("intf", "srcaddr", "dstaddr", "service", "schedule"),
    "firewall/local-in-policy6": ("intf", "srcaddr", "dstaddr", "service", "schedule"),
    "firewall/vip": ("extip", "mappedip"),
    "firewall/vip6": ("extip", "mappedip"),
}
CHOICES = {
    "action": ("accept", "deny", "ipsec"), "status": ("enable", "disable"),
    "nat": ("enable", "disable"), "logtraffic": ("all", "utm", "disable"),
}  # fmt: skip
NAME_MAX = {"firewall/policy": 35}
NOT_FOUND, DUPLICATE, IN_USE, EMPTY, INVALID = -3, -5, -23, -56, -651


class RefusedError(Exception):
    """The device says no: a status of HTTP, and its own number of the error."""

    def __init__(self, status: int, error: int = 0) -> None:
        super().__init__(status, error)
        self.status, self.error = status, error


class FortiGate:
    """The device. ``vdoms`` of it each have their own tables; the interfaces are of all."""

    def __init__(
        self, folder: Path, interfaces: list[str], vdoms: tuple[str, ...] = ("root",)
    ) -> None:
        self.folder, self.lock, self.faults = folder, RLock(), list[tuple[str, str, int, int]]()
        self.token, self.read_only = "", False
        folder.mkdir(parents=True, exist_ok=True)
        tables = {name: deepcopy(FACTORY.get(name, [])) for name in KEYS}
        tables["system/interface"] = [{"name": name} for name in ("any", *interfaces)]
        for name, rows in tables.items():
            tables[name] = [{**DEFAULTS.get(name, {}), **row} for row in rows]
        self.tables = {vdom: deepcopy(tables) for vdom in vdoms}

    def fail(self, method: str, path: str, status: int, error: int = 0) -> None:
        """Answer the next such request with an error."""
        self.faults.append((method, path, status, error))

    def answer(self, method: str, target: str, token: str, data: bytes) -> tuple[int, Body]:
        """Return status and content for one request."""
        parts = urlsplit(target)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        with self.lock:
            with (self.folder / "requests.log").open("a", encoding="utf-8") as log:
                log.write(f"{method} {target}\n")
            if not self.token or token != self.token:
                return 401, {}
            words = [unquote(word) for word in parts.path.strip("/").split("/")]
            if words[:3] == ["api", "v2", "monitor"]:
                found = (
                    {"results": {"hostname": "gw-merkez"}}
                    if words[3:] == ["system", "status"]
                    else {}
                )
                return (200 if found else 404), self._about(method, words, "success", 200) | found
            if words[:3] != ["api", "v2", "cmdb"] or len(words) < 5:
                return 404, {}
            try:
                body = json.loads(data) if data else {}
                done = self._cmdb(method, words, query, body)
            except RefusedError as no:
                about = self._about(method, words, "error", no.status)
                return no.status, about | ({"error": no.error} if no.error else {})
            return 200, self._about(method, words, "success", 200) | done

    def _cmdb(self, method: str, words: list[str], query: dict[str, str], body: Body) -> Body:
        name, key = "/".join(words[3:5]), "/".join(words[5:])
        for fault in self.faults:
            if fault[0] == method and fault[1] in "/".join(words):
                self.faults.remove(fault)
                raise RefusedError(*fault[2:])
        vdom = query.get("vdom", "root")
        if vdom not in self.tables or (self.read_only and method != "GET"):
            raise RefusedError(403)
        if name not in KEYS:
            raise RefusedError(404)
        table = self.tables[vdom][name]
        row = next((row for row in table if str(row[KEYS[name]]) == key), None)
        before = deepcopy(self.tables)
        if key and row is None:
            raise RefusedError(404)
        if method == "GET":
            return {"vdom": vdom, "results": deepcopy(table if row is None else [row])}
        try:
            self._change(method, vdom, name, row, query, body or {})
        except RefusedError:
            self.tables = before
            raise
        changed = before != self.tables
        return {"vdom": vdom, "mkey": key or body.get(KEYS[name]), "revision_changed": changed}

    def _change(
        self, method: str, vdom: str, name: str, row: Body | None, query: dict[str, str], body: Body
    ) -> None:
        table, key = self.tables[vdom][name], KEYS[name]
        if method == "POST" and row is None:
            if not body.get(key):
                raise RefusedError(424, EMPTY)
            if any(str(other[key]) == str(body[key]) for other in table):
                raise RefusedError(500, DUPLICATE)
            table.append({key: body[key], **deepcopy(DEFAULTS.get(name, {}))})
            self._set(vdom, name, table[-1], body)
        elif method == "PUT" and row is not None and query.get("action") == "move":
            side = "after" if "after" in query else "before"
            other = next((r for r in table if str(r[key]) == query.get(side)), None)
            if other is None:
                raise RefusedError(500, NOT_FOUND)
            table.remove(row)
            table.insert(table.index(other) + (side == "after"), row)
        elif method == "PUT" and row is not None:
            self._set(vdom, name, row, body)
        elif method == "DELETE" and row is not None:
            if self._used(vdom, name, str(row[key])):
                raise RefusedError(500, IN_USE)
            table.remove(row)
        else:
            raise RefusedError(405)

    def _set(self, vdom: str, name: str, row: Body, body: Body) -> None:
        row |= {k: v for k, v in body.items() if k != KEYS[name]}
        if len(str(row.get("name", ""))) > NAME_MAX.get(name, 79):
            raise RefusedError(500, INVALID)
        if any(k in row and row[k] not in wanted for k, wanted in CHOICES.items()):
            raise RefusedError(500, INVALID)
        if any(not row.get(field) for field in NEEDED.get(name, ())):
            raise RefusedError(500, EMPTY)
        if name == "firewall/policy":
            if not any(row[f"srcaddr{six}"] and row[f"dstaddr{six}"] for six in ("", "6")):
                raise RefusedError(500, EMPTY)
            if sum(other.get("name") == row.get("name") for other in self.tables[vdom][name]) > 1:
                raise RefusedError(500, DUPLICATE)
        for field, tables in REFERS.get(name, {}).items():
            known = {e["name"] for table in tables for e in self.tables[vdom][table]}
            if not set(_named(row.get(field))) <= known:
                raise RefusedError(424, NOT_FOUND)

    def _used(self, vdom: str, name: str, key: str) -> bool:
        return any(
            name in tables and key in _named(row.get(field))
            for user, fields in REFERS.items()
            for field, tables in fields.items()
            for row in self.tables[vdom][user]
        )

    def _about(self, method: str, words: list[str], status: str, http: int) -> Body:
        revision = f"{zlib.crc32(json.dumps(self.tables).encode()):08x}"
        path, name = [*words[3:5], "", ""][:2]
        head = {"http_method": method, "revision": revision, "path": path, "name": name}
        return head | {"vdom": "root", "status": status, "http_status": http} | ABOUT


def _named(value: Any) -> list[str]:
    """Return the names that a field has."""
    return [one["name"] for one in value] if isinstance(value, list) else [value] if value else []


def server(device: FortiGate, address: str = "127.0.0.1", port: int = 0) -> ThreadingHTTPServer:
    """Return its HTTPS server; ``serve_forever`` runs it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version, timeout = "HTTP/1.1", 60

        def _do(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            status, body = device.answer(self.command, self.path, token, data)
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_DELETE = _do  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Say nothing: requests.log has it."""

    made = ThreadingHTTPServer((address, port), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(device.folder, address))
    # Greeted by the thread of each connection: who says nothing holds nobody up.
    made.socket = context.wrap_socket(made.socket, server_side=True, do_handshake_on_connect=False)
    return made
