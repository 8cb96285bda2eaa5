"""The databases answer those they should, and nobody else.

The client runs on the server but asks it over the building's network, as an application does.
"""

import shlex
import subprocess
from ipaddress import ip_address, ip_network

import pytest

ROUND_TRIP = (
    "BEGIN; CREATE TABLE kahya_probe (word text); INSERT INTO kahya_probe VALUES ('şehir'); "
    "SELECT word FROM kahya_probe; ROLLBACK"
)


@pytest.fixture
def passwords(vars):
    return {
        role["name"]: role["password"] for role in vars["postgresql_roles"] if "password" in role
    }


@pytest.fixture
def ask(vars, town):
    """Ask the server over TLS, its certificate checked, as ``role``.

    The password goes by standard input into a private file in memory: psql takes none otherwise
    that no list of processes shows.
    """

    def ask(role, password, database, sql="SELECT 1", tls="verify-full"):
        server = f"host={vars['ansible_host']} dbname={database} user={role} sslmode={tls}"
        psql = shlex.join(["psql", "-XqAtw", server, "-c", sql])
        command = (
            "export PGSSLROOTCERT=$(echo /etc/postgresql/*/main/server.crt); "
            "export PGPASSFILE=$(mktemp -p /dev/shm); trap 'rm -f $PGPASSFILE' EXIT; "
            rf"sed 's/[:\\]/\\&/g; s/^/*:*:*:*:/' >$PGPASSFILE; {psql}"
        )
        return subprocess.run(
            ["ssh", "-F", town["ssh_config"], vars["inventory_hostname"], command],
            input=f"{password}\n", capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip

    return ask


@pytest.fixture
def entries(vars):
    """Who may log in, from where we ask."""
    here = ip_address(vars["ansible_host"])
    found = [e for e in vars["postgresql_access"] if here in ip_network(e["address"])]
    assert found, "nobody may log in from the server's own network, so nothing can be tried"
    return found


def test_login(ask, entries, passwords):
    """Every role that may log in gets an answer, over TLS with its password."""
    for entry in entries:
        answer = ask(entry["role"], passwords[entry["role"]], entry["database"])
        assert answer.stdout == "1\n", f"{entry['role']}: {answer.stderr}"


def test_plain(ask, entries, passwords):
    """The right password without TLS is refused."""
    for entry in entries:
        answer = ask(entry["role"], passwords[entry["role"]], entry["database"], tls="disable")
        assert answer.returncode, f"{entry['role']} got in without TLS"
        assert "no encryption" in answer.stderr


def test_password(ask, entries):
    """A wrong password is refused."""
    for entry in entries:
        answer = ask(entry["role"], "wrong", entry["database"])
        assert answer.returncode, f"{entry['role']} got in with a wrong password"
        assert "password authentication failed" in answer.stderr


def test_round_trip(ask, entries, passwords, vars):
    """The owner of each database writes a row and reads it again."""
    owners = {(base["name"], base["owner"]) for base in vars["postgresql_databases"]}
    for database, role in owners & {(e["database"], e["role"]) for e in entries}:
        answer = ask(role, passwords[role], database, ROUND_TRIP)
        assert answer.stdout == "şehir\n", f"{role}: {answer.stderr}"


def test_readers(ask, entries, passwords, vars):
    """Nobody but its owner writes to a database."""
    owners = {base["name"]: base["owner"] for base in vars["postgresql_databases"]}
    for entry in entries:
        if entry["role"] != owners.get(entry["database"]):
            answer = ask(entry["role"], passwords[entry["role"]], entry["database"], ROUND_TRIP)
            assert "permission denied" in answer.stderr, f"{entry['role']} wrote a row"
