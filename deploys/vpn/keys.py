"""The private keys of a gateway's tunnels, where they are made on the gateway and stay there.

Only public halves are ever asked for or shown. ``kahya keys`` makes them.
"""

from collections.abc import Iterator
from typing import Any

from pyinfra import host
from pyinfra.api import FactBase, operation

from deploys.steps import told

FOLDER = "/etc/wireguard"
NOW, NEXT = "private.key", "private.key.next"


class PublicHalves(FactBase):
    """The public halves of the private keys that are there, by file."""

    default = dict

    def command(self) -> str:
        return (
            f"for key in {NOW} {NEXT}; do [ ! -e {FOLDER}/$key ] || "
            f'echo "$key $(wg pubkey <{FOLDER}/$key)"; done; true'
        )

    def process(self, output: list[str]) -> dict[str, str]:
        return dict(line.split(" ", 1) for line in output if " " in line)


@operation()
def present(wanted: str, upcoming: str) -> Iterator[Any]:
    """Have the private keys whose public halves these are; no ``upcoming``, no claim on it.

    The next key takes the place of the present one once the inventory says so. A key that is not
    there can't be made here, for it would have another public half: applying breaks off.
    """
    there = host.get_fact(PublicHalves)
    now, spare = there.get(NOW, ""), there.get(NEXT, "")
    for name, before, after in ((NOW, now, wanted), (NEXT, spare, upcoming or spare)):
        if before == after:
            continue
        command = f"mv {FOLDER}/{NEXT} {FOLDER}/{NOW}"
        if name == NEXT or spare != wanted:
            command = f"echo 'no key has the public half {after}: see kahya keys' >&2; exit 1"
        yield from told(
            [command],
            {
                "resource": f"key {FOLDER}/{name}",
                "action": "update" if before else "create",
                "before": before and f"public half {before}",
                "after": f"public half {after}",
                "risk": ("cuts-path",) if before else (),
            },
            back={"saves": (f"{FOLDER}/{NOW}", f"{FOLDER}/{NEXT}")},
        )
