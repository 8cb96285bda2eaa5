"""Only what incidents.yml asks for goes the short way; whatever else is in the plan, none does."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from small_town import approval, change, plan, town

from kahya.model import BlindSpot
from kahya.plan import gate, policy
from kahya.plan.emergency import others
from kahya.plan.waves import waves

EMERGENCY = {"systems": ["firewall", "resolver"], "roles": ["network"], "four_eyes": False}
CUT_OFF = {"blocked": ["203.0.113.7"], "isolated": ["10.20.2.50"]}
LISTS = {"names": {"domains/incidents": {"sha256": "a" * 64, "count": 1},
                   "domains/usom": {"sha256": "b" * 64, "count": 9}}}  # fmt: skip
LIST = f"sha256 {'a' * 64}\nentries 1"
STRICT = [{"name": "all", "when": {}, "ask": {"approvals": 2, "roles": ["manager"]}}]


def small(emergency=EMERGENCY, rules=STRICT):
    made = town(rules)
    about = {"incidents": CUT_OFF, "lists": LISTS}
    hosts = {name: replace(host, vars=about) for name, host in made.hosts.items()}
    made.settings["approval"] |= {"emergency": emergency} if emergency else {}
    return replace(made, hosts=hosts)


def one(resource, action="create", after="cut off", system="firewall", host="gw-merkez"):
    made = change(host, system, risk=["cuts-path"])
    effect = {"before": "", "after": after}
    return replace(made, resource=resource, action=action, effect=effect)


def planned(*changes, spots=(), authors=("ayse@ornek.bel.tr",)):
    made = plan({"authors": authors})
    (found,) = made.host_plans
    found = replace(found, host="gw-merkez", system="firewall")
    return replace(made, host_plans=(replace(found, changes=changes, blind_spots=spots),))


FINE = [
    one("blocked 203.0.113.7"),
    one("isolated 10.20.2.50"),
    one("blocked 203.0.113.8", "delete", ""),
    one("file /etc/nftables.conf", "update", "as loaded"),
    one("list domains/incidents", "update", LIST, "resolver"),
    one("list urls/incidents", "delete", "", "resolver"),
]
MORE = [
    one("blocked 203.0.113.8"),
    one("blocked 203.0.113.7", "delete", ""),
    one("isolated 203.0.113.7"),
    one("nftables blocked4", "update"),
    one("nftables forward-web", "delete", ""),
    one("nftables input", "update"),
    one("file /etc/nftables.conf", "update", "accept everything"),
    one("file /etc/nftables.conf", "update", "as loaded", "resolver"),
    one("file /etc/passwd", "update", "as loaded"),
    one("service nftables", "stop"),
    one("blocked 203.0.113.7", system="vpn"),
    one("blocked 203.0.113.7", system="resolver"),
    one("blocked 203.0.113.7", host="unknown"),
    one("list domains/usom", "update", f"sha256 {'b' * 64}\nentries 9", "resolver"),
    one("list domains/incidents", "update", LIST.replace("a", "c"), "resolver"),
    one("list domains/incidents", "delete", "", "resolver"),
    one("list domains/incidents", "update", LIST),
]


def named(things):
    return [f"{t.system} {t.resource} {getattr(t, 'action', 'blind')}" for t in things]


def test_what_incidents_ask_for_is_no_more():
    assert others(planned(*FINE), small()) == []


@pytest.mark.parametrize("more", MORE, ids=named(MORE))
def test_whatever_else_is_in_it_is_more(more):
    assert named(others(planned(*FINE, more), small())) == named([more])


def test_a_blind_spot_is_more_also_one_that_waits():
    spots = [BlindSpot("gw-merkez", "firewall", "x", "y", deferred=d) for d in (False, True)]
    assert named(others(planned(*FINE, spots=tuple(spots)), small())) == named(spots)


def test_without_an_agreed_emergency_all_is_more():
    assert len(others(planned(*FINE), small(emergency=None))) == len(FINE)


@pytest.mark.parametrize(
    ("signers", "emergency", "expected"),
    [
        (["ayse"], True, []),
        (["ayse"], False, ["2 more signatures"]),
        (["mehmet"], True, ["one of role network"]),
        (["mehmet", "zeynep"], True, ["one of role network"]),
        ([], True, ["1 more signature; one of role network"]),
    ],
    ids=str,
)
def test_one_signature_with_the_role_is_enough(people, signers, emergency, expected):
    made = planned(*FINE)
    signed = [approval(made, people, by=name) for name in signers]
    now = datetime(2026, 3, 9, 12, tzinfo=UTC)
    where = (made, small(), people.all, signed, "3f2a", now)
    reasons = gate.examine(*where, used=lambda _seal: False, emergency=emergency)
    assert len(reasons) == len(expected)
    assert all(words in reason for words, reason in zip(expected, reasons, strict=True))


def test_four_eyes_may_be_asked_for_then_as_well(people):
    made, strict = planned(*FINE), small({**EMERGENCY, "four_eyes": True})
    signed, _faults = policy.check(
        made, people.all, [approval(made, people, by="ayse")], datetime(2026, 3, 9, 12, tzinfo=UTC)
    )
    assert "four eyes" in policy.missing(made, strict, signed, emergency=True)[0]
    assert policy.never_counts(signed[0], made, strict, emergency=True)
    assert not policy.never_counts(signed[0], made, small(), emergency=True)


def test_it_reaches_every_host_at_once():
    changes = [one("blocked 203.0.113.7", host=h) for h in ("gw-merkez", "db-merkez", "pc-fen")]
    made = planned(*changes)
    (wave,) = waves(small(), made, emergency=True)
    assert wave.hosts == ("gw-merkez", "db-merkez", "pc-fen")
    assert len(waves(small(), made)) > 1
