"""What lines of a feed name; that their order means nothing; that a URL never blocks its site."""

from pathlib import Path
from time import process_time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kahya.feeds.build import own_lists, without_allowed
from kahya.feeds.entries import Entries, covered, host_of, named, read

CASES = yaml.safe_load(Path(__file__).with_name("entries.yml").read_text(encoding="utf-8"))
LABELS = st.sampled_from(["a", "b", "c", "www", "ş", "xn--rnek-4qa", "ornek"])
HOSTS = st.builds(".".join, st.lists(LABELS, min_size=1, max_size=3)).map("{}.example".format)
ADDRESSES = st.sampled_from(["203.0.113.9", "203.0.113.0/24", "203.0.113.128/25", "2001:db8::9"])
PATHS = st.sampled_from(["/x", "/x?y=1", "/ş", ":8080", "?q"])
URLS = st.builds("{}{}{}".format, st.sampled_from(["", "http://", "https://"]), HOSTS, PATHS)
LINES = st.lists(HOSTS | URLS | ADDRESSES | st.sampled_from(["", "# note", "a b", "com"]))
MILLION = 1_000_000


def entries(lines):
    return read("\n".join(lines).encode())


def text(found: Entries) -> list[str]:
    return [*(d.decode() for d in found.domains), *(u.decode() for u in found.urls),
            *map(str, found.addresses)]  # fmt: skip


def blocks(found: Entries, host: bytes) -> bool:
    return host in found.domains or covered(host, found.domains)


@pytest.mark.parametrize(("line", "wanted"), CASES, ids=[line for line, _ in CASES])
def test_a_line_names_what_the_case_says(line, wanted):
    assert named(line.encode()) == (wanted and tuple(part.encode() for part in wanted))


def test_latin_1_windows_line_ends_and_comments():
    found = read(b"kur\xfe.example\r\n# \xfe\r\n\r\na.example\r\n")
    assert (len(found.domains), found.rejected) == (2, set())


def test_a_name_that_is_too_long_is_rejected():
    assert entries([".".join(["a" * 63] * 4) + ".example"]).domains == set()


@given(LINES, st.randoms(use_true_random=False))
def test_order_and_repetition_mean_nothing(lines, random):
    other = [*lines, *lines]
    random.shuffle(other)
    assert entries(other) == entries(lines)


@given(LINES)
def test_what_was_read_reads_as_itself(lines):
    found = entries(lines)
    again = entries(text(found))
    assert (again.domains, again.urls, again.addresses) == (
        found.domains, found.urls, found.addresses,
    )  # fmt: skip
    assert not again.rejected


@given(LINES)
def test_nothing_in_a_list_lies_beneath_another_and_nothing_is_lost(lines):
    found = entries(lines)
    assert not any(covered(domain, found.domains) for domain in found.domains)
    for line in lines:
        name = named(line.encode())
        if name and not name[1] and b"/" not in name[0] and name[0][-1:].isalpha():
            assert blocks(found, name[0])


@given(st.lists(URLS), HOSTS)
def test_a_url_never_blocks_its_site(lines, host):
    found = entries(lines)
    assert not found.domains
    assert not found.addresses
    assert not blocks(found, host.encode())


@given(LINES, LINES)
def test_what_is_allowed_is_never_blocked(blocked, allowed):
    allow = entries(allowed)
    left = without_allowed(entries(blocked), allow)
    assert not any(d in allow.domains or covered(d, allow.domains) for d in left.domains)
    assert not any(blocks(allow, host_of(url)) or url in allow.urls for url in left.urls)
    for address in left.addresses:
        assert not any(a.version == address.version and a.overlaps(address)
                       for a in allow.addresses)  # fmt: skip


@given(LINES, LINES)
def test_what_is_not_allowed_stays_blocked(blocked, allowed):
    found, allow = entries(blocked), entries(allowed)
    left = without_allowed(found, allow)
    for domain in found.domains - left.domains:
        assert blocks(allow, domain)


def test_the_towns_own_lists_are_read():
    allow, block = own_lists({"allow": ["a.example"], "block": ["b.example/x"]})
    assert (allow.domains, block.urls) == ({b"a.example"}, {b"b.example/x"})


def test_a_million_domains_take_seconds():
    """Of this machine's processor alone, for others may be at work on it, too."""
    lines = b"".join(b"d%d.s%d.example\n" % (n, n % 999) for n in range(MILLION))
    start = process_time()
    assert len(read(lines).domains) == MILLION
    assert process_time() - start < 10
