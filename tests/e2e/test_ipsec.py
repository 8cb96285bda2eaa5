"""A tunnel to a gateway that is not the town's: the host internet, with strongSwan set up by hand.

It offers weak ciphers first. The town's side is declared in a clone; in the end it has it no more.
It takes four minutes, so only KAHYA_LONG=1 runs it.
"""

import os
import subprocess

import pytest
from admin import ROOT, SAID, SIGNERS, approve, found, kahya, on, run
from buildings import vault

pytestmark = [
    pytest.mark.usefixtures("bring_up"),
    pytest.mark.skipif("KAHYA_LONG" not in os.environ, reason="takes four minutes: KAHYA_LONG=1"),
]
TOWN = "inventories/lab"
PSK = "tirnova-kirmizi-kalem-yedi-2026"
PEER = """
ipsec_peers:
  - name: hastane
    address: 198.51.100.1
    identity: gw.hastane.example
    own_identity: gw-merkez.ornek.bel.tr
    zone: hastane
    networks: [10.90.0.0/24]
    own_networks: [10.20.1.0/24]
    answers: 10.90.0.1
    psk: "{{ vault_psk }}"
"""
THEIRS = f"""
connections {{
  town {{
    version = 2
    local_addrs = 198.51.100.1
    remote_addrs = 198.51.100.11
    proposals = aes128-sha256-modp2048, aes256gcm16-prfsha384-ecp384
    encap = yes
    local {{
      id = gw.hastane.example
      auth = psk
    }}
    remote {{
      id = gw-merkez.ornek.bel.tr
      auth = psk
    }}
    children {{
      all {{
        local_ts = 10.90.0.0/24
        remote_ts = 10.20.1.0/24
        esp_proposals = aes128-sha256, aes256gcm16-ecp384
      }}
    }}
  }}
}}
secrets {{
  ike-town {{
    secret = "{PSK}"
  }}
}}
"""
SET_UP = f"""
set -e
[ -e /dev/net/tun ] || (mkdir -p /dev/net; mknod /dev/net/tun c 10 200)
dpkg -i /root/ipsec/*.deb >/dev/null && rm -r /root/ipsec
sed -i 's/load = no/load = yes/' /etc/strongswan.d/charon/kernel-libipsec.conf
cat >/etc/swanctl/conf.d/town.conf <<'END'
{THEIRS}END
ip address replace 10.90.0.1/24 dev lo && systemctl restart strongswan
"""
PACKAGES = "charon-systemd libcharon-extra-plugins libstrongswan-standard-plugins"
FETCH = f"""
apt-get update -qq
apt-get install -qqy --download-only --no-install-recommends {PACKAGES} >/dev/null
tar cf - -C /var/cache/apt/archives --wildcards --exclude=partial . && apt-get clean
"""
BY_HAND = [  # what is done to the gateway, and what is found
    ("echo >/root/none && swanctl --load-conns --file /root/none", {"connection hastane"}),
    (
        "cd /etc/swanctl/conf.d; sed -i s/ecp384/modp2048/ kahya.conf; echo >>kahya-secrets.conf",
        {f"file /etc/swanctl/conf.d/{name}.conf" for name in ("kahya", "kahya-secrets")},
    ),
]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone of the town with the peer; the town is put in order again in the end."""
    clone = tmp_path_factory.mktemp("ipsec") / "town"
    assert run("git", "clone", "--quiet", ROOT, clone).returncode == 0
    (clone / ".kahya").symlink_to(ROOT / ".kahya")
    with (clone / TOWN / "host_vars/gw-merkez/main.yml").open("a", encoding="utf-8") as file:
        file.write(PEER + vault(PSK).replace("vpn_private_key", "vault_psk") + "\n")
    lab = [ROOT / "scripts/lab", "exec"]
    packages = subprocess.run(
        [*lab, "gw-merkez", "sh", "-ec", FETCH], capture_output=True, check=True
    )
    unpack = [*lab, "internet", "sh", "-ec", "mkdir -p /root/ipsec && tar xf - -C /root/ipsec"]
    subprocess.run(unpack, input=packages.stdout, check=True)
    on("internet", SET_UP)
    yield clone
    on("internet", "systemctl -q disable --now strongswan; ip address del 10.90.0.1/24 dev lo")
    repair(ROOT)
    assert PSK not in "".join(SAID), "not even when the town doesn't know it any more"


def repair(cwd):
    """Bring the gateway to what the town in ``cwd`` says of it."""
    about = ("-i", TOWN, "--limit", "gw-merkez")
    plan = cwd.parent / f"{cwd.name}-ipsec.json" if cwd != ROOT else ROOT / ".kahya/ipsec.json"
    plan.unlink(missing_ok=True)
    made = kahya("plan", *about, "--out", plan, cwd=cwd)
    assert made.returncode == 2, made.stdout + made.stderr
    approve(plan, *SIGNERS, town=cwd / TOWN)
    done = kahya("apply", "-i", TOWN, plan, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    assert found(*about, command="plan", cwd=cwd)[0] == 0


def test_a_tunnel_to_others_is_brought_up_and_kept(clone):
    repair(clone)  # which probes it
    for command, resources in BY_HAND:
        on("gw-merkez", command)
        code, drift = found("-i", TOWN, "--limit", "gw-merkez", "--system", "ipsec", cwd=clone)
        assert (code, {c["resource"] for c in drift["changes"]}) == (2, resources)
        repair(clone)
    chain = on("gw-merkez", "nft list chain inet kahya guard")
    assert 'iifname "ipsec0" ip saddr != { 0.0.0.0, 10.90.0.0/24 }' in chain
    on("internet", "ping -q -c 1 -W 1 -I 10.90.0.1 10.20.1.10 >/dev/null && exit 1; true")
    assert PSK not in "".join(SAID), "no rule lets them in; and nobody has seen the key"
