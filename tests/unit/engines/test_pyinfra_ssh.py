"""What the connection makes of commands that don't end."""

from types import SimpleNamespace

import pytest
from pyinfra.connectors.ssh import SSHConnector

from kahya.engines.pyinfra_ssh import CHANGE_SECONDS, READ_SECONDS, Connection


@pytest.mark.parametrize(
    ("reading", "asked", "seconds"),
    [
        (False, {}, CHANGE_SECONDS),
        (False, {"_timeout": None}, CHANGE_SECONDS),
        (False, {"_timeout": 60}, 60),
        (True, {}, READ_SECONDS),
    ],
)
def test_no_command_is_waited_for_without_end(monkeypatch, reading, asked, seconds):
    def endless(_self, _command, _timeout):
        assert _timeout == seconds
        raise TimeoutError

    monkeypatch.setattr(SSHConnector, "run_shell_command", endless)
    monkeypatch.setattr(
        "kahya.engines.pyinfra_ssh.make_unix_command_for_host",
        lambda *_a, **_k: SimpleNamespace(get_raw_value=str),
    )
    connection = Connection(None, SimpleNamespace(data={}))
    if reading:
        connection._used = {}
    with pytest.raises(OSError, match=f"not done after {seconds} s"):
        connection.run_shell_command("apt-get update", **asked)
