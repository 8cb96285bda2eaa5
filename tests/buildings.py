"""A further building, the town library, added to a town as docs/adding.md says."""

import re
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from textwrap import dedent

import yaml
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

ROOT = Path(__file__).parents[1]
FILE = re.compile(r"```yaml\n *# (inventories/lab/\S+)\n(.*?)```", re.DOTALL)
KEYS = re.compile(r"^vpn_public_key: .*\nvpn_private_key: .*", re.MULTILINE)
HOSTS = {"gw-kutuphane", "sw-kutuphane", "pc-kutuphane"}


def add_library(folder):
    """Add the page's blocks to the inventory in ``folder``; return the private key they have."""
    files = dict(FILE.findall((ROOT / "docs/adding.md").read_text(encoding="utf-8")))
    assert len(files) == 3
    private, public = key_pair()
    for name, block in files.items():
        path, text = folder / name, dedent(block)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            there = yaml.safe_load(path.read_text(encoding="utf-8"))
            text = yaml.safe_dump(merged(there, yaml.safe_load(text)))
        path.write_text(KEYS.sub(f"vpn_public_key: {public}\n{vault(private)}", text), "utf-8")
    return private


def key_pair():
    """Return what wg genkey and wg pubkey print."""
    key = X25519PrivateKey.generate()
    both = key.private_bytes_raw(), key.public_key().public_bytes_raw()
    return tuple(b64encode(half).decode() for half in both)


def vault(secret):
    """Return the line that the documented command prints."""
    words = ["--encrypt-vault-id", "lab", "--stdin-name", "vpn_private_key"]
    command = [Path(sys.executable).with_name("ansible-vault"), "encrypt_string", *words]
    done = subprocess.run(
        command, input=secret, capture_output=True, text=True, check=True, cwd=ROOT
    )
    return done.stdout.rstrip()


def merged(there, new):
    """Return both trees in one."""
    if not isinstance(there, dict):
        return new
    return there | {key: merged(there.get(key), value) for key, value in new.items()}
