"""Every test here runs on SQLite, and on PostgreSQL where there is one.

KAHYA_TEST_POSTGRES names a database (a URL); without it, a throwaway server is started from the
binaries of Debian's package, where they are installed. It runs as an unprivileged user, in a folder
of its own, and listens on a socket in it only.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from kahya.journal import Journal

BINARIES = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
NUMBERS = count()


@pytest.fixture(scope="session")
def postgres():
    """Return the URL of a PostgreSQL in which databases may be made."""
    if given := os.environ.get("KAHYA_TEST_POSTGRES"):
        yield make_url(given)
    elif BINARIES is None:
        pytest.skip("neither KAHYA_TEST_POSTGRES nor PostgreSQL's binaries")
    else:
        with throwaway_server(BINARIES) as url:
            yield url


@contextlib.contextmanager
def throwaway_server(binaries):
    root = os.geteuid() == 0  # PostgreSQL refuses to run as root
    user = "nobody" if root else None
    with tempfile.TemporaryDirectory(prefix="kahya-pg-") as folder:
        if root:
            shutil.chown(folder, user)
        data = f"{folder}/data"

        def run(*command):
            done = subprocess.run(
                command, user=user, cwd=folder, env={"PATH": "/usr/bin:/bin"}, check=False,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout

        run(binaries / "initdb", "-D", data, "-U", "kahya", "-A", "trust", "-E", "UTF8", "-N")
        options = f"-k {folder} -c listen_addresses= -c fsync=off"
        # The server would hold a pipe open for ever; its log is a file.
        run(binaries / "pg_ctl", "-w", "-D", data, "-l", f"{folder}/log", "-o", options, "start")
        try:
            yield make_url(f"postgresql+psycopg://kahya@/postgres?host={folder}")
        finally:
            run(binaries / "pg_ctl", "-D", data, "-m", "immediate", "stop")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """Return the URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/journal.sqlite"
        return
    server = request.getfixturevalue("postgres")
    name = f"kahya_test_{os.getpid()}_{next(NUMBERS)}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield server.set(database=name).render_as_string(hide_password=False)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def journal(url, tmp_path):
    """Return an empty journal."""
    return Journal.in_folder(tmp_path, url)


@pytest.fixture
def database(url):
    """Return the same database without Kâhya: what an intruder has."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    yield engine
    engine.dispose()
