"""Who may reach what in the lab, by its policy alone."""

from dataclasses import asdict, replace
from ipaddress import ip_address

import pytest

from kahya.cli.firewall import print_matrix
from kahya.firewall import review
from kahya.firewall.matrix import Matrix
from kahya.firewall.policy import Published
from kahya.firewall.rows import rows as rows_of
from probes.firewall import packets


@pytest.fixture(scope="module")
def matrix(town):
    return review.matrix_of(town)


@pytest.fixture(scope="module")
def rows(matrix):
    return {(row.source, row.to, row.family): row for row in rows_of(matrix)}


@pytest.mark.parametrize("family", [4, 6])
def test_a_row_has_what_is_published_and_what_holds_in_part(rows, family):
    assert asdict(rows["internet", "gateway", family]) == {
        "source": "internet", "to": "gateway", "family": family,
        "services": ("ping",), "partly": (), "published": ("website",),
    }  # fmt: skip
    desks = rows["ofis", "ofis", family]  # archive-move is for two hosts
    assert (desks.services, desks.partly) == (("ping", "printing"), ("smb",))
    assert rows["misafir", "sunucu", family].services == ()
    assert "ssh" in rows["yonetim", "gateway", family].services


def test_both_are_shown(rows, capsys):
    print_matrix([rows["internet", "gateway", 4], rows["ofis", "ofis", 4]])
    shown = " ".join(capsys.readouterr().out.split())
    assert "ping, website (published)" in shown
    assert "printing, smb (in part)" in shown


def test_the_prober_asks_the_policy_what_is_shut(matrix):
    def shut(policy):
        asked = Matrix(policy, matrix.hosts, matrix.today)
        return set(packets.closed(asked, "internet", "gw-merkez", (22, 8080)))

    known = matrix.policy
    program = Published("x", "web", "web-merkez", "x", "y", 8080)
    outer = [str(a) for a in matrix.outer if matrix.own[a] == "gw-merkez"]
    assert {ip_address(a).version for a in outer} == {4, 6}
    assert shut(known) == {(a, port) for a in outer for port in (22, 8080)}
    opened = replace(known, published=(*known.published, program))
    assert shut(opened) == {(a, 22) for a in outer}
