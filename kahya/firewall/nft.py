"""Load a ruleset where it does nothing, and have nft list what the kernel understood of it."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from kahya.errors import PlanError
from kahya.i18n import _

SECONDS = 60
LIST = "PATH=$PATH:/usr/sbin; nft -f - && nft -j list ruleset"


def listed(text: str) -> dict[str, Any]:
    """Load ``text`` in a network namespace that ends at once; libnftables-json(5) says what it is.

    Raises:
        PlanError: there are no such namespaces here, nft is missing or refuses the text.
    """
    # Who is not root makes a user namespace, too, to be root in.
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", "--net", *user, "sh", "-c", LIST]
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except FileNotFoundError as error:
        raise _no_namespace(_("there is no command unshare"), _("Install util-linux.")) from error
    except subprocess.TimeoutExpired as error:
        why = _("nft takes more than {seconds} seconds").format(seconds=SECONDS)
        raise _no_namespace(why, _("Try again when this machine has less to do.")) from error
    why = done.stderr.strip()
    if done.returncode and why.startswith("unshare:"):
        remedy = _(
            "Run this as root, or let users make namespaces: sysctl user.max_user_namespaces, on"
            " Debian kernel.unprivileged_userns_clone, on Ubuntu"
            " kernel.apparmor_restrict_unprivileged_userns."
        )
        raise _no_namespace(why, remedy)
    if done.returncode:
        message = _("nft can't load the ruleset: {why}").format(why=why)
        raise PlanError(message, _("Install nftables here, or correct the policy."))
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _no_namespace(why: str, remedy: str) -> PlanError:
    return PlanError(_("the firewall can't be checked here: {why}").format(why=why), remedy)
