"""One device through its NAPALM driver, of which nothing is taken on trust."""

from __future__ import annotations

import logging
import re
import secrets
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import paramiko
from napalm import get_network_driver
from napalm.base import NetworkDriver
from napalm.base.exceptions import ConnectionClosedException, ConnectionException
from netmiko.exceptions import ReadException
from pyeapi.eapilib import ConnectionError as EapiConnectionError

from kahya.engines.napalm_difference import blend, disagreement
from kahya.engines.napalm_meaning import Config, meaning
from kahya.engines.napalm_platforms import Platform, platform_of
from kahya.i18n import _
from kahya.model import Host, digest

TIMEOUT_SECONDS = 30
READ_SECONDS = 60  # for one command of IOS: its configure replace takes its time
STALE_SECONDS = 900  # nothing that Kâhya does with a session takes that long
UNREACHABLE = (
    ConnectionException,
    ConnectionClosedException,
    EapiConnectionError,
    EOFError,
    OSError,
    paramiko.SSHException,
)
"""What a driver raises where the device can't be reached, or is not the one that is known."""

logging.getLogger("pyeapi").addHandler(logging.NullHandler())  # its errors are raised as well


class Kept(NamedTuple):
    """A former configuration: the tags of the run that left it and of what that led to."""

    run: str
    after: str
    text: str


class Device:
    """An open connection. ``ValueError`` is raised where the device isn't to be trusted."""

    def __init__(self, driver: NetworkDriver, platform: Platform) -> None:
        self.driver, self.platform, self.rules = driver, platform, platform.rules
        self.candidate = ""  # its name on the device, while it is there

    def identity(self) -> str:
        """Return the serial number."""
        found = str(self.driver.get_facts()["serial_number"])
        if not found:
            raise ValueError(_("the device has no serial number: it is not known which one it is"))
        return found

    def running(self) -> str:
        """Return the running configuration, whole."""
        return self._whole(str(self.driver.get_config(retrieve="running")["running"]))

    def configurations(self) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Return running and startup as they are, and as the driver shows them to others."""
        raw, clean = (self.driver.get_config(sanitized=sanitized) for sanitized in (False, True))
        self._whole(raw["running"])
        first, second = ({k: found[k] for k in ("running", "startup")} for found in (raw, clean))
        return first, second

    def _whole(self, text: str) -> str:
        last = text.rstrip().rpartition("\n")[2]
        if self.platform.ends not in ("", last):
            said = _("the configuration that the device shows is not whole; it ends with: {words}")
            raise ValueError(said.format(words=self.rules.shown(last)))
        return text

    def stage(self, intended: str) -> tuple[str, str]:
        """Load a whole configuration; return running and what it would be after a commit.

        Raises:
            ValueError: the device took something else, or its own diff tells of something else.
        """
        running = self.running()
        text = blend(running, intended, self.rules) if self.platform.files else intended
        self._need(running, text)
        self._name_candidate(text)
        self.driver.load_replace_candidate(config=text)
        diff = self.driver.compare_config()
        if self.platform.candidate != "file":
            shown = str(self.driver.get_config(retrieve="candidate")["candidate"])
            if self.platform.files:
                self._same(meaning(shown, self.rules), meaning(text, self.rules))
            text = shown
        if said := disagreement(diff, running, text, self.rules):
            raise ValueError(said)
        return running, text

    def _need(self, running: str, text: str) -> None:
        """Refuse a device that lacks, or would lose, what a change and its way back need."""
        for line in self.platform.needs:
            if line not in running.splitlines():
                raise ValueError(_("configure this on the device first: {line}").format(line=line))
            if line not in text.splitlines():
                raise ValueError(_("the template must have this line: {line}").format(line=line))

    def _same(self, found: Config, wanted: Config) -> None:
        if other := sorted(
            name for name in {**found, **wanted} if found.get(name) != wanted.get(name)
        ):
            text = _("the device did not take all of it as it is: {names}")
            raise ValueError(text.format(names=", ".join(map(self.rules.shown, other))))

    def _name_candidate(self, text: str) -> None:
        """Name the candidate so that no other run, of whichever controller, has the same."""
        if self.platform.candidate == "file":
            self.candidate = self.driver.candidate_cfg = f"kahya-new-{digest(text)[:16]}.cfg"
        elif self.platform.candidate == "session":
            for name in self._sessions("pending"):
                made = re.fullmatch(r"kahya-(\d+)-\w+", name)
                if made and time.time() - int(made[1]) > STALE_SECONDS:
                    self._do(f"configure session {name} abort")
            self.candidate = f"kahya-{int(time.time())}-{secrets.token_hex(4)}"
            self.driver.config_session = self.candidate

    def _sessions(self, state: str) -> list[str]:
        if self.platform.candidate != "session":
            return []
        [answer] = self.driver.device.run_commands(["show configuration sessions"])
        return [name for name, about in answer["sessions"].items() if about["state"] == state]

    def prepare(self, run: str, running: str, after: Config) -> None:
        """Have the device keep its configuration for ``revert``, in place of what it kept.

        Raises:
            ValueError: it didn't, or somebody else is changing it.
        """
        # Another of Kâhya's is a plan's, or what was left of one: it is never committed.
        if others := [s for s in self._sessions("pending") if not s.startswith("kahya-")]:
            text = _("somebody is changing this device at the moment: session {names}")
            raise ValueError(text.format(names=", ".join(others)))
        if not self.platform.files:
            return
        self.forget()
        if left := self._kept():  # with two, nobody could tell which is the way back
            text = _("the device does not delete {names}")
            raise ValueError(text.format(names=", ".join(left)))
        name = f"kahya-old-{tag(run)}-{tag(after)}.cfg"
        said = self._file("keep", name)
        copy = self._file("read", name)
        if meaning(copy, self.rules) != meaning(running, self.rules):
            text = _("the device did not keep its configuration: {words}")
            raise ValueError(text.format(words=said.strip() or copy.strip()[-200:]))

    def commit(self, seconds: int, run: str) -> str:
        """Commit; the device returns by itself after ``seconds``. Return what confirms it."""
        label = {"message": run} if self.platform.message else {}
        self.driver.commit_config(**label, revert_in=seconds)
        self.driver.config_session = None  # or closing a session's connection would undo the commit
        committed, self.candidate = self.candidate, ""
        return committed

    def confirm(self, committed: str) -> None:
        """Keep the change that waits; ``committed`` is what ``commit`` returned."""
        self.driver.config_session = committed
        try:
            self.driver.confirm_commit()
        finally:
            self.driver.config_session = None

    def save(self) -> None:
        """Have the next start know what the device runs; ``confirm`` does so, too."""
        if self.platform.files:  # drivers/napalm_frr saves as it confirms, at once
            self._do("write memory")

    def tidy(self, committed: str, *, kept: bool) -> None:
        """Remove the candidate that was confirmed, and with ``kept`` what was kept, too."""
        if self.platform.candidate == "file":
            self._file("drop", committed)
        if kept:
            self.forget()

    def unsaved(self, before: Config, after: Config) -> list[str]:
        """Return of which resources that were changed the next start would not know."""
        if not self.platform.files:  # drivers/napalm_frr looks itself
            return []
        saved = meaning(str(self.driver.get_config(retrieve="startup")["startup"]), self.rules)
        changed = (name for name in {**before, **after} if before.get(name) != after.get(name))
        return [name for name in changed if saved.get(name) != after.get(name)]

    def kept(self) -> Kept:
        """Return what ``prepare`` kept; all of it is empty where nothing was."""
        names = self._kept()
        if not names:
            return Kept("", "", "")
        _kahya, _old, run, after = names[0].removesuffix(".cfg").split("-")
        return Kept(run, after, self._file("read", names[0]))

    def forget(self) -> None:
        """Remove what was kept."""
        for name in self._kept():
            self._file("drop", name)

    def close(self) -> None:
        """Leave no candidate behind and disconnect."""
        file = self.candidate if self.platform.candidate == "file" else ""
        if file and self.driver.is_alive()["is_alive"]:
            self._file("drop", file)
        self.driver.close()

    def _kept(self) -> list[str]:
        found = re.findall(r"kahya-old-\w{8}-\w{8}\.cfg", self._file("list", ""))
        return list(dict.fromkeys(found))

    def _file(self, action: str, name: str) -> str:
        folder = getattr(self.driver, "dest_file_system", "flash:")
        command = self.platform.files[action].format(path=f"{folder}/{name}", folder=folder)
        return self._do(command)

    def _do(self, command: str) -> str:
        """Carry out a command and return the answer, in the device's own words."""
        if self.platform.candidate == "session":  # here cli() would keep back why it failed
            [answer] = self.driver.device.run_commands([command], encoding="text")
            return str(answer["output"])
        return str(self.driver.cli([command])[command])


def tag(value: object) -> str:
    """Return a short digest, as the names of kept files have."""
    return digest(value)[:8]


@contextmanager
def connect(host: Host, ssh_config: Path, timeout: int = 0) -> Iterator[Device]:
    """Log in to ``host``; who it is, is verified by its host key or its certificate.

    ``timeout`` is in seconds; 0 is the usual one.

    Raises:
        ValueError: its platform is not known or refused.
    """
    platform = platform_of(host.vars["platform"])
    with ssh_config.open(encoding="utf-8") as file:
        found = paramiko.SSHConfig()
        found.parse(file)
    ssh = found.lookup(host.name)
    jump = ssh.get("proxyjump")
    target = f"{ssh['hostname']}:{ssh.get('port', 22)}"
    proxy = f"ssh -F {ssh_config} -W {target} {jump}" if jump else ""
    arguments = ARGUMENTS[platform.driver](host, ssh, proxy)
    driver: Callable[..., NetworkDriver] = get_network_driver(platform.driver)
    password = str(host.vars.get("ansible_password", ""))
    seconds = timeout or TIMEOUT_SECONDS
    device = Device(
        driver(ssh["hostname"], ssh["user"], password, seconds, optional_args=arguments), platform
    )
    try:
        device.driver.open()
        yield device
    except ReadException as error:  # it may be slow, or ask something, or be gone
        if device.driver.is_alive()["is_alive"]:
            raise
        raise ConnectionClosedException(_("the connection broke off")) from error
    finally:
        with suppress(Exception):  # whatever it is, it comes after what matters
            device.close()


def _frr(_host: Host, ssh: Mapping[str, Any], proxy: str) -> dict[str, Any]:
    arguments = {"key_file": _key(ssh), "known_hosts": ssh["userknownhostsfile"]}
    return {**arguments, "proxy_command": proxy} if proxy else arguments


def _ios(host: Host, ssh: Mapping[str, Any], proxy: str) -> dict[str, Any]:
    key = None if host.vars.get("ansible_password") else _key(ssh)
    arguments = {
        "port": int(ssh.get("port", 22)),
        "secret": str(host.vars.get("ansible_become_password", "")),
        "use_keys": bool(key),
        "key_file": key,
        "ssh_strict": True,
        "alt_host_keys": True,
        "alt_key_file": ssh["userknownhostsfile"],
        "read_timeout_override": READ_SECONDS,
        "auto_file_prompt": False,  # or the driver would change the configuration to load one
    }
    return {**arguments, "sock": paramiko.ProxyCommand(proxy)} if proxy else arguments


def _eos(host: Host, _ssh: Mapping[str, Any], _proxy: str) -> dict[str, Any]:
    authority = host.vars.get("ansible_httpapi_ca_path")
    if not authority:
        text = _("write ansible_httpapi_ca_path: the certificate by which {host} is known")
        raise ValueError(text.format(host=host.name))
    return {
        "transport": "https",
        "port": int(host.vars.get("ansible_httpapi_port", 443)),
        "context": ssl.create_default_context(cafile=authority),
        "enable_password": str(host.vars.get("ansible_become_password", "")),
        "lock_disable": True,  # sessions of plans need not wait for each other; see commit
    }


def _key(ssh: Mapping[str, Any]) -> str | None:
    found: list[str | None] = ssh.get("identityfile", [None])
    return found[0]  # none: what ssh-agent has


ARGUMENTS: Mapping[str, Callable[[Host, Mapping[str, Any], str], dict[str, Any]]] = {
    "frr": _frr,
    "ios": _ios,
    "eos": _eos,
}
