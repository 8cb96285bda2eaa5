"""Reads what an IOS configuration means."""

import re
from ipaddress import IPv4Interface, IPv4Network

from netutils.password import decrypt_cisco_type7
from network.model import Lines, Port, Switch, ids, indented

VTY = ("access-class management in", "exec-timeout 5 0", "logging synchronous",
       "transport input ssh")  # fmt: skip
FIXED = [
    "no service pad", "login block-for 60 attempts 5 within 60",
    "service tcp-keepalives-in", "service tcp-keepalives-out",
    "service timestamps debug datetime msec show-timezone",
    "service timestamps log datetime msec show-timezone",
    "service password-encryption", "service sequence-numbers",
    "logging buffered 64000 informational", "no logging console",
    "aaa new-model", "aaa group server radius town",
    "aaa authentication login default group town local",
    "aaa authentication dot1x default group town",
    "aaa authorization exec default group town local if-authenticated",
    "aaa authorization network default group town", "aaa session-id common",
    "no ip source-route", "no ip domain-lookup",
    "login on-failure log", "login on-success log", "vtp mode transparent",
    "dot1x system-auth-control", "file prompt quiet",
    "archive", "archive | log config", "archive | log config | logging enable",
    "archive | log config | notify syslog contenttype plaintext",
    "archive | log config | hidekeys", "archive | path flash:archive", "archive | maximum 14",
    "spanning-tree mode mst", "spanning-tree extend system-id", "lldp run",
    "interface Vlan1", "interface Vlan1 | no ip address", "interface Vlan1 | shutdown",
    "no ip http server", "no ip http secure-server",
    "ip ssh time-out 60", "ip ssh authentication-retries 2", "ip ssh version 2",
    "ip scp server enable", "ip access-list standard management",
    "snmp-server group town v3 priv read all access management",
    "snmp-server view all iso included",
    "line con 0", "line con 0 | exec-timeout 5 0", "line con 0 | logging synchronous",
    *(f"line vty {n}{rest}" for n in ("0 4", "5 15") for rest in ("", *(f" | {x}" for x in VTY))),
]  # fmt: skip
AUTHENTICATES = {
    "authentication port-control auto", "authentication periodic",
    "authentication timer reauthenticate server", "authentication violation restrict",
}  # fmt: skip
PORT = r"interface (?P<port>(?!Vlan)\S+)"
FLAGS = [
    "switchport mode (access|trunk)", "switchport nonegotiate", "shutdown", *AUTHENTICATES,
    "authentication priority dot1x mab", "mab", "dot1x pae authenticator",
    "dot1x timeout tx-period 10", "spanning-tree portfast( trunk)?",
    "spanning-tree bpduguard enable", "ip arp inspection trust", "ip dhcp snooping trust",
]  # fmt: skip
FORMS = [
    r"hostname (?P<hostname>\S+)",
    r"banner login (?P<banner>.*)",
    r"enable secret 9 (?P<enable>\S+)",
    r"username (?P<user>\S+) privilege 15 secret 9 (?P<hash>\S+)",
    r"aaa group server radius town \| server name (?P<member>\S+)",
    r"aaa group server radius town \| ip radius source-interface Vlan(?P<source>\d+)",
    r"ip domain-name (?P<domain>\S+)",
    r"ip dhcp snooping vlan (?P<dhcp>\S+)",
    r"(?P<guard>no ip dhcp snooping information option|ip dhcp snooping)",
    r"ip arp inspection vlan (?P<arp>\S+)",
    r"(?P<guard>ip arp inspection validate src-mac dst-mac ip)",
    r"vlan (?P<vlan_head>\d+)",
    r"vlan (?P<vlan>\d+) \| name (?P<vlan_name>\S+)",
    PORT,
    rf"{PORT} \| description (?P<description>.+)",
    rf"{PORT} \| switchport access vlan (?P<access>\d+)",
    rf"{PORT} \| switchport trunk native vlan (?P<native>\d+)",
    rf"{PORT} \| switchport trunk allowed vlan (?P<allowed>\S+)",
    rf"{PORT} \| switchport voice vlan (?P<voice>\d+)",
    rf"{PORT} \| authentication host-mode (?P<hosts>multi-domain|multi-auth)",
    rf"{PORT} \| authentication order (?P<order>dot1x mab|dot1x|mab)",
    rf"{PORT} \| storm-control broadcast level (?P<broadcast>\d+)\.00",
    rf"{PORT} \| storm-control multicast level (?P<multicast>\d+)\.00",
    rf"{PORT} \| (?P<flag>{'|'.join(FLAGS)})",
    r"interface Vlan(?P<management>(?!1$)\d+)",
    r"interface Vlan(?P<of>\d+) \| ip address (?P<address>\S+) (?P<netmask>\S+)",
    r"interface Vlan(?P<of>\d+) \| (?P<svi>description management|no ip redirects|no ip proxy-arp)",
    r"ip default-gateway (?P<gateway>\S+)",
    r"ip access-list standard management \| permit (?P<network>\S+(?: \S+)?)",
    r"ip access-list standard management \| (?P<rest>deny   any log)",
    r"(?:logging source-interface|ntp source) Vlan(?P<source>\d+)",
    r"logging host (?P<syslog>\S+)",
    r"snmp-server location (?P<location>\S+)",
    r"snmp-server contact (?P<contact>\S+)",
    r"radius server (?P<server_head>\S+)",
    r"radius server (?P<server>\S+) \| address ipv4 (?P<radius>\S+) auth-port 1812 acct-port 1813",
    r"radius server (?P<server>\S+) \| key 7 (?P<key>\S+)",
    r"ntp server (?P<ntp>\S+)",
]


def parse(text):
    """Return the switch; its SNMP users are unknown, for IOS never shows them."""
    text = re.sub(r"(?s)banner login \^C\n(.*?)\^C\n", _banner, text)
    lines = Lines(indented(text, 1), FIXED, FORMS)
    one, every = lines.one, lines.all
    dhcp = ids(one("dhcp")) if every("dhcp") else frozenset()
    assert len(every("guard")) == (3 if dhcp else 0)
    assert every("source") == (one("management"),) * 3  # RADIUS, syslog, NTP
    assert every("of") == (one("management"),) * 4
    assert len({*every("svi")}) == 3
    acl = ["rest" in said for said in lines.said if "rest" in said or "network" in said]
    assert acl == sorted(acl)
    assert sum(acl) == 1
    servers, keys = lines.pairs("server", "radius"), lines.pairs("server", "key")
    assert every("member") == every("server_head") == (*servers,)
    networks = (text.replace(" ", "/") for text in every("network"))  # a single host has no mask
    return Switch(
        hostname=one("hostname"), domain=one("domain"), banner=one("banner").replace("\\n", "\n"),
        vlans={int(k): v for k, v in lines.pairs("vlan", "vlan_name").items()},
        ports={number: _port(said) for number, said in lines.ports().items()},
        dhcp_vlans=dhcp, arp_vlans=ids(one("arp")) if dhcp else frozenset(),
        address=str(IPv4Interface(f"{one('address')}/{one('netmask')}")),
        management=int(one("management")), gateway=one("gateway"),
        login_from=frozenset(str(IPv4Network(n)) for n in networks),
        enable=one("enable"), users=lines.pairs("user", "hash"),
        radius=tuple((a, decrypt_cisco_type7(keys[n])) for n, a in servers.items()),
        location=one("location"), contact=one("contact"), snmp_users=None,
        syslog=every("syslog"), ntp=every("ntp"),
    )  # fmt: skip


def _banner(found):
    return "banner login " + found[1].replace("\n", "\\n") + "\n"


def _port(said):
    flags = said["flags"]
    trunk = "switchport mode trunk" in flags
    allowed = ids(said["allowed"]) if trunk else frozenset()
    native = int(said["native"] if trunk else said["access"])
    order = said.get("order", "").split()
    edge = "spanning-tree portfast" + (" trunk" if trunk else "")
    dot1x, mab = "dot1x" in order, "mab" in order
    trust, guarded = "ip dhcp snooping trust" in flags, "spanning-tree bpduguard enable" in flags
    assert flags == {
        "switchport nonegotiate", f"switchport mode {'trunk' if trunk else 'access'}",
        *({"shutdown"} & flags),
        *(AUTHENTICATES if order else ()),
        *(["dot1x pae authenticator", "dot1x timeout tx-period 10"] if dot1x else []),
        *(["mab"] if mab else []),
        *(["authentication priority dot1x mab"] if dot1x and mab else []),
        *([edge, "spanning-tree bpduguard enable"] if guarded else []),
        *(["ip dhcp snooping trust", "ip arp inspection trust"] if trust else []),
    }  # fmt: skip
    assert ("hosts" in said) == bool(order)
    assert said.get("broadcast") == said.get("multicast")
    return Port(
        description=said["description"], shut="shutdown" in flags,
        untagged=native if not trunk or native in allowed else None, tagged=allowed - {native},
        voice=int(said["voice"]) if "voice" in said else None, dot1x=dot1x, mab=mab,
        storm=int(said["broadcast"]) if "broadcast" in said else None, trust=trust, edge=guarded,
    )  # fmt: skip
