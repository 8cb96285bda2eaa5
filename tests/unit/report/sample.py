"""A town of any size, with all that a report may have to show."""

from pathlib import Path

from kahya import audit, cabling, hardening
from kahya.cabling import Device, Neighbour, Port
from kahya.engines.napalm_platforms import PLATFORMS
from kahya.finding import Finding, Look
from kahya.model import Building, Change, Host, HostPlan, Plan, ProbeResult, System, Town
from kahya.redact import redact
from kahya.report import Event, Network
from kahya.topology import derive

TITLES = (
    "Merkez Hizmet Binası", "Fen İşleri Müdürlüğü", "İtfaiye Müdürlüğü", "Zabıta Müdürlüğü",
    "Kültür ve Sosyal İşler Müdürlüğü", "Temizlik İşleri Müdürlüğü", "Park ve Bahçeler Müdürlüğü",
    "Su ve Kanalizasyon Müdürlüğü", "Mezarlıklar Müdürlüğü", "Veteriner İşleri Müdürlüğü",
    "Gençlik Merkezi", "Nikâh Dairesi",
)  # fmt: skip
SYSTEMS = (
    ("base", "Linux baseline", "Linux temel ayarları", "pyinfra", "linux"),
    ("vpn", "VPN between the buildings", "Birimler arası VPN", "pyinfra", "gateways"),
    ("routing", "Routers", "Yönlendiriciler", "napalm", "gateways"),
    ("firewall", "Firewall", "Güvenlik duvarı", "pyinfra", "gateways"),
    ("postgresql", "Database server", "Veritabanı sunucusu", "ansible", "db_servers"),
    ("switching", "Switches", "Anahtarlar", "napalm", "switches"),
)
SECRET = "s3cr3t-of-the-vault"


def town(buildings: int = 3, hosts_each: int = 2, switches: int = 0) -> Town:
    """Return a town of ``buildings``, each with a gateway and PCs, the first with a database.

    The first of a building's ``switches`` is the gateway's neighbour, each other the one's before.
    """
    raw: dict[str, dict] = {}
    for n in range(1, buildings + 1):
        name = f"bina{n}"
        about = {"name": name, "title": TITLES[(n - 1) % len(TITLES)], "number": n,
                 "lan": f"10.20.{n}.0/24", "mirror": f"10.20.{n}.254:3142"}  # fmt: skip
        members = [(f"gw-{name}", "gateways", 1)]
        members += [(f"db-{name}", "db_servers", 10)] if n == 1 else []
        members += [(f"pc-{name}-{i}", "pcs", 50 + i) for i in range(1, hosts_each)]
        members += [(f"sw-{name}-{i}", "switches", 1 + i) for i in range(1, switches + 1)]
        for host, group, last in members:
            raw[host] = {
                "inventory_hostname": host, "ansible_host": f"10.20.{n}.{last}",
                "group_names": [group, *["linux"] * (group != "switches"), name], "building": about,
            }  # fmt: skip
        for i in range(1, switches + 1):
            to = f"gw-{name} lan0" if i == 1 else f"sw-{name}-{i - 1}"
            raw[f"sw-{name}-{i}"] |= {"platform": "ios", "switch": {"ports": [
                {"name": "GigabitEthernet1/0/1", "to": to, "shut": False},
                {"name": "GigabitEthernet1/0/2", "to": "", "shut": True},
            ]}}  # fmt: skip
        raw[f"gw-{name}"] |= {
            "vpn_public_key": "key",
            "interfaces": {
                "lan0": {"address": f"10.20.{n}.1/24", "zone": "lan"},
                "wan0": {"address": f"198.51.100.{10 + n}/24", "zone": "wan"},
            },
        }
    derive(raw, {"id": "ornek", "name": "Örnek Belediyesi"})
    return Town(
        name="ornek",
        title="Örnek Belediyesi",
        directory="inventories/ornek",
        language="tr",
        confirm_seconds=45,
        buildings={
            b["name"]: Building(b["name"], b["title"], b["number"], b["lan"])
            for b in (v["building"] for v in raw.values())
        },
        hosts={
            name: Host(name, v["ansible_host"], v["building"]["name"], tuple(v["group_names"]), v)
            for name, v in raw.items()
        },
        outside={"internet": Host("internet", "198.51.100.1", "", ("outside",), {})},
        systems=tuple(
            System(name, {"en": en, "tr": tr}, engine, "", group, "", ("B6.8", "S7.14"), "L2")
            for name, en, tr, engine, group in SYSTEMS
            if switches or name != "switching"
        ),
        secrets=(SECRET,),
    )


def plan(of: Town, changes: tuple[Change, ...] = (), unreachable: tuple[str, ...] = ()) -> Plan:
    """Return what was found in ``of``: ``changes``, and nothing of the hosts ``unreachable``."""
    return Plan(
        of.name,
        "3f2a9c1d7be04455a1c2d3e4f5a6b7c8d9e0f1a2",
        {"ansible-core": "2.19.4", "pyinfra": "3.10.0", "napalm": "5.2.0", "kahya": "0.1.0"},
        "2026-03-09T06:00:00Z",
        "2026-03-10T06:00:00Z",
        tuple(
            HostPlan(h.name, s.name, "unreachable", reason="Connection timed out")
            if h.name in unreachable
            else HostPlan(
                h.name, s.name, "ok",
                tuple(c for c in changes if (c.host, c.system) == (h.name, s.name)),
            )
            for h in of.hosts.values()
            for s in of.systems
            if s.group in h.groups
        ),
    )  # fmt: skip


def look(found: Plan, **about: object) -> Look:
    """Return what ``found`` means: all of it drift, or whatever ``about`` says of its findings."""
    known = {"kind": "drift", "since": found.created} | about
    return Look(found, tuple(Finding(change, **known) for change in found.changes))


def change(of: Town, host: str, system: str, resource: str, diff: str, **more: object) -> Change:
    """Return one difference."""
    engine = next(s.engine for s in of.systems if s.name == system)
    fields = {"action": "update", "effect": {"diff": diff}} | more
    return Change(host, of.hosts[host].building, system, engine, resource, diff=diff, **fields)


def checks(of: Town) -> list[ProbeResult]:
    """Return one passed check for each host and system."""
    return [
        ProbeResult(h.name, s.name, f"The {s.name} of a machine does its work.", "passed")
        for s in of.systems
        for h in of.hosts_of(s)
    ]


def events() -> list[Event]:
    """Return one event of every kind, newest first."""
    seen = {"changes": [{}, {}, {}], "hosts": {"gw-bina2": {"status": "ok"}}}
    lost = {"changes": [], "hosts": {"pc-bina3-1": {"status": "unreachable"}}}
    done = {"planned": 12, "applied": [{}] * 12, "extra": [], "missing": [], "ok": True}
    return [
        Event("2026-03-09T06:10:00Z", "observed", "2026-03-09-ab12cd34", seen),
        Event("2026-03-09T06:05:00Z", "observed", "2026-03-09-ab12cd35", lost),
        Event("2026-03-08T21:30:00Z", "probed", "", {"results": [{"status": "passed"}] * 9}),
        Event("2026-03-08T21:20:00Z", "applied", "2026-03-08-77aa01bb", done),
        Event("2026-03-08T21:00:00Z", "planned", "2026-03-08-77aa01bb", seen),
    ]


def device(host: str, **heard: str) -> Device:
    """Return a switch that hears whom ``heard`` names, such as ``p1="gw-bina1 lan0"`` on port 1."""
    seen = {
        f"GigabitEthernet1/0/{port[1:]}": (Neighbour(who.split()[0], tuple(who.split()[1:])),)
        for port, who in heard.items()
    }
    ports = {f"GigabitEthernet1/0/{n}": Port(f"p{n}" in heard, True, 1000.0) for n in range(1, 9)}
    return Device(host, "Cisco", "WS-C2960X-24TS-L", "15.2(7)E4", f"FOC-{host}", ports, seen)


def network(of: Town, devices: list[Device], text: str = "", lost: tuple[str, ...] = ()) -> Network:
    """Return what is found when ``devices`` answer and their configuration is ``text``."""
    hosts = [h for h in of.hosts.values() if {"switches", "gateways"} & set(h.groups)]
    system = next(s for s in of.systems if s.name == "switching")
    rules = hardening.load(Path(__file__).parents[3] / "templates/network", "ios")

    def shown(line: str) -> str:
        return str(redact(PLATFORMS["ios"].rules.shown(line), of.secrets))

    asked = [h for h in hosts if h.name in {d.host for d in devices}]
    broken = [b for h in asked for b in audit.examine(h, system, rules, text, shown)]
    unread = dict.fromkeys(lost, "Connection timed out")
    checked = {h.name: len(rules) for h in asked}
    wiring = cabling.compare(hosts, devices, unread, [h.name for h in hosts])
    waived = audit.waive(broken, of.waivers, "2026-03-09")
    return Network(audit.Audit(waived, checked, unread), wiring)
