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


@st.composite
def host_plans(draw):
    """Return a HostPlan for a random host and system."""
    host, system = draw(NAMES), draw(st.sampled_from(["base", "vpn"]))
    changes = [
        Change(host, "a", system, "pyinfra", draw(TEXT), draw(TEXT), draw(TEXT), draw(DATA))
        for _ in range(draw(st.integers(0, 3)))
    ]
    spots = [
        BlindSpot(host, system, draw(TEXT), draw(TEXT)) for _ in range(draw(st.integers(0, 1)))
    ]
    return HostPlan(host, system, "ok", tuple(changes), tuple(spots), draw(TEXT))


PLANS = st.lists(host_plans(), max_size=4, unique_by=lambda p: (p.host, p.system)).map(
    lambda found: Plan("ornek", "c", {"napalm": "5"}, "2026-01-01", "2026-01-02", tuple(found))
)
