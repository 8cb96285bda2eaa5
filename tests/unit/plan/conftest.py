"""A town's people with throwaway keys, made by ssh-keygen itself."""

import subprocess
from pathlib import Path

import pytest

from kahya import approvers

ROLES = {
    "ayse": "roles=network,manager",
    "mehmet": "roles=systems",
    "zeynep": "roles=manager buildings=fen_isleri",
}


def public(key: Path) -> str:
    """Return the public key beside a private one, without its comment."""
    return " ".join(key.with_suffix(".pub").read_text().split()[:2])


class People:
    """Keys by name, and the approvers file that knows all but the stranger's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "approvers"
        for name in (*ROLES, "stranger"):
            self.make(name)
        lines = (
            f'{name}@ornek.bel.tr namespaces="kahya-plan,kahya-review"'
            f" {public(self.key(name))} {about}\n"
            for name, about in ROLES.items()
        )
        self.file.write_text("".join(lines))
        self.all = approvers.load(self.file)

    def make(self, name: str, passphrase: str = "") -> Path:
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", self.key(name)]
        subprocess.run(command, check=True)
        return self.key(name)

    def key(self, name: str) -> Path:
        return self.folder / name


@pytest.fixture(scope="session")
def people(tmp_path_factory):
    return People(tmp_path_factory.mktemp("people"))
