"""From a feed to a proposed snapshot: what is refused, what is kept, and how one goes back."""

import io
import json
import tarfile
import time
from contextlib import nullcontext, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from kahya.errors import FeedError
from kahya.feeds.build import STANDING, build, fetch, incidents_digests, incidents_of, renew
from kahya.feeds.entries import network
from kahya.feeds.store import Store

OWN = [network("10.20.1.0/24"), network("fd20:0:0:1::/64")]


class Feeds:
    """Feeds in files, and what is made of them."""

    def __init__(self, folder):
        self.folder = folder
        self.store = Store(folder / "store")
        self.settings = {"own": ["ornek.bel.tr"], "feeds": {}}

    def usom(self, lines, **limits):
        (self.folder / "usom").write_text("\n".join(lines))
        about = {"format": "usom", "url": f"file://{self.folder}/usom", "limits": limits}
        self.settings["feeds"]["usom"] = about

    def ut1(self, files, categories):
        with tarfile.open(self.folder / "ut1", "w:gz") as archive:
            for name, text in files.items():
                member = tarfile.TarInfo(f"blacklists/{name}")
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text.encode()))
        about = {"format": "ut1", "url": f"file://{self.folder}/ut1", "categories": categories}
        self.settings["feeds"]["ut1"] = about

    def fetch(self):
        """Fetch all; return the snapshot (None if a feed was never taken) and what was refused."""
        refused = fetch(self.settings, self.store, tuple(self.settings["feeds"]), OWN)
        snapshot = None
        with suppress(FeedError) if refused else nullcontext():
            snapshot = build(self.settings, self.store)
        return snapshot, [str(error) for error in refused]

    def lines(self, snapshot, name):
        digest, count = snapshot.lists[name]
        found = self.store.path(digest).read_text().split()
        assert len(found) == count
        return found


@pytest.fixture
def feeds(tmp_path):
    return Feeds(tmp_path)


def many(count):
    return [f"d{n}.example" for n in range(count)]


def test_the_mixed_lines_of_usom_come_apart(feeds):
    feeds.usom(
        ["b.example", "http://site.example/bad", "203.0.113.9", "a.b.example", "2001:db8::/64"]
    )
    snapshot, refused = feeds.fetch()
    assert refused == []
    assert feeds.lines(snapshot, "domains/usom") == ["b.example"]
    assert feeds.lines(snapshot, "urls/usom") == ["site.example/bad"]
    assert feeds.lines(snapshot, "addresses/usom") == ["2001:db8::/64", "203.0.113.9"]


def test_only_the_categories_that_are_asked_for_are_read(feeds):
    feeds.ut1({"adult/domains": "a.example\n", "adult/urls": "b.example/x\n",
               "games/domains": "g.example\n", "adult/usage": "black"}, ["adult"])  # fmt: skip
    snapshot, _ = feeds.fetch()
    assert set(snapshot.lists) == {"domains/adult", "urls/adult"} | STANDING


def test_a_category_that_is_gone_and_what_is_no_archive_are_refused(feeds):
    feeds.ut1({"adult/domains": "a.example\n"}, ["adult", "malware"])
    assert "it has no malware" in feeds.fetch()[1][0]
    (feeds.folder / "ut1").write_text("<html>")
    assert "is no archive" in feeds.fetch()[1][0]


@pytest.mark.parametrize("member", ["games/domains", "adult/domains"])
def test_an_archive_that_unpacks_to_too_much_is_refused(feeds, member):
    feeds.ut1({member: "a.example\n" * 200_000, "adult/urls": "b.example/x"}, ["adult"])
    feeds.settings["feeds"]["ut1"]["limits"] = {"megabytes": 1}
    assert (feeds.folder / "ut1").stat().st_size < 100_000
    assert "larger than 1 MB" in feeds.fetch()[1][0]


def test_an_archive_that_is_damaged_inside_is_refused(feeds):
    feeds.ut1({"adult/domains": "".join(f"{n * n}.example\n" for n in range(9999))}, ["adult"])
    file = feeds.folder / "ut1"
    raw = file.read_bytes()
    file.write_bytes(raw[:9999] + bytes(99) + raw[10098:])
    assert "is no archive" in feeds.fetch()[1][0]


def test_what_is_allowed_is_in_no_list_and_is_a_list_itself(feeds):
    feeds.settings |= {"allow": ["ok.example"], "block": ["x.ok.example", "bad.example"]}
    feeds.usom(["www.ok.example", "ok.example/x", "c.example"])
    snapshot, _ = feeds.fetch()
    assert feeds.lines(snapshot, "domains/usom") == ["c.example"]
    assert feeds.lines(snapshot, "domains/town") == ["bad.example"]
    assert feeds.lines(snapshot, "domains/allow") == ["ok.example"]
    assert "urls/usom" not in snapshot.lists


@pytest.mark.parametrize(
    ("count", "limits", "taken"),
    [(81, {}, True), (80, {}, False), (200, {}, True), (201, {}, False), (1, {"shrink": 100}, True),
     (201, {"grow": 500}, True)],
)  # fmt: skip
def test_a_feed_that_jumps_is_refused_and_stays_as_it_was(feeds, count, limits, taken):
    feeds.usom(many(100))
    before, _ = feeds.fetch()
    feeds.usom(many(count), **limits)
    after, refused = feeds.fetch()
    assert bool(refused) != taken
    assert (after.lists == before.lists) != taken
    assert taken or f"from 100 to {count}" in refused[0]


@pytest.mark.parametrize(
    "line", ["ornek.bel.tr", "www.ornek.bel.tr", "bel.tr", "http://ornek.bel.tr/x", "10.20.1.7",
             "10.20.0.0/16", "10.20.1.7/x", "fd20:0:0:1::9"],
)  # fmt: skip
def test_a_feed_with_what_is_the_towns_own_is_refused(feeds, line):
    feeds.usom([*many(100), line])
    snapshot, refused = feeds.fetch()
    assert "the town's own" in refused[0]
    assert snapshot is None


@pytest.mark.parametrize("lines", [["<html>", "<body>Hata!</body>"], [], [*many(80), *["?"] * 3,
                                   *(f"< {n}" for n in range(10))]])  # fmt: skip
def test_what_is_no_list_is_refused(feeds, lines):
    feeds.usom(lines)
    assert "name nothing" in feeds.fetch()[1][0]


def test_a_snapshot_says_what_it_was_made_from_and_the_same_again_is_the_same(feeds):
    feeds.usom(many(10))
    first, _ = feeds.fetch()
    second, _ = feeds.fetch()
    assert first.id == second.id
    kept = feeds.store.snapshot(first.id)
    assert kept.sources["usom"].url.startswith("file://")
    assert kept.sources["usom"].counts["domains/usom"] == 10
    feeds.settings["allow"] = ["d3.example"]
    assert build(feeds.settings, feeds.store).id != first.id


def test_a_store_that_was_altered_is_found_out(feeds):
    feeds.usom(many(10))
    snapshot, _ = feeds.fetch()
    file = feeds.store.folder / f"snapshots/{snapshot.id}.json"
    data = json.loads(file.read_text())
    file.write_text(json.dumps(data | {"own": "0" * 64}))
    with pytest.raises(FeedError, match="isn't what it was"):
        feeds.store.snapshot(snapshot.id)
    source = feeds.store.folder / "sources/usom"
    for altered in ("evil.example", source.read_text().replace("d3.example", "e3.example")):
        source.write_text(altered)
        with pytest.raises(FeedError, match="isn't what it was"):
            build(feeds.settings, feeds.store)


def test_what_was_altered_of_a_snapshot_is_written_anew(feeds):
    feeds.usom(many(10))
    snapshot, _ = feeds.fetch()
    digest, _ = snapshot.lists["domains/usom"]
    for file in (feeds.store.path(digest), feeds.store.folder / f"snapshots/{snapshot.id}.json"):
        good = file.read_bytes()
        file.write_bytes(b"{}")
        assert build(feeds.settings, feeds.store).id == snapshot.id
        assert file.read_bytes() == good


@pytest.mark.parametrize("nth", [1, 2])
def test_a_fetch_that_is_killed_leaves_what_was_taken_whole(feeds, monkeypatch, nth):
    feeds.usom(many(10))
    feeds.fetch()
    feeds.usom(many(11))
    done = []

    def replace(self, target, replace=Path.replace):
        done.append(target)
        if len(done) == nth:
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(Path, "replace", replace)
        fetch(feeds.settings, feeds.store, ("usom",), OWN)
    source = build(feeds.settings, feeds.store).sources["usom"]
    assert source.counts["domains/usom"] == (10 if nth == 1 else 11)


def test_a_feed_that_was_never_taken_is_no_feed_without_entries(feeds):
    feeds.usom(many(10))
    feeds.fetch()
    feeds.ut1({"adult/domains": "a.example"}, ["adult"])
    with pytest.raises(FeedError, match="sources/ut1 is missing"):
        build(feeds.settings, feeds.store)


ENDLESS = {"/endless": 65536, "/drip": 1}


class Mirror(BaseHTTPRequestHandler):
    """Answers /list whole, /cut with less than it promises, /endless and /drip never to the end."""

    def do_GET(self):
        if self.path == "/nonsense":
            self.wfile.write(b"SSH-2.0-nonsense\r\n")
            return
        self.send_response(200 if self.path != "/gone" else 404)
        text = b"a.example\n"
        if self.path not in ENDLESS:
            self.send_header("Content-Length", str(len(text) + (self.path == "/cut")))
        self.end_headers()
        self.wfile.write(text)
        while self.path in ENDLESS:
            try:
                self.wfile.write(b"x" * ENDLESS[self.path])
                time.sleep(0.05 * (self.path == "/drip"))
            except OSError:
                return

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def mirror():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.parametrize(
    ("path", "words"),
    [("/list", ""), ("/cut", "broke off"), ("/gone", "404"), ("/endless", "larger than 1 MB"),
     ("/drip", "not within 2 s"), ("/nonsense", "SSH-2.0")],
)  # fmt: skip
def test_a_mirror_that_answers_wrong_is_refused(feeds, mirror, path, words):
    feeds.settings["feeds"]["usom"] = {
        "format": "usom", "url": mirror + path,
        "limits": {"megabytes": 1, "seconds": 2 if path == "/drip" else 60},
    }  # fmt: skip
    feeds.ut1({"adult/domains": "a.example\n"}, ["adult"])  # comes after it
    snapshot, refused = feeds.fetch()
    assert (snapshot is not None) == (not words)
    assert feeds.store.source("ut1").counts["domains/adult"] == 1
    assert words in "".join(refused)
    assert bool(refused) == bool(words)


def test_an_incident_takes_nothing_new_of_the_feeds_along(feeds):
    feeds.usom(["a.example"])
    first, _ = feeds.fetch()
    feeds.usom(["a.example", "b.example"])
    feeds.fetch()
    feeds.settings["incidents"] = ["evil.example", "evil2.example/page"]
    renewed = renew(first, feeds.settings, feeds.store)
    assert {name: count for name, (_, count) in renewed.lists.items()} == {
        "domains/incidents": 1,
        "domains/usom": 1,
        "urls/incidents": 1,
    }
    assert incidents_of(renewed.lists) == incidents_digests(feeds.settings)
    assert renew(renewed, {**feeds.settings, "incidents": []}, feeds.store) == first
    assert build(feeds.settings, feeds.store).lists["domains/usom"][1] == 2
