"""The pyinfra runner with this machine as every host: commands run here, without ssh and sudo.

The host "off" can't be reached. Every command that is sent is written to KAHYA_TEST_LOG; the ways
back are kept in KAHYA_TEST_RETURN.
"""

import os
import subprocess
import sys
from pathlib import Path

from pyinfra.api.exceptions import ConnectError, PyinfraError
from pyinfra.connectors.util import CommandOutput, OutputLine, make_unix_command

from kahya.engines import pyinfra_return, pyinfra_runner, pyinfra_ssh


class Here(pyinfra_ssh.Connection):
    def connect(self):
        if self.host.name == "off":
            raise ConnectError("Could not connect (timed out)")

    def _live(self, command, _arguments, _seconds):
        text = make_unix_command(command).get_raw_value()
        done = _run(text, None)
        lines = [OutputLine("stdout", line) for line in done.stdout.decode().splitlines()]
        lines += [OutputLine("stderr", line) for line in done.stderr.decode().splitlines()]
        return done.returncode == 0, CommandOutput(lines)

    def send(self, command, data):
        data = data if isinstance(data, bytes) else data.encode()
        done = _run(command.removeprefix("sudo -H -n "), data)
        if done.returncode:
            raise PyinfraError(done.stderr.decode().strip())
        return done.stdout


def _run(command, data):
    with Path(os.environ["KAHYA_TEST_LOG"]).open("a", encoding="utf-8") as log:
        log.write(repr(command) + "\n")
    return subprocess.run(command, shell=True, input=data, capture_output=True, check=False)


if __name__ == "__main__":
    sys.stdin.reconfigure(encoding="utf-8")
    pyinfra_runner.Connection = Here
    pyinfra_return.FOLDER = os.environ["KAHYA_TEST_RETURN"]
    pyinfra_runner.main()
