"""The report tells all that is known, never calls the unknown in order, and shows no secret."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report import sample

from kahya.cabling import CABLE_STATES
from kahya.finding import AGREED, Authority, Finding, Look
from kahya.model import BlindSpot, Change, Plan, ProbeResult, Town, Waiver
from kahya.report import write
from kahya.report.drawing import draw
from kahya.report.page import TEMPLATES
from kahya.report.readings import readings
from kahya.report.tunnels import tunnels

MOMENT = datetime(2026, 3, 9, 21, 30, tzinfo=UTC)
MARKUP = st.text(st.sampled_from("<>&\"'/=!-{}% abcÇşI\n\x1f;#"), min_size=1, max_size=40)
VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """A page as a reader sees it: its texts, its elements, and what it would fetch."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.tags, self.rows, self.links = "", [], {}, []
        self._open: list[str] = []
        self._host = ""
        self.feed(html)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href", "xlink:href", "data", "action")]
        if tag not in VOID:
            self._open.append(tag)
        if given.get("class") == "host":
            self._host = given["data-host"]
            self.rows[self._host] = ""

    def handle_startendtag(self, tag, _attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag
        if tag == "tr":
            self._host = ""

    def handle_data(self, data):
        if self._open[-1:] != ["style"]:
            self.text += data
            if self._host:
                self.rows[self._host] += data


def pages(town: Town, drift: Plan | Look, folder, probes=(), events=()) -> dict[str, Page]:
    look = drift if isinstance(drift, Look) else sample.look(drift)
    written = write(town, look, probes, events, folder, MOMENT)
    return {p.name.split(".")[1]: Page(p.read_text(encoding="utf-8")) for p in written}


def test_everything_is_named_in_both_languages(tmp_path):
    town = sample.town(12)
    found = pages(town, sample.plan(town), tmp_path, sample.checks(town), sample.events())
    for language, page in found.items():
        for host in town.hosts.values():
            assert host.name in page.rows
            assert host.address in page.text
        for system in town.systems:
            assert system.title[language] in page.text
            assert system.name in page.text
        for building in town.buildings.values():
            assert building.title in page.text
        for control in ("B6.8", "S7.14"):
            assert control in page.text
        assert sample.plan(town).digest in page.text
    assert "9 March 2026, 21:30" not in found["en"].text  # UTC: the reader's clock is Türkiye's
    assert "10 March 2026, 00:30" in found["en"].text
    assert "10.03.2026 00:30" in found["tr"].text


def test_nothing_is_fetched_and_nothing_runs(tmp_path):
    town = sample.town()
    for name, page in pages(town, sample.plan(town), tmp_path).items():
        other = {"en": "tr", "tr": "en"}[name]
        assert page.links == [f"report.{other}.html"]
        assert "script" not in page.tags
    assert "url(" not in (tmp_path / "report.en.html").read_text(encoding="utf-8")
    assert (tmp_path / "report.en.html").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("language", "in_order"), [("en", "in order"), ("tr", "uygun")])
def test_what_is_not_known_is_never_in_order(tmp_path, language, in_order):
    town = sample.town()
    off, skipped, blind = "pc-bina2-1", "pc-bina3-1", "gw-bina3"
    drift = sample.plan(town, unreachable=(off,))
    spot = BlindSpot(blind, "vpn", "command", "has no check mode")
    drift = replace(
        drift,
        host_plans=tuple(
            replace(p, blind_spots=(spot,)) if (p.host, p.system) == (blind, "vpn") else p
            for p in drift.host_plans
            if p.host != skipped
        ),
    )
    page = pages(town, drift, tmp_path, sample.checks(town))[language]
    for host, row in page.rows.items():
        assert (in_order in row) == (host not in (off, skipped, blind)), host
    assert "Connection timed out" in page.text
    assert "has no check mode" in page.text
    assert {"en": "was not looked at this time", "tr": "bu kez bakılmadı"}[language] in page.text
    assert {"en": "Not everything is known.", "tr": "Bazı şeyler okunamadı"}[language] in page.text


def test_a_town_in_order_says_so(tmp_path):
    town = sample.town()
    page = pages(town, sample.plan(town), tmp_path, sample.checks(town))["en"]
    assert "Everything that was looked at is in order." in page.text
    assert "No machine left what was applied." in page.text
    assert "Every system on every machine was read." in page.text


def test_drift_and_failed_checks_are_told(tmp_path):
    town = sample.town()
    change = sample.change(
        town, "db-bina1", "postgresql", "pg_hba.conf", "-host all all trust\n+hostssl all all",
        risk=("data",), reversible=False, then=("postgresql reloaded",),
    )  # fmt: skip
    probes = [
        replace(p, status="failed", detail="port 5432 is closed")
        if (p.host, p.system) == ("db-bina1", "base") else p
        for p in sample.checks(town)
    ]  # fmt: skip
    page = pages(town, sample.plan(town, (change,)), tmp_path, probes)["en"]
    for words in (
        "pg_hba.conf", "-host all all trust", "+hostssl all all", "touches data",
        "not reversible", "postgresql reloaded", change.id, "port 5432 is closed",
    ):  # fmt: skip
        assert words in page.text
    assert "drift 1" in page.rows["db-bina1"]
    assert "check failed 1" in page.rows["db-bina1"]
    assert "There is something to put right." in page.text


def test_the_journal_is_told(tmp_path):
    town = sample.town()
    found = pages(town, sample.plan(town), tmp_path, (), sample.events())
    for words in (
        "Planned: 3 changes", "Applied as planned: 12 of 12; extra 0, missing 0",
        "Drift check: 3 differences", "0 differences, not read: pc-bina3-1",
        "Functional checks: 9 of 9 passed", "9 March 2026, 09:10",
    ):  # fmt: skip
        assert words in found["en"].text
    assert "12 değişiklikten 12 tanesi" in found["tr"].text
    assert "09.03.2026 09:10" in found["tr"].text


@settings(max_examples=20, deadline=None)
@given(name=MARKUP, diff=MARKUP, reason=MARKUP)
def test_whatever_a_host_says_is_only_text(tmp_path_factory, name, diff, reason):
    town = sample.town(2)
    folder = tmp_path_factory.mktemp("report")
    change = Change(
        "gw-bina1", "bina1", "vpn", "pyinfra", name, name, f"- {diff}", {}, then=(name,)
    )
    lost = sample.plan(town, (change,), ("pc-bina2-1",))
    plans = (replace(p, reason=reason if p.status != "ok" else "") for p in lost.host_plans)
    probe = ProbeResult("gw-bina1", "vpn", name, "failed", diff)
    page = pages(town, replace(lost, host_plans=tuple(plans)), folder, [probe])["en"]
    plain = pages(
        town,
        sample.plan(town, (replace(change, resource="r", action="a", diff="- d", then=("t",)),),
                    ("pc-bina2-1",)),
        folder, [replace(probe, name="n", detail="d")],
    )["en"]  # fmt: skip
    lines = len(f"- {diff}".splitlines()) - 1  # a line of a diff is a span of its own
    assert page.tags.count("span") == plain.tags.count("span") + lines
    assert [t for t in page.tags if t != "span"] == [t for t in plain.tags if t != "span"]
    for words in (name, reason, *f"- {diff}".splitlines()):
        assert " ".join(words.split()) in " ".join(page.text.split())


@settings(max_examples=20, deadline=None)
@given(where=st.sampled_from(["resource", "diff", "reason", "probe", "then"]))
def test_no_secret_is_shown(tmp_path_factory, where):
    town = sample.town(2)
    said = {w: f"before {sample.SECRET} after" if w == where else "x" for w in
            ("resource", "diff", "reason", "probe", "then")}  # fmt: skip
    change = Change("gw-bina1", "bina1", "vpn", "pyinfra", said["resource"], "update",
                    said["diff"], {}, then=(said["then"],))  # fmt: skip
    drift = sample.plan(town, (change,), ("pc-bina2-1",))
    plans = (
        replace(p, reason=said["reason"] if p.status != "ok" else "") for p in drift.host_plans
    )
    probe = ProbeResult("gw-bina1", "vpn", "works", "failed", said["probe"])
    folder = tmp_path_factory.mktemp("report")
    for page in pages(town, replace(drift, host_plans=tuple(plans)), folder, [probe]).values():
        assert sample.SECRET not in page.text
        assert "before ******** after" in page.text


def test_a_secret_of_several_lines_is_masked_before_the_diff_is_split(tmp_path):
    key = "-----BEGIN KEY-----\nc2VjcmV0\n-----END KEY-----"
    town = replace(sample.town(), secrets=(key,))
    change = sample.change(town, "gw-bina1", "vpn", "key", key)
    for page in pages(town, sample.plan(town, (change,)), tmp_path).values():
        assert "c2VjcmV0" not in page.text


@pytest.mark.parametrize("buildings", [1, 2, 3, 4, 5, 7, 12, 16])
@pytest.mark.parametrize("hosts_each", [1, 3, 30])
def test_nothing_lies_on_anything_in_the_picture(buildings, hosts_each):
    town = sample.town(buildings, hosts_each)
    states = dict.fromkeys(town.hosts, "ok")
    wires = tunnels(town, readings(town, sample.look(sample.plan(town)), ()))
    assert len(wires) == buildings * (buildings - 1) // 2
    wires = [replace(w, state="drift") for w in wires[:9]] + list(wires[9:])
    picture = draw(town, states, wires)
    boxes = [c.box for c in picture.cards] + [c.label for c in picture.curves if c.label]
    boxes.append(picture.caption)
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)
    for box in boxes:
        assert box.x >= 0
        assert box.x + box.width <= picture.width
        assert box.y >= 0
        assert box.y + box.height <= picture.height
    if len(wires) <= 6:
        assert all(c.label for c in picture.curves)  # a small town shows every address
    for card in picture.cards:
        assert all(line.y < card.box.y + card.box.height for line in card.lines)


def test_hosts_out_of_order_are_not_cut_off_the_picture():
    town = sample.town(2, 30)
    states = dict.fromkeys(town.hosts, "ok") | {"pc-bina2-29": "unknown"}
    card = draw(town, states, ()).cards[1]
    assert card.lines[0].host.name == "pc-bina2-29"
    assert len(card.lines) + card.more + 1 == 30


@pytest.mark.parametrize(
    ("host", "detail", "failed"),
    [
        ("gw-bina2", "no handshake on wg-bina1", {("gw-bina1", "gw-bina2")}),
        ("gw-bina2", "zebra does not run", {("gw-bina1", "gw-bina2"), ("gw-bina2", "gw-bina3")}),
        ("pc-bina2-1", "wg-bina1", set()),
    ],
)
def test_a_failed_check_marks_the_tunnels_it_is_about(host, detail, failed):
    town = sample.town()
    probe = ProbeResult(host, "vpn", "works", "failed", detail)
    found = tunnels(town, readings(town, sample.look(sample.plan(town)), [probe]))
    assert {(t.host, t.peer) for t in found if t.state == "failed"} == failed


def test_a_tunnel_to_an_unreachable_gateway_is_not_known():
    town = sample.town()
    found = tunnels(
        town, readings(town, sample.look(sample.plan(town, unreachable=("gw-bina3",))), ())
    )
    states = {(t.host, t.peer): t.state for t in found}
    assert states == {
        ("gw-bina1", "gw-bina2"): "ok",
        ("gw-bina1", "gw-bina3"): "unknown",
        ("gw-bina2", "gw-bina3"): "unknown",
    }
    assert (found[0].address, found[0].peer_address) == ("10.255.1.9", "10.255.1.10")


WAIVER = Waiver("pc-*", "base", "*", "ayse@ornek.bel.tr", "printer driver", "2026-06-30")
SEVERAL = [
    ("drift", {"approved_by": Authority("2026-03-01-ab", "2026-03-01T06:00:00Z", ("can@x.tr",))}),
    ("drift", {"note": AGREED, "approved_by": Authority("p", MOMENT.isoformat(), ("c",), "flood")}),
    ("pending", {}),
    ("drift", {"waiver": WAIVER}),
    ("drift", {"waiver": WAIVER, "expired": True}),
]


def several(town: Town) -> Look:
    """Return one finding of each kind, on machines of their own."""
    hosts = [name for name in town.hosts if name.startswith("pc-")][: len(SEVERAL)]
    changes = tuple(sample.change(town, h, "base", f"file /etc/{h}", "-a\n+b") for h in hosts)
    findings = tuple(
        Finding(change, kind, "2026-03-05T06:00:00Z", **about)
        for change, (kind, about) in zip(changes, SEVERAL, strict=True)
    )
    return Look(sample.plan(town, changes), findings, ("commit 3f2a is gone. Fetch it.",))


@pytest.mark.parametrize(
    ("language", "rows", "words"),
    [
        (
            "en",
            ["drift 1", "drift 1", "pending 1", "waived 1", "drift 1"],
            ["since 5 March 2026, 09:00", "last approved by can@x.tr", "nobody approved this",
             "breaking the glass", "flood", "was never applied", "waived until 2026-06-30 by ayse",
             "the waiver of ayse@ornek.bel.tr ended on 2026-06-30", "commit 3f2a is gone"],
        ),
        (
            "tr",
            ["sapma 1", "sapma 1", "bekliyor 1", "muaf 1", "sapma 1"],
            ["05.03.2026 09:00 tarihinden beri", "bunu kimse onaylamadı", "hiç uygulanmadı"],
        ),
    ],
)  # fmt: skip
def test_every_difference_says_what_it_means(tmp_path, language, rows, words):
    town = sample.town(6)
    look = several(town)
    page = pages(town, look, tmp_path, sample.checks(town))[language]
    for finding, row in zip(look.findings, rows, strict=True):
        assert row in page.rows[finding.change.host]
    for text in words:
        assert text in page.text


def test_a_waived_town_has_nothing_to_put_right(tmp_path):
    town = sample.town(6)
    look = several(town)
    only = replace(look, findings=(look.findings[3],), doubts=())
    text = pages(town, only, tmp_path, sample.checks(town))["en"].text
    assert "Everything that was looked at is in order." in text
    assert "1 more are waived" in text
    pending = replace(look, findings=(look.findings[2],), doubts=())
    text = pages(town, pending, tmp_path, sample.checks(town))["en"].text
    assert "In order, but something waits to be applied." in text


BREAKS = "snmp-server community s3cr3t-of-the-vault RW\nline vty 0 4\n transport input telnet\n"


def with_switches(**about):
    """Return a town and its network: one switch as declared, one moved, one lost."""
    town = replace(sample.town(3, 2, switches=1), **about)
    devices = [
        sample.device("sw-bina1-1", p1="gw-bina1 lan0"),
        sample.device("sw-bina2-1", p3="yabanci Fa0/1"),
    ]
    return town, sample.network(town, devices, BREAKS, lost=("sw-bina3-1",))


def network_pages(town, network, folder):
    write(town, sample.look(sample.plan(town)), sample.checks(town), (), folder, MOMENT, network)
    names = {"en": "report.en.html", "tr": "report.tr.html"}
    return {k: (folder / name).read_text(encoding="utf-8") for k, name in names.items()}


def test_network_devices_are_told_in_both_languages(tmp_path):
    found = network_pages(*with_switches(), tmp_path)
    words = {
        "en": ["No SNMP communities", "gw-bina2 lan0 should be there, and nobody is seen",
               "declared, not seen", "Not everything is known."],
        "tr": ["SNMP topluluk adı yok", "gw-bina2 lan0 olmalıydı, kimse görünmüyor",
               "bildirilmiş, görülmüyor", "Bazı şeyler okunamadı"],
    }  # fmt: skip
    for language, html in found.items():
        page = Page(html)
        assert sample.SECRET not in html
        for text in (*words[language], "FOC-sw-bina1-1", "Connection timed out", "CIS 1.5.2",
                     "+  transport input ssh", "rule no-telnet", "line vty 0 4", "L2"):  # fmt: skip
            assert text in page.text, text


def test_each_state_of_a_cable_is_told_apart_without_colour(tmp_path):
    html = network_pages(*with_switches(), tmp_path)["en"]
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8").split("@media")[0]
    looks = {
        state: re.search(rf"svg \.wire-{state} {{[^}}]*stroke-dasharray: ([\d ]+)", style)
        for state in CABLE_STATES
    }
    dashes = [found and found[1] for found in looks.values()]
    assert len(set(dashes)) == len(dashes)
    for state, (mark, words) in CABLE_STATES.items():
        drawn = re.search(
            rf'<g class="cable" data-state="{state}"><title>[^<]*{words}</title>.*?'
            rf'<line class="wire wire-{state}".*?{re.escape(mark)}</text>',
            html, re.DOTALL,
        )  # fmt: skip
        assert drawn, state


def test_who_answers_for_a_broken_rule_is_named_and_it_is_no_longer_wrong(tmp_path):
    waiver = Waiver("sw-*", "*", "rule *", "ayse@ornek.bel.tr", "soon replaced", "2026-12-31")
    town = replace(sample.town(3, 2, switches=1), waivers=(waiver,))
    devices = [sample.device(f"sw-bina{n}-1", p1=f"gw-bina{n} lan0") for n in (1, 2, 3)]
    network = sample.network(town, devices, BREAKS)
    page = Page(network_pages(town, network, tmp_path)["en"])
    assert "waived until 2026-12-31 by ayse@ornek.bel.tr: soon replaced" in page.text
    assert "transport input ssh" not in page.text
    assert "Everything that was looked at is in order." in page.text


@pytest.mark.parametrize("buildings", [1, 2, 3, 7, 16])
@pytest.mark.parametrize("switches", [1, 2, 3, 9])
def test_switches_and_their_cables_lie_on_nothing_else(buildings, switches):
    town = sample.town(buildings, 3, switches)
    devices = [
        sample.device(h.name, p1="gw-bina1 lan0", p4="yabanci Fa0/1", p5="sw-bina1-1 x", p6="a b")
        for h in town.hosts.values()
        if "switches" in h.groups
    ]
    cables = sample.network(town, devices).wiring.cables
    picture = draw(town, dict.fromkeys(town.hosts, "ok"), (), cables)
    for card in picture.cards:
        own = [h for h in town.hosts.values() if h.building == card.building.name]
        assert len(card.switches) == min(switches, 3)
        assert len(card.switches) + len(card.lines) + card.more + 1 == len(own)
        boxes = [*(s.box for s in card.switches), card.gate]
        boxes += [w.label for s in card.switches for w in s.wires]
        for one, other in combinations(boxes, 2):
            assert not one.overlaps(other)
        for box in boxes[: len(card.switches)]:
            assert card.box.x <= box.x
            assert box.x + box.width <= card.box.x + card.box.width
            assert card.box.y <= box.y
            assert box.y + box.height <= card.box.y + card.box.height
            assert not any(box.y - 6 < line.y < box.y + box.height for line in card.lines)
            assert not box.y - 6 < card.text_y + 41 < box.y + box.height
