"""The image that every host of the lab starts from: Debian as just installed, with sshd."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

from containers import Podman
from mirror import RELEASE, apt_setting, sources
from tools import LabError

RECIPE = Path(__file__).with_name("image.sh")
INCLUDE = (
    "ca-certificates,dbus,iproute2,iputils-ping,nftables,openssh-server,procps,python3,"
    "python3-apt,sudo,systemd,systemd-sysv,tzdata,vim-tiny"
)


def image(podman: Podman, say: Callable[[str], None]) -> str:
    """Return the image's name; build it first where its recipe has no image yet.

    Raises:
        LabError: it can't be built; mmdebstrap has printed why.
    """
    # A machine whose mirror is a snapshot of the past is told to bear it; so are the hosts.
    tolerance = [
        f'Acquire::{key} "false";'
        for key in ("Check-Valid-Until", "Check-Date")
        if apt_setting(f"Acquire::{key}") == "false"
    ]
    recipe = repr((RECIPE.read_text(encoding="utf-8"), INCLUDE, tolerance)).encode()
    name = f"localhost/kahya-lab:{hashlib.sha256(recipe).hexdigest()[:12]}"
    if not podman("images", "--quiet", name):
        say(f"building the image {name} (about a minute)")
        _build(podman, name, tolerance)
    return name


def _build(podman: Podman, name: str, tolerance: list[str]) -> None:
    where = sources()
    make = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={INCLUDE}"]
    make += [f"--aptopt={option}" for option in tolerance]
    make += [f"--customize-hook={RECIPE}", RELEASE, "-"]
    make += [f"deb {where[RELEASE]} {suite} main" for suite in (RELEASE, f"{RELEASE}-updates")]
    make += [f"deb {where[f'{RELEASE}-security']} {RELEASE}-security main"]
    keep = ["podman", "import", "--quiet", "--change", "STOPSIGNAL SIGRTMIN+3", "-", name]
    with subprocess.Popen(make, stdout=subprocess.PIPE) as made:
        kept = subprocess.run(
            keep, stdin=made.stdout, stdout=subprocess.DEVNULL, env=podman.env, check=False
        )
    if made.returncode or kept.returncode:
        podman("rmi", "--force", name)  # what there is of it is not whole
        raise LabError(f"the image could not be built: mmdebstrap ended {made.returncode}")
