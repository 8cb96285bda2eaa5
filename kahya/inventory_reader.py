"""Read an inventory with Ansible's own loader: groups, variables, vault.

Keeps where each value was written, so that errors can name file and line.
"""

from __future__ import annotations

import locale
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kahya.errors import InventoryError
from kahya.i18n import _

VAULT_HEADER = b"$ANSIBLE_VAULT"
NOT_DATA = {
    "hostvars", "omit", "vars", "groups", "ansible_version", "ansible_facts", "playbook_dir",
    "inventory_file", "ansible_playbook_python", "ansible_config_file", "inventory_hostname_short",
}  # fmt: skip
SECRET_MIN_LENGTH = 4  # masking shorter texts would blacken half of every diff


@dataclass(frozen=True)
class RawHost:
    """One host as Ansible sees it. ``tagged`` keeps origins, ``vars`` is resolved plain data."""

    name: str
    groups: tuple[str, ...]
    tagged: dict[str, Any] = field(repr=False)
    vars: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class RawInventory:
    """All hosts, the members of every group, and the values that came out of a vault."""

    hosts: dict[str, RawHost]
    groups: dict[str, tuple[str, ...]]
    children: dict[str, tuple[str, ...]]
    secrets: tuple[str, ...] = field(repr=False)


def read(directory: Path) -> RawInventory:
    """Read ``directory``/hosts.yml with its group_vars and host_vars.

    Raises:
        InventoryError: a file is missing, isn't YAML, or a vault can't be opened.
    """
    source = directory.resolve() / "hosts.yml"  # Ansible caches by this path
    if not source.is_file():
        raise InventoryError(
            f"{source}: {_('no such file')}", _("Name a town with -i inventories/<town>.")
        )
    try:
        locale.setlocale(locale.LC_ALL, "")
    except locale.Error:  # a locale that came along with ssh and isn't installed here
        os.environ["LC_ALL"] = "C.UTF-8"
    # Imported here: Ansible takes most of a second to import and reads ansible.cfg while doing so.
    from ansible import constants
    from ansible.cli import CLI
    from ansible.errors import AnsibleError
    from ansible.inventory.manager import InventoryManager
    from ansible.parsing.dataloader import DataLoader
    from ansible.parsing.vault import VaultSecretsContext
    from ansible.plugins.vars import host_group_vars
    from ansible.template import Templar
    from ansible.vars.manager import VariableManager

    for remembered in (host_group_vars.FOUND, host_group_vars.NAK):
        remembered.clear()  # which files there are: we may have written one since
    try:
        loader = DataLoader()
        identities = constants.config.get_config_value("DEFAULT_VAULT_IDENTITY_LIST")
        keys = CLI.setup_vault_secrets(
            loader, identities, auto_prompt=False, initialize_context=False
        )
        loader.set_vault_secrets(keys)
        # A value that is encrypted by itself (!vault) asks for them here. Its own initialize()
        # refuses a second town in one process; ansible-core is pinned and a test holds this.
        VaultSecretsContext._current = VaultSecretsContext(keys)  # noqa: SLF001
        inventory = InventoryManager(loader=loader, sources=[str(source)])
        variables = VariableManager(loader=loader, inventory=inventory)
        hosts, secrets = {}, set()
        for host in inventory.get_hosts():
            tagged = {k: v for k, v in variables.get_vars(host=host).items() if k not in NOT_DATA}
            templar = Templar(loader=loader, variables=tagged)
            resolved = {k: plain(templar.template(v)) for k, v in tagged.items()}
            del resolved["inventory_dir"]  # a path of this machine, needed for templating only
            secrets |= set(_secrets(tagged))
            groups = tuple(resolved["group_names"])
            hosts[host.name] = RawHost(host.name, groups, tagged, resolved)
        members = {k: tuple(v) for k, v in inventory.get_groups_dict().items()}
        children = {
            name: tuple(child.name for child in group.child_groups)
            for name, group in inventory.groups.items()
        }
    except AnsibleError as error:
        raise InventoryError(
            str(error).strip(), _("Correct the file and run kahya validate.")
        ) from error
    return RawInventory(hosts, members, children, longest_first(secrets))


def longest_first(secrets: Iterable[str]) -> tuple[str, ...]:
    """Order ``secrets`` for masking: one that contains another must be masked as a whole."""
    return tuple(sorted(set(secrets), key=lambda s: (-len(s), s)))


def plain(value: Any) -> Any:
    """Return Ansible's tagged data as plain JSON data."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    return "".join(str(value))  # str() keeps a tagged subclass; join does not


def origin(value: object) -> tuple[str, int] | None:
    """Return file and line where ``value`` (a tagged value or key) was written, if it is known."""
    # Ansible has no public way to ask; ansible-core is pinned and a test holds this.
    from ansible._internal._datatag._tags import Origin

    tag = Origin.get_tag(value)
    return (tag.path, tag.line_num or 1) if tag and tag.path else None


def _secrets(value: object, encrypted: dict[str, bool] | None = None) -> Iterator[str]:
    encrypted = {} if encrypted is None else encrypted
    if isinstance(value, dict):
        for item in value.values():
            yield from _secrets(item, encrypted)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _secrets(item, encrypted)
    elif _from_vault(value, encrypted):
        text = str(value)
        # A diff shows a key line by line: each line is a secret, too. Its frame is not.
        lines = [line for line in text.splitlines() if not line.startswith("-----")]
        yield from (t for t in (text, *lines) if len(t.strip()) >= SECRET_MIN_LENGTH)


def _from_vault(value: object, encrypted: dict[str, bool]) -> bool:
    from ansible.parsing.vault import EncryptedString

    if isinstance(value, EncryptedString):
        return True
    place = origin(value)
    if place is None:
        return False
    path = place[0]
    if path not in encrypted:
        with Path(path).open("rb") as file:
            encrypted[path] = file.read(len(VAULT_HEADER)) == VAULT_HEADER
    return encrypted[path]
