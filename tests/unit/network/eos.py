"""Reads what an EOS configuration means."""

import re
from ipaddress import IPv4Network

from netutils.password import decrypt_cisco_type7
from network.model import Lines, Port, Switch, ids, indented

API = "management api http-commands"
FIXED = [
    "aaa authentication policy lockout failure 5 window 60 duration 60",
    "no aaa root", "logging buffered 10000 informational",
    "snmp-server ipv4 access-list management", "snmp-server view all iso included",
    "snmp-server group town v3 priv read all", "spanning-tree mode mstp",
    API, f"{API} | no shutdown", f"{API} | vrf default", f"{API} | vrf default | no shutdown",
    f"{API} | vrf default | ip access-group management",
    "management console", "management console | idle-timeout 5",
    "aaa group server radius town", "aaa authentication login default group town local",
    "aaa authentication dot1x default group town",
    "aaa authorization exec default group town local", "dot1x system-auth-control",
    "ip access-list dhcp-clients", "ip access-list dhcp-clients | 10 deny udp any eq bootps any",
    "ip access-list dhcp-clients | 20 permit ip any any", "ip access-list standard management",
    "no ip routing", "management ssh", "management ssh | ip access-group management in",
    "management ssh | idle-timeout 5",
]  # fmt: skip
AUTHENTICATES = {
    "dot1x pae authenticator", "dot1x reauthentication", "dot1x port-control auto",
    "dot1x host-mode multi-host authenticated",
    "dot1x timeout reauth-period server",
}  # fmt: skip
EDGE = {"spanning-tree portfast", "spanning-tree bpduguard enable"}
PORT = r"interface (?P<port>Ethernet\S+)"
FLAGS = [
    "shutdown", "switchport mode trunk( phone)?", "ip access-group dhcp-clients in", *EDGE,
    *AUTHENTICATES, "dot1x eapol disabled", "dot1x mac based authentication",
]  # fmt: skip
FORMS = [
    r"hostname (?P<hostname>\S+)",
    r"dns domain (?P<domain>\S+)",
    r"banner login (?P<banner>.*)",
    r"enable password sha512 (?P<enable>\S+)",
    r"username (?P<user>\S+) privilege 15 role network-admin secret sha512 (?P<hash>\S+)",
    r"logging host (?P<syslog>\S+)",
    r"(?:logging source|snmp-server local|ntp local|ip radius source)-interface Vlan(?P<of>\d+)",
    r"snmp-server engineID local (?P<engine>\S+)",
    r"snmp-server contact (?P<contact>\S+)",
    r"snmp-server location (?P<location>\S+)",
    (
        r"snmp-server user (?P<snmp>\S+) town v3 localized (?P<engine>\S+) "
        r"auth sha (?P<auth>[0-9a-f]{40}) priv aes (?P<priv>[0-9a-f]{32})"
    ),
    r"vlan (?P<vlan_head>\d+)",
    r"vlan (?P<vlan>\d+) \| name (?P<vlan_name>\S+)",
    r"radius-server host (?P<radius>\S+) key 7 (?P<key>\S+)",
    r"aaa group server radius town \| server (?P<member>\S+)",
    PORT,
    rf"{PORT} \| description (?P<description>.+)",
    rf"{PORT} \| switchport access vlan (?P<access>\d+)",
    rf"{PORT} \| switchport trunk native vlan (?P<native>\d+)",
    rf"{PORT} \| switchport trunk allowed vlan (?P<allowed>\S+)",
    rf"{PORT} \| switchport phone vlan (?P<voice>\d+)",
    rf"{PORT} \| storm-control broadcast level (?P<broadcast>\d+)",
    rf"{PORT} \| storm-control multicast level (?P<multicast>\d+)",
    rf"{PORT} \| (?P<flag>{'|'.join(FLAGS)})",
    r"interface Vlan(?P<management>\d+)",
    r"interface Vlan(?P<of>\d+) \| ip address (?P<address>\S+)",
    r"interface Vlan(?P<of>\d+) \| description management",
    r"ip access-list standard management \| \d+ permit (?:host )?(?P<subnet>\S+)",
    r"ip route 0.0.0.0/0 (?P<gateway>\S+)",
    r"ntp server (?P<ntp>\S+)",
]


def parse(text):
    """Return the switch. EOS drops DHCP answers on all VLANs, and inspects no ARP (see docs)."""
    text = re.sub(r"(?s)banner login\n(.*?)EOF\n", _banner, text)
    lines = Lines(indented(text, 3), FIXED, FORMS)
    one, every = lines.one, lines.all
    keys, users = lines.pairs("radius", "key"), every("snmp")
    assert every("of") == (one("management"),) * 6  # its description and address; four services
    assert every("engine") == (every("engine")[0],) * (1 + len(users))
    assert every("member") == (*keys,)
    auth, priv = lines.pairs("snmp", "auth"), lines.pairs("snmp", "priv")
    return Switch(
        hostname=one("hostname"), domain=one("domain"), banner=one("banner").replace("\\n", "\n"),
        vlans={int(k): v for k, v in lines.pairs("vlan", "vlan_name").items()},
        ports={number: _port(said) for number, said in lines.ports().items()},
        dhcp_vlans=None, arp_vlans=None, address=one("address"),
        management=int(one("management")), gateway=one("gateway"),
        login_from=frozenset(str(IPv4Network(n)) for n in every("subnet")),
        enable=one("enable"), users=lines.pairs("user", "hash"),
        radius=tuple((a, decrypt_cisco_type7(k)) for a, k in keys.items()),
        location=one("location"), contact=one("contact"),
        snmp_users={name: (auth[name], priv[name]) for name in auth},
        syslog=every("syslog"), ntp=every("ntp"),
    )  # fmt: skip


def _banner(found):
    return "banner login " + found[1].replace("\n", "\\n") + "\n"


def _port(said):
    flags = said["flags"]
    trunk, phone = "switchport mode trunk" in flags, "voice" in said
    allowed = ids(said["allowed"]) if trunk else frozenset()
    native = int(said["native"] if trunk or phone else said["access"])
    mab = "dot1x mac based authentication" in flags
    guarded = mab or "dot1x pae authenticator" in flags
    trust, edge = "ip access-group dhcp-clients in" not in flags, flags >= EDGE
    assert flags == {
        *({"shutdown"} & flags),
        *(["switchport mode trunk"] if trunk else []),
        *(["switchport mode trunk phone"] if phone else []),
        *([] if trust else ["ip access-group dhcp-clients in"]),
        *(EDGE if edge else ()), *(AUTHENTICATES if guarded else ()),
        *({"dot1x eapol disabled", "dot1x mac based authentication"} & flags if guarded else ()),
    }  # fmt: skip
    assert said.get("broadcast") == said.get("multicast")
    return Port(
        description=said["description"], shut="shutdown" in flags,
        untagged=native if not trunk or native in allowed else None, tagged=allowed - {native},
        voice=int(said["voice"]) if phone else None,
        dot1x=guarded and "dot1x eapol disabled" not in flags, mab=mab,
        storm=int(said["broadcast"]) if "broadcast" in said else None, trust=trust, edge=edge,
    )  # fmt: skip
