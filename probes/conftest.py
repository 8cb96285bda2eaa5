"""What every probe gets: ``host`` (testinfra, over ssh), its ``vars``, the ``town``, ``outside``.

`kahya probe` chooses the hosts and names a private file with the inventory in KAHYA_PROBE_JSON;
results go, one JSON object a line, to KAHYA_PROBE_RESULTS.
"""

import json
import os
import socket
from functools import cache
from pathlib import Path

import pytest
import testinfra

WAIT_SECONDS = 3
INVENTORY = json.loads(Path(os.environ["KAHYA_PROBE_JSON"]).read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def town():
    """The inventory: ``hosts`` and ``outside`` by name, each with its variables.

    Who is outside and has a ``building`` stands in a network of the town.
    """
    return INVENTORY


@pytest.fixture
def vars(host):
    """The variables of the host under test."""
    return INVENTORY["hosts"][name_of(host)]


@pytest.fixture(scope="session")
def answers():
    """Ask whether a port of an address takes a connection from here."""

    def answers(address, port):
        try:
            socket.create_connection((address, port), WAIT_SECONDS).close()
        except OSError:
            return False
        return True

    return answers


@pytest.fixture(scope="session")
def outside():
    """A host on the carrier's side, to look at the town as a stranger would; may be missing."""
    for name in (n for n, v in INVENTORY["outside"].items() if "building" not in v):
        return testinfra.get_host(f"ssh://{name}", ssh_config=INVENTORY["ssh_config"], sudo=True)
    pytest.fail("the inventory has no host in the group outside to look from")


@pytest.fixture(scope="session")
def ends(town):
    """What a gateway's tunnels are: (name, own public key, peer's); None where nobody answers."""

    @cache
    def look(gateway):
        peer = testinfra.get_host(f"ssh://{gateway}", ssh_config=town["ssh_config"], sudo=True)
        try:
            shown = peer.run("wg show all public-key; wg show all peers").stdout
        except RuntimeError:  # of testinfra: ssh itself failed
            return None
        keys = {}
        for name, key in map(str.split, shown.splitlines()):
            keys.setdefault(name, []).append(key)
        return {(name, *both) for name, both in keys.items()}

    return look


@pytest.fixture
def tunnels(vars, town, ends):
    """The tunnels of the gateway under test that have another end by now.

    One whose other end has not its tunnel or its keys yet, for its turn comes later, is nobody's
    failure here. Of a gateway that can't be asked, all count.
    """

    def there(tunnel):
        own = tunnel["address"].split("/")[0]
        of_peer = town["hosts"][tunnel["peer_host"]]["tunnels"]
        [back] = [end for end in of_peer if end["peer_address"] == own]
        seen = ends(tunnel["peer_host"])
        return seen is None or (back["name"], back["public_key"], back["peer_public_key"]) in seen

    return [tunnel for tunnel in vars["tunnels"] if there(tunnel)]


def name_of(host) -> str:
    return host.backend.get_pytest_id().removeprefix("ssh://")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    host = item.funcargs.get("host")
    broken = report.failed and report.when != "call"
    said = dict(item.user_properties)
    if report.when == "call" or broken:
        doc = (item.function.__doc__ or item.name).strip().splitlines()[0]
        result = {
            "host": name_of(host) if host else "",
            "name": doc,
            "status": "error" if broken else "passed" if report.passed else "failed",
            "detail": str(call.excinfo.value) if call.excinfo else said.get("detail", ""),
        }
        with Path(os.environ["KAHYA_PROBE_RESULTS"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")
    return report
