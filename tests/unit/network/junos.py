"""Reads what a Junos configuration means."""

import re

from netutils.password import decrypt_juniper_type9
from network.model import Lines, Port, Switch

TERM = "firewall | family inet | filter management | term"
USER = r"system \| login \| user (?P<user>(?!remote )\S+)"
USM = r"snmp \| v3 \| usm \| local-engine \| user (?P<snmp>\S+)"
VACM = "snmp | v3 | vacm |"
GUARD = r"vlans \| (?P<vlan>\S+) \| forwarding-options \| dhcp-security"
DOT1X = r"protocols \| dot1x \| authenticator"
FIXED = [
    "system | login | retry-options | tries-before-disconnect 3",
    "system | login | class town | idle-timeout 5",
    "system | login | class town | permissions all",
    "system | login | user remote | uid 2000", "system | login | user remote | class town",
    "system | services | ssh | root-login deny", "system | services | ssh | protocol-version v2",
    "system | services | netconf | ssh", "system | authentication-order [ radius password ]",
    "system | syslog | file messages | any notice",
    "system | syslog | file messages | authorization info",
    "interfaces | lo0 | unit 0 | family inet | filter | input management",
    "snmp | view all | oid .1 include",
    f"{TERM} management | from | source-prefix-list | management",
    f"{TERM} management | from | protocol [ tcp udp ]",
    f"{TERM} management | from | destination-port [ ssh 830 snmp ]",
    f"{TERM} management | then accept",
    f"{TERM} others | from | protocol [ tcp udp ]",
    f"{TERM} others | from | destination-port [ ssh 830 snmp telnet http https ]",
    f"{TERM} others | then | syslog", f"{TERM} others | then | discard",
    f"{TERM} rest | then accept",
    "access | profile town | authentication-order radius",
    "protocols | lldp | interface all", "protocols | lldp-med | interface all",
    "protocols | rstp | bpdu-block-on-edge",
]  # fmt: skip
PORT = r"interfaces \| (?P<port>ge-\S+)"
L2 = rf"{PORT} \| unit 0 \| family ethernet-switching"
FORMS = [
    r"system \| host-name (?P<hostname>\S+)",
    r"snmp \| engine-id \| local (?P<hostname>\S+)",
    r'system \| root-authentication \| encrypted-password "(?P<enable>\S+)"',
    r'system \| login \| message "(?P<banner>.*)"',
    rf"{USER} \| uid (?P<uid>\d+)",
    rf"{USER} \| class (?P<class>town)",
    rf'{USER} \| authentication \| encrypted-password "(?P<hash>\S+)"',
    r"system \| domain-name (?P<domain>\S+)",
    r'system \| radius-server \| (?P<radius>\S+) \| secret "(?P<key>\S+)"',
    r'access \| radius-server \| (?P<dot1x_radius>\S+) \| secret "(?P<dot1x_key>\S+)"',
    r"(?:system|access) \| radius-server \| (?P<sourced>\S+) \| source-address (?P<source>\S+)",
    r"system \| (?:syslog|ntp) \| source-address (?P<source>\S+)",
    r"system \| syslog \| host (?P<syslog>\S+) \| any info",
    r"system \| ntp \| server (?P<ntp>\S+)",
    rf'{PORT} \| description (?:"(?P<quoted>[^"]* [^"]*)"|(?P<description>\S+))',
    rf"{PORT} \| (?P<shut>disable)",
    rf"{PORT} \| native-vlan-id (?P<native>\d+)",
    rf"{L2} \| interface-mode (?P<mode>access|trunk)",
    rf"{L2} \| vlan \| members (?:\[ (?P<members>\S+ [^]]+) \]|(?P<member>\S+))",
    rf"{L2} \| storm-control storm-(?P<storm>\d+)",
    r"interfaces \| irb \| unit (?P<management>\d+) \| description management",
    r"interfaces \| irb \| unit (?P<of>\d+) \| family inet \| address (?P<address>\S+)",
    r"snmp \| location (?P<location>\S+)",
    r"snmp \| contact (?P<contact>\S+)",
    rf'{USM} \| authentication-sha \| authentication-key "(?P<auth>\S+)"',
    rf'{USM} \| privacy-aes128 \| privacy-key "(?P<priv>\S+)"',
    re.escape(f"{VACM} security-to-group | security-model usm | security-name ")
    + r"(?P<in_group>\S+) \| group town",
    re.escape(f"{VACM} access | group town | default-context-prefix | security-model usm | ")
    + r"(?P<vacm>security-level privacy \| read-view all)",
    (
        r"forwarding-options \| storm-control-profiles storm-(?P<level>\d+) \| all \| "
        r"bandwidth-percentage (?P<percent>\d+)"
    ),
    r"policy-options \| prefix-list management \| (?P<subnet>\S+)",
    (
        r"access \| profile town \| radius \| authentication-server "
        r"(?:\[ (?P<servers>\S+ [^]]+) \]|(?P<server>\S+))"
    ),
    r"switch-options \| voip \| interface (?P<port>\S+)\.0 \| vlan (?P<voice>\S+)",
    r"routing-options \| static \| route 0.0.0.0/0 next-hop (?P<gateway>\S+)",
    rf"{DOT1X} \| (?P<profile>authentication-profile-name town)",
    rf"{DOT1X} \| interface \| (?P<port>\S+)\.0 \| (?P<dot1x>supplicant multiple)",
    rf"{DOT1X} \| interface \| (?P<port>\S+)\.0 \| (?P<mab>mac-radius)",
    rf"{DOT1X} \| interface \| (?P<port>\S+)\.0 \| mac-radius \| (?P<only>restrict)",
    r"protocols \| rstp \| interface (?P<port>\S+) \| (?P<edge>edge)",
    r"protocols \| (?P<tree>rstp) \| interface (?P<port>\S+)",
    r"vlans \| (?P<vlan>\S+) \| vlan-id (?P<vlan_id>\d+)",
    r"vlans \| (?P<vlan>\S+) \| l3-interface irb\.(?P<of>\d+)",
    rf"{GUARD} \| (?P<arp>arp-inspection)",
    rf"{GUARD} \| group (?P<group>trusted|untrusted) \| overrides \| (?P<trust>(?P=group))",
    rf"{GUARD} \| group (?P<group>trusted|untrusted) \| interface (?P<guarded>\S+)\.0",
]


def parse(text):
    """Return the switch. A port without a guarded VLAN is neither trusted nor not."""
    lines = Lines(_statements(text), FIXED, FORMS)
    one, every = lines.one, lines.all
    vlans = lines.pairs("vlan", "vlan_id")
    keys, guarded = lines.pairs("radius", "key"), lines.pairs("vlan", "arp")
    _agree(lines, keys)
    dhcp = frozenset(int(vlans[name]) for name in guarded)
    auth, priv = lines.pairs("snmp", "auth"), lines.pairs("snmp", "priv")
    return Switch(
        hostname=every("hostname")[0], domain=one("domain"),
        banner=one("banner").replace("\\n", "\n"),
        vlans={int(number): name for name, number in vlans.items()},
        ports={n: _port(n, said, vlans, lines) for n, said in lines.ports().items()},
        dhcp_vlans=dhcp, arp_vlans=dhcp, address=one("address"),
        management=int(one("management")), gateway=one("gateway"),
        login_from=frozenset(every("subnet")), enable=one("enable"),
        users=lines.pairs("user", "hash"),
        radius=tuple((a, decrypt_juniper_type9(k)) for a, k in keys.items()),
        location=one("location"), contact=one("contact"),
        snmp_users={
            n: (decrypt_juniper_type9(auth[n]), decrypt_juniper_type9(priv[n])) for n in auth
        },
        syslog=every("syslog"), ntp=every("ntp"),
    )  # fmt: skip


def _agree(lines, keys):
    """Compare what a Junos configuration says in two places."""
    one, every = lines.one, lines.all
    assert every("hostname") == (every("hostname")[0],) * 2
    assert every("of") == (one("management"),) * 2
    # Of syslog and NTP, and of each RADIUS server, which stand there twice.
    assert every("source") == (one("address").split("/")[0],) * (2 + 2 * len(keys))
    assert lines.pairs("dot1x_radius", "dot1x_key") == keys
    assert every("sourced") == (*keys, *keys)
    assert (every("servers") or every("server"))[0].split() == [*keys]
    assert every("in_group") == (*lines.pairs("snmp", "auth"),)
    assert len(every("vacm")) == bool(every("in_group"))
    assert lines.pairs("level", "level") == lines.pairs("level", "percent")
    groups = [
        {(said["vlan"], said["group"]) for said in lines.said if key in said}
        for key in ("trust", "guarded")
    ]
    assert groups[0] == groups[1]
    users = lines.pairs("user", "uid")
    assert users.keys() == lines.pairs("user", "class").keys() == lines.pairs("user", "hash").keys()
    assert len({*users.values(), "2000"}) == len(users) + 1


def _port(number, said, vlans, lines):
    trunk = said["mode"] == "trunk"
    names = said["members"].split() if "members" in said else [said["member"]]
    members = frozenset(int(vlans[name]) for name in names)
    native = {int(said["native"])} if "native" in said else set() if trunk else members
    assert native <= members
    assert ("tree" in said) != ("edge" in said)
    asks = "dot1x" in said
    assert asks >= ("mab" in said or "only" in said)
    assert not asks or lines.one("profile")
    if "storm" in said:
        assert said["storm"] in lines.all("level")
    groups = {
        (vlans[one["vlan"]], one["group"])
        for one in lines.said
        if "guarded" in one and int(re.split(r"\D", one["guarded"])[-1]) == number
    }
    carried = {*members, *([int(vlans[said["voice"]])] if "voice" in said else [])}
    watched = {int(vlans[name]) for name in lines.pairs("vlan", "arp")}
    assert {int(vlan) for vlan, _ in groups} == carried & watched
    trust = {group for _, group in groups}
    assert len(trust) <= 1
    return Port(
        description=said.get("quoted") or said["description"], shut="shut" in said,
        untagged=min(native, default=None), tagged=members - native,
        voice=int(vlans[said["voice"]]) if "voice" in said else None,
        dot1x=asks and "only" not in said, mab="mab" in said or "only" in said,
        storm=int(said["storm"]) if "storm" in said else None,
        trust="trusted" in trust if trust else None, edge="edge" in said,
    )  # fmt: skip


def _statements(text):
    """Yield each statement with the names of the braces around it."""
    above = []
    for line in map(str.strip, text.splitlines()):
        if line.endswith("{"):
            above.append(line.removesuffix(" {"))
        elif line == "}":
            above.pop()
        else:
            assert line.endswith(";"), line
            yield " | ".join([*above, line.removesuffix(";")])
    assert not above
