"""A town of three hosts as plain values, and plans and signatures in it."""

from dataclasses import replace

from kahya.model import Approval, BlindSpot, Building, Change, Host, HostPlan, Plan, System, Town
from kahya.plan import signature

PLACES = {"gw-merkez": "merkez", "db-merkez": "merkez", "pc-fen": "fen_isleri"}
GROUPS = {"base": "linux", "vpn": "gateways", "firewall": "gateways"}


def town(rules):
    """Return the town that the cases are about."""
    hosts = {
        name: Host(name, "", place, ("linux", *(["gateways"] if name == "gw-merkez" else [])), {})
        for name, place in PLACES.items()
    }
    systems = tuple(
        System(name, {}, "pyinfra", "", group, "", (), "L2") for name, group in GROUPS.items()
    )
    buildings = {name: Building(name, name, 1, "") for name in PLACES.values()}
    settings = {"approval": {"rules": rules}}
    return Town("ornek", "", "", "en", 30, buildings, hosts, {}, systems, (), settings)


def change(host, system="base", building="", diff="-a\n+b", risk=(), reversible=True):
    """Return a change of a case."""
    place = building or PLACES.get(host, "")
    what = ("file /etc/x", "update", diff, {"to": "b"})
    return Change(host, place, system, "pyinfra", *what, tuple(risk), reversible)


def plan(case):
    """Return the plan of a case."""
    changes = [change(**one) for one in case.get("changes", [{"host": "pc-fen"}])]
    spots = [BlindSpot(system="base", resource="command x", reason="no check mode", **one)
             for one in case.get("blind", [])]  # fmt: skip
    pairs = dict.fromkeys((one.host, one.system) for one in [*changes, *spots])
    found = [
        HostPlan(h, s, "ok", tuple(c for c in changes if (c.host, c.system) == (h, s)),
                 tuple(b for b in spots if (b.host, b.system) == (h, s)))
        for h, s in pairs
    ]  # fmt: skip
    found += [HostPlan(host, "base", "unreachable") for host in case.get("unread", ())]
    times = (case.get("created", "2026-03-09T06:00:00Z"), case.get("expires", ""))
    return Plan(
        *(case.get("town", "ornek"), "3f2a", {}, times[0], times[1] or "2026-03-10T06:00:00Z"),
        *(tuple(found), tuple(case.get("authors", ["mehmet@ornek.bel.tr"]))),
    )


def approval(made, people, by, at="2026-03-09T07:00:00Z", key="", namespace="kahya-plan", **more):
    """Return a signature under a plan; ``then`` says what was changed in it afterwards."""

    def fields(seal="this", blind=(), **others):
        spots = sorted(spot.id for spot in made.blind_spots) if blind == "all" else blind
        name = {"this": made.seal, "other": "0" * 64}[seal]
        return others | {"seal": name, "blind_spots": tuple(spots)}

    later = more.pop("then", {})
    drawn = Approval(approver=f"{by}@ornek.bel.tr", at=at, signature="", **fields(**more))
    signed = signature.sign(drawn.statement, people.key(key or by), namespace)
    return replace(drawn, **{"signature": signed} | (fields(**more | later) if later else {}))
