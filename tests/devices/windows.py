"""A Windows host that is not there: its firewall behind OpenSSH, as Ansible's modules find it.

What Ansible sends (a bootstrap and two JSON documents on standard input) is taken apart, and the
module that it names is answered for. Its arguments are held against what the script of the module,
which is sent along, says that it takes. What the modules do with the rules is written down here
after their scripts; there is no PowerShell, so of the scripts of ``win_powershell`` those of
the role are known, by their text. All else is an error.
"""

from __future__ import annotations

import base64
import json
import re
from copy import deepcopy
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import asyncssh
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

Body = dict[str, Any]

ROLE = Path(__file__).parents[2] / "roles/windows_firewall/files"
BETWEEN = b"\n\0\0\0\0\n"  # the bootstrap's own document, and that of what is to be run
MACHINE = "5f6d3b52-0f9b-4c3e-9b1e-2a7c1d0e4f77"
ALL_PROFILES = 0x7FFFFFFF
PROFILE_BITS = {"domain": 1, "private": 2, "public": 4}
PROTOCOLS = {"tcp": 6, "udp": 17, "icmpv4": 1, "icmpv6": 58, "any": 256}
ICMP = (1, 58)
PORTED = (6, 17)
REFUSED = "Value does not fall within the expected range."
MODULE_RULE = "ansible_collections.community.windows.plugins.modules.win_firewall_rule"
MODULE_SCRIPT = "ansible_collections.ansible.windows.plugins.modules.win_powershell"

NEW: Body = {
    "Description": None, "Grouping": None, "Enabled": True, "Direction": 1, "Action": 1,
    "Profiles": ALL_PROFILES, "Protocol": 256, "LocalAddresses": "*", "RemoteAddresses": "*",
    "LocalPorts": None, "RemotePorts": None, "IcmpTypesAndCodes": None, "ApplicationName": None,
    "ServiceName": None, "InterfaceTypes": "All", "EdgeTraversalOptions": 0, "SecureFlags": 0,
}  # fmt: skip
"""A rule nothing was said of."""

CORE, SHARING = "@FirewallAPI.dll,-25000", "@FirewallAPI.dll,-28502"
FACTORY: list[Body] = [
    {"Name": "Core Networking - Neighbor Discovery Solicitation (ICMPv6-In)", "Grouping": CORE,
     "Protocol": 58, "IcmpTypesAndCodes": "135:*", "ApplicationName": "System"},
    {"Name": "Core Networking - Destination Unreachable Fragmentation Needed (ICMPv4-In)",
     "Grouping": CORE, "Protocol": 1, "IcmpTypesAndCodes": "3:4", "ApplicationName": "System"},
    {"Name": "Core Networking - Dynamic Host Configuration Protocol (DHCP-In)", "Grouping": CORE,
     "Protocol": 17, "LocalPorts": "68", "RemotePorts": "67", "ServiceName": "dhcp"},
    {"Name": "Core Networking - Internet Group Management Protocol (IGMP-In)", "Grouping": CORE,
     "Protocol": 2, "ApplicationName": "System"},
    {"Name": "Core Networking - IPHTTPS (TCP-In)", "Grouping": CORE, "Protocol": 6,
     "LocalPorts": "IPHTTPSIn", "RemotePorts": "*", "ApplicationName": "System"},
    {"Name": "File and Printer Sharing (SMB-In)", "Grouping": SHARING, "Protocol": 6,
     "LocalPorts": "445", "RemotePorts": "*", "RemoteAddresses": "LocalSubnet"},
    {"Name": "File and Printer Sharing (NB-Session-In)", "Grouping": SHARING, "Protocol": 6,
     "LocalPorts": "139", "RemotePorts": "*", "Enabled": False},
    {"Name": "OpenSSH SSH Server (sshd)", "Grouping": "OpenSSH Server", "Protocol": 6,
     "LocalPorts": "22", "RemotePorts": "*", "Profiles": 2},
    {"Name": "Skype", "Direction": 2, "Protocol": 6, "LocalPorts": "*", "RemotePorts": "443"},
]  # fmt: skip
SETTINGS = {
    "Enabled": "True", "DefaultInboundAction": "NotConfigured",
    "DefaultOutboundAction": "NotConfigured", "AllowInboundRules": "NotConfigured",
    "NotifyOnListen": "True", "LogBlocked": "False",
}  # fmt: skip
CHOICES = {
    "Default": ("NotConfigured", "Allow", "Block"), "": ("NotConfigured", "True", "False"),
}  # fmt: skip


class FailedError(Exception):
    """A module ends with these words."""


class Windows:
    """The host. ``log`` has each module that was run, and whether it was in check mode."""

    def __init__(self) -> None:
        self.rules: list[Body] = [NEW | rule for rule in deepcopy(FACTORY)]
        self.profiles = {name: dict(SETTINGS) for name in ("Domain", "Private", "Public")}
        self.modify_state = 0
        self.login = ""
        self.log: list[tuple[str, bool]] = []
        self.faults: dict[str, str] = {}
        """What fails with which words, by the name of a rule or profile."""

    def answer(self, command: str, data: bytes) -> tuple[str, int]:
        """Return what is printed for one command, and its exit status."""
        script = re.search(r"-EncodedCommand (\S+)$", command)
        text = base64.b64decode(script[1]).decode("utf-16-le") if script else command
        if "[System.Management.Automation.Language.Parser]::ParseInput" not in text:
            return f"no PowerShell here: {text[:200]}", 1
        manifest = json.loads(data.split(BETWEEN)[1])
        run = manifest["actions"][-1]["params"]
        values = {value["Name"]: value["Value"] for value in run["Variables"]}
        source = base64.b64decode(manifest["scripts"][run["Script"]]["script"]).decode()
        try:
            done = self.run(run["Script"].removesuffix(".ps1"), source, values["complex_args"])
        except FailedError as error:
            return json.dumps({"failed": True, "msg": str(error)}), 1
        return json.dumps(done), 0

    def run(self, module: str, source: str, given: Body) -> Body:
        """Return what a module answers; ``source`` is its script, which says what it takes."""
        check = bool(given["_ansible_check_mode"])
        self.log.append((module.rpartition(".")[2], check))
        asked = {key: value for key, value in given.items() if not key.startswith("_ansible")}
        validated = ArgumentSpecValidator(options(source)).validate(asked)
        if validated.error_messages:
            raise FailedError("; ".join(validated.error_messages))
        arguments = {k: v for k, v in validated.validated_parameters.items() if v is not None}
        if module == MODULE_RULE:
            return self._rule(arguments, check=check)
        if module == MODULE_SCRIPT:
            return self._script(arguments, check=check)
        raise FailedError(f"no module {module} here")

    def _script(self, given: Body, *, check: bool) -> Body:
        known = {(ROLE / f"{name}.ps1").read_text(encoding="utf-8").strip(): name
                 for name in ("read", "profile")}  # fmt: skip
        name = known.get(given.get("script", "").strip())
        done: Body = {"changed": True, "result": {}, "error": [], "output": []}
        if name is None:
            raise FailedError("no PowerShell here, and this is no script of the role")
        if check:  # as of any script that does not say SupportsShouldProcess
            return done | {"msg": "skipped, running in check mode"}
        if name == "read":
            return done | {"changed": False, "result": self._read()}
        settings = dict(given["parameters"])
        profile = settings.pop("Name")
        self._fail(profile)
        for key, value in settings.items():
            if key not in SETTINGS or value not in CHOICES["Default" * key.startswith("Default")]:
                raise FailedError(f"Set-NetFirewallProfile: Cannot bind parameter {key!r}: {value}")
        self.profiles[profile] |= settings
        return done

    def _read(self) -> Body:
        rules = (
            r for r in self.rules if r["Direction"] == 1 or (r["Enabled"] and r["Action"] == 0)
        )
        return {
            "machine": MACHINE,
            "login": self.login,
            "modify_state": self.modify_state,
            "rules": deepcopy(list(rules)),
            "profiles": deepcopy(self.profiles),
        }

    def _rule(self, given: Body, *, check: bool) -> Body:
        there = [r for r in self.rules if r["Name"].casefold() == given["name"].casefold()]
        self._fail(given["name"])
        before = deepcopy(self.rules)
        if given["state"] == "absent":
            self.rules = [rule for rule in self.rules if rule not in there]
        else:
            told = properties(given)
            for rule in there:
                if told.get("LocalPorts") and rule["Protocol"] not in PORTED:
                    raise FailedError(REFUSED)  # the module sets the protocol after the ports
                rule.update(told)
                _valid(rule)
            if not there:
                self.rules.append({"Name": given["name"]} | NEW | told)
                _valid(self.rules[-1])
        changed = self.rules != before
        if check:
            self.rules = before
        return {"changed": changed, "msg": ""}

    def _fail(self, name: str) -> None:
        if words := self.faults.pop(name, ""):
            raise FailedError(words)


def options(source: str) -> Body:
    """Return the arguments that a module takes, from its own script."""
    found: Body = {}
    for line in source.splitlines():
        if told := re.search(r'Get-AnsibleParam .*-name "([a-z]\w*)"', line):
            kind, default, choices = (
                re.search(rf"-{key} (.+?)(?= -\w|$)", line)
                for key in ("type", "default", "validateset")
            )
            found[told[1]] = {"type": kind[1].strip('"') if kind else "str"}
            if default:
                found[told[1]]["default"] = default[1].strip('"')
            if choices and "$" not in choices[1]:
                found[told[1]]["choices"] = re.findall(r'"(\w+)"', choices[1])
        elif told := re.match(r" {8}(\w+) = @\{ type = '(\w+)'(.*)", line):
            default = re.search(r"default = (\$?\w+|'\w*')", told[3])
            choices = re.search(r"choices = ((?:'\w+'(?:, )?)+)", told[3])
            found[told[1]] = {"type": told[2]}
            if default:
                found[told[1]]["default"] = default[1].strip("$'")
            if choices:
                found[told[1]]["choices"] = re.findall(r"'(\w+)'", choices[1])
    return found


def properties(given: Body) -> Body:
    """Return the properties of INetFwRule that the module sets: those that it was told of."""
    meant = {
        "description": ("Description", str),
        "group": ("Grouping", str),
        "enabled": ("Enabled", bool),
        "direction": ("Direction", {"in": 1, "out": 2}.get),
        "action": ("Action", {"block": 0, "allow": 1}.get),
        "profiles": ("Profiles", _profiles),
        "protocol": ("Protocol", lambda word: PROTOCOLS.get(word) or int(word)),
        "localip": ("LocalAddresses", _addresses),
        "remoteip": ("RemoteAddresses", _addresses),
        "localport": ("LocalPorts", str),
        "remoteport": ("RemotePorts", str),
        "program": ("ApplicationName", {"any": None}.__getitem__),
        "service": ("ServiceName", {"any": None}.__getitem__),
        "icmp_type_code": ("IcmpTypesAndCodes", ",".join),
        "interfacetypes": ("InterfaceTypes", lambda words: {"any": "All"}[",".join(words)]),
        "edge": ("EdgeTraversalOptions", {"no": 0}.get),
        "security": ("SecureFlags", {"notrequired": 0}.get),
    }
    told = ((meant[key], value) for key, value in given.items() if key in meant)
    return {name: read(value) for (name, read), value in told}


def _profiles(names: list[str]) -> int:
    bits = sum(PROFILE_BITS[name] for name in set(names))
    return ALL_PROFILES if bits == sum(PROFILE_BITS.values()) else bits


def _addresses(texts: str) -> str:
    return ",".join(map(_address, texts.split(",")))


def _address(text: str) -> str:
    """Return a network as Windows shows it: IPv4 with its mask."""
    if text == "*" or "-" in text:
        return text
    network = ip_network(text)
    return network.with_netmask if network.version == 4 else str(network)


def _valid(rule: Body) -> None:
    """Refuse what INetFwRule's properties do, by Microsoft's documentation of each."""
    ports = rule["LocalPorts"], rule["RemotePorts"]
    wrong = (
        "|" in rule["Name"] + (rule["Description"] or ""),
        rule["Name"].casefold() == "all",
        any(ports) and rule["Protocol"] not in PORTED,
        bool(rule["IcmpTypesAndCodes"]) and rule["Protocol"] not in ICMP,
        "*" in rule["RemoteAddresses"].split(",")[1:],
    )
    if any(wrong):
        raise FailedError(REFUSED)


async def serve(device: Windows, address: str, port: int, keys: Path) -> asyncssh.SSHAcceptor:
    """Accept logins by key. ``keys``: a folder with ``host_key`` and ``authorized_keys``."""

    async def handle(process: asyncssh.SSHServerProcess[bytes]) -> None:
        ends = (process.get_extra_info(end) for end in ("peername", "sockname"))
        device.login = " ".join(f"{end[0]} {end[1]}" for end in ends)
        said, code = device.answer(process.command or "", await process.stdin.read())
        process.stdout.write(said.encode() + b"\r\n")
        process.exit(code)

    return await asyncssh.listen(
        address, port, server_host_keys=[str(keys / "host_key")],
        authorized_client_keys=str(keys / "authorized_keys"), process_factory=handle,
        encoding=None, server_version="OpenSSH_for_Windows_9.5",
    )  # fmt: skip
