"""What the gateway knows: connections from conntrack's lines, addresses from neighbours and leases.

Sources: conntrack(8) 1.4.7, ``ip -json neighbour``, Kea's memfile and dnsmasq's lease file.
"""

import csv
import ipaddress
import json
from collections.abc import Iterable

WHAT = {"[NEW]": "begin", "[DESTROY]": "end"}
KEA = "address,hwaddr,"
ACTIVE = "0"  # a lease's state, to Kea


def connection(line: str, own: Iterable[str]) -> tuple[float | None, str, dict[str, object]] | None:
    """Return when (Unix time, None where the line doesn't say), what and the fields of a line.

    None is returned for what is none of the log's business: connections that end at the gateway
    itself (``own``: its addresses), within it, or that go to a group (multicast).
    """
    words = line.split()
    family = next((i for i, word in enumerate(words) if word in {"ipv4", "ipv6"}), None)
    pairs = [word.split("=", 1) for word in words if "=" in word]
    begins = [i for i, (key, _) in enumerate(pairs) if key == "src"]
    if family is None or len(begins) != 2:  # noqa: PLR2004 - there and back
        return None
    there, back = dict(pairs[: begins[1]]), dict(pairs[begins[1] :])
    first, last = ipaddress.ip_address(there["src"]), ipaddress.ip_address(there["dst"])
    if first.is_loopback or last.is_multicast or last.is_link_local or back["src"] in own:
        return None
    protocol = words[family + 2]
    fields: dict[str, object] = {
        "id": back["id"],  # of the connection: the last one; an echo has ids of its own
        "protocol": words[family + 3] if protocol == "unknown" else protocol,
        "source": _end(there, "src", "sport"),
        "destination": _end(there, "dst", "dport"),
        "translated": _end(back, "dst", "dport"),
    }
    if (server := _end(back, "src", "sport")) != fields["destination"]:
        fields["server"] = server
    what = next((WHAT[word] for word in words[:2] + words[2:3] if word in WHAT), "open")
    if what == "end" and "bytes" in there:
        fields["bytes"] = [int(there["bytes"]), int(back["bytes"])]
    at = float(words[0][1:-1]) if words[0][1:2].isdigit() and words[0][0] == "[" else None
    return at, what, fields


def _end(side: dict[str, str], address: str, port: str) -> str:
    if port not in side:
        return side[address]
    return (
        f"[{side[address]}]:{side[port]}"
        if ":" in side[address]
        else f"{side[address]}:{side[port]}"
    )


def neighbours(text: str, interfaces: Iterable[str]) -> dict[str, str]:
    """Return the hardware address by address of all who were seen on ``interfaces``."""
    return {
        row["dst"]: row["lladdr"]
        for row in json.loads(text or "[]")
        if "lladdr" in row and row["dev"] in interfaces
        if not ipaddress.ip_address(row["dst"]).is_link_local
    }


def leases(text: str) -> dict[str, tuple[str, str]]:
    """Return hardware address and name by address, from Kea's or dnsmasq's lease file."""
    if text.startswith(KEA):
        rows = csv.DictReader(text.splitlines())
        # A later row takes the place of an earlier one.
        newest = {row["address"]: row for row in rows}
        return {
            address: (row["hwaddr"], row["hostname"].rstrip("."))
            for address, row in newest.items()
            if row["state"] == ACTIVE and row["valid_lifetime"] != "0"
        }
    rows = (line.split() for line in text.splitlines())
    return {row[2]: (row[1], row[3].strip("*")) for row in rows if len(row) >= 4}  # noqa: PLR2004 - up to the name
