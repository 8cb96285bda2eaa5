"""Every test here runs on SQLite, and on PostgreSQL where there is one.

KAHYA_TEST_POSTGRES names a database (a URL); without it, a throwaway server is started from the
binaries of Debian's package, where they are installed. It runs as an unprivileged user, in a folder
of its own, and listens on a socket in it only.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

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
    user = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    with tempfile.TemporaryDirectory(prefix="kahya-pg-") as folder:
        if user:
            shutil.chown(folder, user)
        about = {"user": user, "cwd": folder, "env": {"PATH": "/usr/bin:/bin"}}
        init = [binaries / "initdb", "-D", "data", "-U", "kahya", "-A", "trust", "-E", "UTF8", "-N"]
        subprocess.run(init, **about, check=True, capture_output=True)
        # It ends with the tests, however these end.
        command = ["setpriv", "--pdeathsig", "QUIT", binaries / "postgres", "-D", "data"]
        command += ["-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"]
        url = make_url(f"postgresql+psycopg://kahya@/postgres?host={folder}")
        with (
            Path(f"{folder}/log").open("wb") as log,
            subprocess.Popen(command, **about, stdout=log, stderr=log) as server,
        ):
            try:
                await_server(url)
                yield url
            finally:
                server.send_signal(signal.SIGQUIT)


def await_server(url):
    """Wait until the server answers, for ten seconds at most."""
    engine, end = create_engine(url), time.monotonic() + 10
    while True:
        try:
            engine.connect().close()
        except OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            engine.dispose()
            return


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
