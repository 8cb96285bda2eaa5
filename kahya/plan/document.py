"""A plan as a JSON document (docs/plan-format.md) and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from kahya.errors import PlanError
from kahya.i18n import _
from kahya.model import BlindSpot, Change, HostPlan, Plan

FORMAT = 3
WORST = ("ok", "unknown", "error", "unreachable")


def to_document(plan: Plan) -> dict[str, Any]:
    """Return ``plan`` as plain data: what ``--json`` prints and a plan file holds."""
    hosts: dict[str, Any] = {}
    for item in plan.host_plans:
        key = plan.host_keys.get(item.host, "")
        host = hosts.setdefault(item.host, {"status": "ok", "key": key, "systems": {}})
        host["status"] = max(host["status"], item.status, key=WORST.index)
        host["systems"][item.system] = {
            "status": item.status,
            "base": item.base,
            "reason": item.reason,
            "identity": item.identity,
        }
    return {
        "format": FORMAT,
        "plan": plan.id,
        "digest": plan.digest,
        "seal": plan.seal,
        "town": plan.town,
        "commit": plan.commit,
        "authors": list(plan.authors),
        "tools": dict(plan.tools),
        "created": plan.created,
        "expires": plan.expires,
        "journal": plan.journal,
        "restores": dict(plan.restores),
        "hosts": hosts,
        "changes": [{"id": change.id, **_fields(change)} for change in plan.changes],
        "blind_spots": [{"id": spot.id, **asdict(spot)} for spot in plan.blind_spots],
        "unreachable": sorted({p.host for p in plan.unread if p.status == "unreachable"}),
    }


def from_document(document: dict[str, Any]) -> Plan:
    """Return the plan that ``document`` holds.

    Raises:
        PlanError: it isn't a plan, or its contents don't match its digest.
    """
    try:
        if document["format"] == 2:  # noqa: PLR2004 - what older entries of the journal hold
            document = {**document, "format": FORMAT, "restores": {}}
        if document["format"] != FORMAT:
            raise PlanError(
                _("the plan has format {found}, this Kâhya reads {known}").format(
                    found=document["format"], known=FORMAT
                ),
                _("Make the plan again."),
            )
        changes = [_change(item) for item in document["changes"]]
        spots = [_spot(item) for item in document["blind_spots"]]
        host_plans = tuple(
            HostPlan(
                host,
                system,
                about["status"],
                tuple(c for c in changes if (c.host, c.system) == (host, system)),
                tuple(s for s in spots if (s.host, s.system) == (host, system)),
                about["base"],
                about["reason"],
                about["identity"],
            )
            for host, entry in document["hosts"].items()
            for system, about in entry["systems"].items()
        )
        plan = Plan(
            document["town"],
            document["commit"],
            document["tools"],
            document["created"],
            document["expires"],
            host_plans,
            tuple(document["authors"]),
            {host: e["key"] for host, e in document["hosts"].items() if e["key"]},
            document["journal"],
            document["restores"],
        )
        stored = [item["id"] for item in document["changes"]]
        redone = to_document(plan)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PlanError(
            _("this is not a plan: {error}").format(error=error),
            _("Make one with kahya plan --out."),
        ) from error
    # Nothing may be in the file that the digest doesn't cover: compare what it would be written as.
    if redone != document or stored != [change.id for change in changes]:
        raise PlanError(_("the plan was altered after it was made"), _("Make the plan again."))
    return plan


def _fields(change: Change) -> dict[str, Any]:
    return asdict(change) | {"risk": list(change.risk), "then": list(change.then)}


def _spot(item: dict[str, Any]) -> BlindSpot:
    return BlindSpot(**{k: v for k, v in item.items() if k != "id"})


def _change(item: dict[str, Any]) -> Change:
    fields = {k: v for k, v in item.items() if k != "id"}
    return Change(**fields | {"risk": tuple(item["risk"]), "then": tuple(item["then"])})
