"""What the driver can ask the device to do. Every function answers a dictionary.

A commit is always made the same way: arm the return timer, change, verify, and only then keep it.
The startup configuration is written when the change is confirmed, right before the timer is
disarmed: until then a reboot returns to the old configuration as well.
"""

import hashlib
import json
import socket
import time
from pathlib import Path
from typing import Any

from . import shadow, store, text, vtysh
from .converge import converge

# Seconds after which even a plain commit returns, should this program die in the middle of it.
GUARD = 300
SAVES = 3  # times to try, when daemons crash
Answer = dict[str, Any]


class RefusedError(Exception):
    """The request can't be carried out; the device is as it was unless the words say otherwise."""


def stage(mode: str, candidate: str) -> Answer:
    """Try a candidate (mode "replace" or "merge") on the shadow.

    Returns {"base": running, "prediction": what running would be}, both canonical.
    Raises RejectedError.
    """
    raw = vtysh.show("show running-config")
    base = text.canonical(raw)
    _check_profile(raw, candidate)
    router = shadow.describe_router()
    zebra = Path(router["daemons"][0][0]).stat()
    key = digest(json.dumps([mode, candidate, raw, router, zebra.st_mtime, zebra.st_size]))
    prediction = store.recall(key)
    if prediction is None:
        prediction = _predict(router, base, candidate, mode)
        store.remember(key, prediction)
    return {"base": base, "prediction": prediction}


def _predict(router: shadow.Router, base: str, candidate: str, mode: str) -> str:
    start = base if mode == "merge" else ""
    printed = shadow.run(router, start=start, candidate=candidate)["prediction"]
    prediction = text.render(text.in_order_of(text.parse(base), text.parse(printed)))
    if prediction != base:  # rehearse the very way the commit will take
        shadow.run(router, start=base, target=prediction)
    return prediction


def _check_profile(raw: str, candidate: str) -> None:
    """The set of defaults is chosen when the daemons start; a candidate can't change it."""
    in_use = [line for line in raw.splitlines() if line.startswith("frr defaults ")]
    for number, line in enumerate(candidate.splitlines(), 1):
        if line.startswith("frr defaults ") and line.split() != in_use[0].split():
            raise shadow.RejectedError(
                f"line {number}: {line}: this device runs with {in_use[0]!r}"
            )


def commit(base: str, prediction: str, message: str, user: str, revert_in: int | None) -> Answer:
    """Take the device to a staged prediction; with `revert_in` (seconds) until confirmed only.

    `base` is the running configuration that the prediction was made for. Raises RefusedError.
    """
    if store.pending():
        raise RefusedError("another commit is waiting for its confirmation")
    before = vtysh.running()
    if before != base:
        store.record("refused", message=message, user=user)
        changed = "; ".join(text.difference(before, base)) or "the order of lines"
        raise RefusedError(
            f"the running configuration changed since the candidate was loaded: {changed}"
        )
    facts = {"message": message, "user": user, "digest": digest(prediction)}
    saved = {"before": before, "startup": vtysh.STARTUP.read_text()}
    store.arm(revert_in or GUARD, {**saved, "committed": prediction, **facts})
    left = converge(prediction) if revert_in else _settle(prediction)
    if left:
        raise RefusedError(_restore(before, left))
    store.record("commit", revert_in=revert_in, **facts)
    if not revert_in:
        _keep(before)
    return {}


def _settle(wanted: str) -> list[str]:
    """Reach a configuration and write it to startup; anew if a daemon crashed in between."""
    left: list[str] = []
    for _ in range(SAVES):
        if left := converge(wanted):
            return left
        if not (left := _save(wanted)):
            break
    return left


def _save(wanted: str) -> list[str]:
    """Write the startup configuration, or leave it as it was and return what would be wrong in it.

    FRR would write it without the lines of a daemon that is down.
    """
    old = vtysh.STARTUP.read_text()
    vtysh.write_startup()
    left = text.difference(vtysh.STARTUP.read_text(), wanted)
    if left:
        vtysh.STARTUP.write_text(old)  # in place: it keeps its owner
    else:
        Path("/etc/hostname").write_text(f"{socket.gethostname()}\n")  # in place: may be a mount
    return left


def _restore(before: str, left: list[str]) -> str:
    """Undo a commit that did not reach its goal; if that fails too, the timer tries again."""
    reasons = "; ".join(left)
    if remaining := converge(before):
        return (
            f"the commit failed ({reasons}) and the RESTORE IS INCOMPLETE: {'; '.join(remaining)}"
        )
    store.disarm()
    store.record("undone")
    return f"the commit failed and was undone; these lines did not take: {reasons}"


def confirm() -> Answer:
    """Keep the waiting commit, also across a reboot. Raises RefusedError."""
    waiting = store.pending()
    if not waiting:
        raise RefusedError("no commit is waiting for confirmation; it may have returned by itself")
    changed = text.difference(vtysh.running(), waiting["committed"]) or _save(waiting["committed"])
    if changed:
        raise RefusedError(f"the device no longer has what was committed: {'; '.join(changed)}")
    _keep(waiting["before"])
    store.record("confirm", digest=waiting["digest"])
    return {}


def _keep(before: str) -> None:
    store.disarm()
    store.write(store.ROLLBACK, before)


def revert() -> Answer:
    """Called by the timer: return to the configuration before the waiting commit, if any."""
    waiting = store.pending()
    if not waiting:
        return {}
    left = converge(waiting["before"])
    if left:
        raise RefusedError(f"the return is incomplete: {'; '.join(left)}")
    vtysh.STARTUP.write_text(waiting["startup"])  # a confirmation may have died after writing it
    store.disarm()
    store.record("return", digest=waiting["digest"])
    return {}


def rollback() -> Answer:
    """Return to the configuration before the last commit, waiting or kept. Raises RefusedError."""
    if store.pending():
        return revert()
    before = store.read(store.ROLLBACK)
    if before is None:
        raise RefusedError("no earlier configuration is known")
    if left := _settle(before):
        raise RefusedError(f"the rollback is incomplete: {'; '.join(left)}")
    store.record("rollback", digest=digest(before))
    return {}


def status() -> Answer:
    """Return {"pending": whether a commit waits, "last": the last event of the history}.

    "message" is that of the last commit; with a pending one also the "seconds" until it returns.
    """
    last = store.last_event()
    waiting = store.pending()
    if not waiting:
        return {"pending": False, "last": last, "message": store.last_message()}
    left = max(0, round(waiting["until"] - time.time()))
    return {"pending": True, "seconds": left, "message": waiting["message"], "last": last}


def digest(content: str) -> str:
    """Return the SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(content.encode()).hexdigest()
