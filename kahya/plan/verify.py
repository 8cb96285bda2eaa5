"""Check a plan file from its bytes alone, by another way than the one that reads it.

Nothing here uses model.Plan or document.py: what they take for granted is recomputed from
docs/plan-format.md and schema.json. All failures are told, not the first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from jsonschema import Draft202012Validator

from kahya.approvers import Approver
from kahya.errors import PlanError
from kahya.i18n import _
from kahya.plan import signature, store

Document = dict[str, Any]
WORST = ("ok", "unknown", "error", "unreachable")


def plan_file(content: bytes) -> list[str]:
    """Return all that is wrong with the content of a plan file; empty means that it is whole."""
    try:
        document = json.loads(content, parse_float=_fraction, parse_constant=_fraction)
    except (ValueError, RecursionError) as error:
        return [_("is not JSON: {error}").format(error=error)]
    failures = [
        f"{error.json_path}: {_short(error.message)}" for error in _schema().iter_errors(document)
    ]
    if failures:  # what has not this form has no digests to compare
        return failures
    failures = [*_ids(document), *_places(document), *_derived(document)]
    # Spaces, double keys, spellings: whatever JSON lets differ without a meaning.
    if (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode(
        errors="surrogatepass"
    ) != content:
        failures.append(_("is not written as Kâhya writes it: bytes were changed"))
    return failures


def approvals(
    file: Path, document: Document, approvers: Sequence[Approver], now: datetime
) -> tuple[list[str], list[str]]:
    """Return whose valid approvals lie beside the plan ``file``, and what is wrong with others."""
    signers, failures = [], []
    created = signature.moment(document["created"])
    for path in store.approval_files(file):
        try:
            approval = store.read_approval(path)
        except PlanError as error:
            failures.append(str(error))
            continue
        unknown = set(approval.blind_spots) - {spot["id"] for spot in document["blind_spots"]}
        if fault := signature.fault(approval, document["seal"], created, approvers, now):
            failures.append(f"{path.name}: {fault}")
        elif unknown:
            message = _("{file}: signs for blind spots that the plan has not: {ids}")
            failures.append(message.format(file=path.name, ids=", ".join(sorted(unknown))))
        else:
            signers.append(approval.approver)
    return signers, failures


@cache
def _schema() -> Draft202012Validator:
    text = Path(__file__).with_name("schema.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text))


def _ids(document: Document) -> Iterator[str]:
    parts = {
        "changes": ("host", "system", "resource", "action", "effect"),
        "blind_spots": ("host", "system", "resource", "reason"),
    }
    for name, keys in parts.items():
        for index, item in enumerate(document[name]):
            if item["id"] != _sha256([item[key] for key in keys])[:16]:
                message = _("$.{name}[{index}]: the id {id} is not that of its content")
                yield message.format(name=name, index=index, id=item["id"])


def _places(document: Document) -> Iterator[str]:
    """Find what is said of hosts that the plan doesn't have, or not in the order of its hosts."""
    pairs = _pairs(document)
    for host in document["restores"].keys() - document["hosts"].keys():
        yield _("$.{name}: the plan has no {host}").format(name="restores", host=host)
    for name in ("changes", "blind_spots"):
        here = [(item["host"], item["system"]) for item in document[name]]
        for host, system in dict.fromkeys(pair for pair in here if pair not in pairs):
            message = _("$.{name}: the plan has no {host} {system}")
            yield message.format(name=name, host=host, system=system)
        if set(here) <= set(pairs) and here != sorted(here, key=pairs.index):
            yield _("$.{name}: is not in the order of the hosts").format(name=name)


def _derived(document: Document) -> Iterator[str]:
    """Find what doesn't follow from the rest: statuses, digest, seal and short name."""
    hosts = document["hosts"]
    worst = {
        name: max((s["status"] for s in about["systems"].values()), key=WORST.index)
        for name, about in hosts.items()
    }
    means = [
        document["town"],
        {name: about["key"] for name, about in hosts.items()},
        [_meaning(document, *pair) for pair in sorted(_pairs(document))],
    ]
    digest = _sha256(means + [document["restores"]] * bool(document["restores"]))
    about = [document[key] for key in ("commit", "tools", "created", "expires")]
    seal = _sha256([digest, *about, document["authors"], document["journal"]])
    found = {
        "digest": digest,
        "seal": seal,
        "plan": f"{document['created'][:10]}-{digest[:8]}",
        "unreachable": sorted(
            {host for host, system in _pairs(document)
             if hosts[host]["systems"][system]["status"] == "unreachable"}
        ),
    }  # fmt: skip
    for key, value in found.items():
        if document[key] != value:
            yield _("$.{key}: is {found}, but the content gives {value}").format(
                key=key, found=document[key], value=value
            )
    for name, status in worst.items():
        if hosts[name]["status"] != status:
            yield _("$.{key}: is {found}, but the content gives {value}").format(
                key=f"hosts.{name}.status", found=hosts[name]["status"], value=status
            )
    if document["expires"] <= document["created"]:
        yield _("$.expires: is not after $.created")


def _pairs(document: Document) -> list[tuple[str, str]]:
    return [(h, s) for h, about in document["hosts"].items() for s in about["systems"]]


def _meaning(document: Document, host: str, system: str) -> list[Any]:
    about = document["hosts"][host]["systems"][system]
    inside = [
        [
            {key: value for key, value in item.items() if key != "id"}
            for item in document[name]
            if (item["host"], item["system"]) == (host, system)
        ]
        for name in ("changes", "blind_spots")
    ]
    return [host, system, *(about[k] for k in ("status", "base", "reason", "identity")), *inside]


def _sha256(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _fraction(text: str) -> NoReturn:
    raise ValueError(_("{text} has no one spelling").format(text=text))


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:200] + " …"  # noqa: PLR2004 - one line of a terminal
