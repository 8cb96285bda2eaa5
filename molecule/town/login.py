"""Log in to a host the way Kâhya does; runs in the workstation's network (`scripts/lab ssh`)."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from kahya.inventory import load
from kahya.ssh import beyond_vpn, write_ssh_config


def main(inventory: str, host: str, *command: str) -> int:
    """Log in to ``host``, run ``command`` there, and return ssh's exit code."""
    town = load(Path(inventory))
    with tempfile.TemporaryDirectory() as folder:
        config = write_ssh_config(town, Path(folder), beyond_vpn(town))
        return subprocess.run(["ssh", "-F", str(config), host, *command], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
