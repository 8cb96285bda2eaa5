"""Random plans for the property tests."""

from hypothesis import strategies as st

from kahya.model import BlindSpot, Change, HostPlan, Plan

TEXT = st.text(max_size=8)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["gw-a", "gw-b", "pc-a"])
RISKS = st.lists(st.sampled_from(["restart", "cuts-path", "data"]), max_size=2).map(tuple)


@st.composite
def host_plans(draw):
    """Return a HostPlan for a random host and system."""
    host, system = draw(NAMES), draw(st.sampled_from(["base", "vpn"]))
    changes = [
        Change(
            *(host, "a", system, "pyinfra", draw(TEXT), draw(TEXT), draw(TEXT), draw(DATA)),
            *(draw(RISKS), draw(st.booleans()), tuple(draw(st.lists(TEXT, max_size=2)))),
        )
        for _ in range(draw(st.integers(0, 3)))
    ]
    spots = [
        BlindSpot(host, system, draw(TEXT), draw(TEXT), draw(st.booleans()))
        for _ in range(draw(st.integers(0, 1)))
    ]
    status = draw(st.sampled_from(["ok", "ok", "unknown", "error", "unreachable"]))
    rest = (draw(TEXT), draw(TEXT), draw(TEXT))
    return HostPlan(host, system, status, tuple(changes), tuple(spots), *rest)


def by_host(found):
    """Return host plans host by host, as Workflow makes them."""
    order = list(dict.fromkeys(p.host for p in found))
    return tuple(sorted(found, key=lambda p: order.index(p.host)))


@st.composite
def plans(draw):
    """Return a random plan."""
    found = draw(st.lists(host_plans(), max_size=4, unique_by=lambda p: (p.host, p.system)))
    keys = {p.host: draw(st.text(min_size=1, max_size=8)) for p in found if draw(st.booleans())}
    tools = draw(st.dictionaries(TEXT, TEXT, max_size=3))
    made, ends = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    authors = tuple(draw(st.lists(TEXT, max_size=2)))
    restores = {p.host: "0f" * 20 for p in found if draw(st.booleans())}
    about = (tools, made, ends, by_host(found), authors, keys, draw(TEXT), restores)
    return Plan("ornek", "c", *about)


PLANS = plans()
