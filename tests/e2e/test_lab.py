"""The lab itself, on a town of one router and one PC. Needs root, podman and a package mirror."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from admin import await_capture
from labs import SmallLab, lab_of

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.getuid() != 0, reason="needs root")]

TOWN = Path(__file__).parent / "towns" / "one_router"
MIRROR = "http://10.20.1.254:3142"


@pytest.fixture(scope="module")
def lab() -> Iterator[SmallLab]:
    with lab_of(TOWN) as lab:
        yield lab


def left_over(code: str) -> list[str]:
    """Return what this machine still has of the lab called ``code``."""
    podman = ["podman", "ps", "--all", "--format", "{{.Names}}"]
    names = subprocess.run(podman, capture_output=True, text=True, check=True).stdout.split()
    names += [path.name for path in Path("/run/netns").iterdir()]
    return [name for name in names if code in name]


def test_up_again_changes_nothing(lab: SmallLab) -> None:
    said = lab("up")
    assert "is up" in said
    assert "creating" not in said
    assert "switching on" not in said


def test_status_tells_a_host_that_is_off(lab: SmallLab) -> None:
    assert lab("status").count("up\n") == 3
    lab("stop", "pc-depo")
    assert "off" in lab("status", code=1)
    lab("exec", "pc-depo", "true", code=1)
    lab("start", "pc-depo")
    lab("status")
    assert "default via 10.20.1.1 " in lab("exec", "pc-depo", "ip", "route"), "it is wired again"


def test_a_host_cut_off_is_mended_by_up(lab: SmallLab) -> None:
    lab("exec", "pc-depo", "ip", "link", "delete", "eth0")
    assert "unplugged" in lab("status", code=1)
    lab("up")
    lab("status")
    lab("exec", "pc-depo", "ping", "-c1", "-W2", "10.20.1.1")


def test_day_zero(lab: SmallLab) -> None:
    assert lab("ssh", "gw-depo", "hostname; sudo id -un").split() == ["gw-depo", "root"]
    assert lab("exec", "gw-depo", "systemctl", "is-system-running").strip() == "running"
    assert lab("exec", "pc-depo", "cat", "/proc/sys/net/ipv4/ip_forward").strip() == "0"
    assert lab("exec", "gw-depo", "cat", "/proc/sys/net/ipv4/ip_forward").strip() == "1"
    keys = [lab("exec", h, "sh", "-c", "cat /etc/ssh/*.pub") for h in ("gw-depo", "pc-depo")]
    assert keys[0].split()[1] != keys[1].split()[1], "host keys are not baked into the image"
    assert all(key.split()[1] in (lab.files / "known_hosts").read_text() for key in keys)


def test_the_key_is_private(lab: SmallLab) -> None:
    assert lab.files.stat().st_mode & 0o777 == 0o700
    assert (lab.files / "id_ed25519").stat().st_mode & 0o777 == 0o600


def test_network_settings_are_the_hosts_own(lab: SmallLab) -> None:
    setting = Path("/proc/sys/net/ipv4/conf/all/log_martians")
    before = setting.read_text()
    lab("exec", "pc-depo", "sysctl", "-w", f"net.ipv4.conf.all.log_martians={1 - int(before)}")
    assert setting.read_text() == before
    lab("exec", "pc-depo", "sysctl", "-w", "kernel.printk_delay=0", code=1)


def test_boot_reads_sysctl_d(lab: SmallLab) -> None:
    line = "echo net.ipv4.conf.all.secure_redirects=0 >/etc/sysctl.d/60-test.conf"
    lab("exec", "pc-depo", "sh", "-c", line)
    lab("stop", "pc-depo")
    lab("start", "pc-depo")
    setting = "/proc/sys/net/ipv4/conf/all/secure_redirects"
    assert lab("exec", "pc-depo", "cat", setting).strip() == "0"


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("http://deb.debian.org/debian/dists/bookworm/InRelease", 200),
        ("http://deb.debian.org/debian-security/dists/bookworm-security/InRelease", 200),
        ("http://deb.debian.org/anything-else", 403),
        ("http://example.com/", 403),
    ],
)
def test_the_mirror_has_debian_and_nothing_else(lab: SmallLab, address: str, status: int) -> None:
    ask = (
        "import sys, urllib.error, urllib.request as r\n"
        "via = r.build_opener(r.ProxyHandler({'http': sys.argv[1]}))\n"
        "try: print(via.open(sys.argv[2], timeout=20).status)\n"
        "except urllib.error.HTTPError as error: print(error.code)\n"
    )
    assert lab("exec", "pc-depo", "python3", "-c", ask, MIRROR, address).strip() == str(status)


def test_there_is_no_other_way_out(lab: SmallLab) -> None:
    lab("exec", "pc-depo", "ping", "-c1", "-W1", "10.20.1.254")
    lab("exec", "pc-depo", "ping", "-c1", "-W1", "192.0.2.1", code=1)


def test_the_mirror_has_no_tcp_port(lab: SmallLab) -> None:
    config = str(lab.files.parents[1] / "cache" / "config")
    command = ["pgrep", "--full", "--exact", f"/usr/sbin/apt-cacher-ng -c {config}"]
    (pid,) = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    open_files = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    for table in ("tcp", "tcp6"):
        rows = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        listening = {f"socket:[{row.split()[9]}]" for row in rows if row.split()[3] == "0A"}
        assert listening.isdisjoint(open_files)


def test_the_wan_can_be_recorded(lab: SmallLab, tmp_path: Path) -> None:
    record = subprocess.Popen(lab.command("capture", "6", str(tmp_path / "wan.pcap")))
    await_capture(tmp_path / "wan.pcap")
    lab("exec", "gw-depo", "ping", "-c1", "-W1", "198.51.100.99", code=1)
    assert record.wait() == 0
    seen = subprocess.run(
        ["tcpdump", "-nr", str(tmp_path / "wan.pcap")], capture_output=True, text=True, check=True
    )
    assert "who-has 198.51.100.99 tell 198.51.100.12" in seen.stdout


def left_behind(lab: SmallLab) -> None:
    """Kill ``scripts/lab up`` while it creates hosts."""
    up = subprocess.Popen(lab.command("up"), stdout=subprocess.PIPE, text=True)
    assert up.stdout
    while "creating" not in up.stdout.readline():
        assert up.poll() is None
    time.sleep(0.3)
    up.send_signal(signal.SIGKILL)
    up.wait()


def test_half_an_up_is_finished_or_removed() -> None:
    with lab_of(TOWN) as lab:
        code = lab("up").split(" is up")[0].split()[-1]
        assert len(left_over(code)) == 3, "two containers and a namespace"
        lab("down")
        assert not left_over(code)
        assert not lab.files.exists()
        left_behind(lab)
        lab("up")
        lab("status")
        lab("down")
        left_behind(lab)
        lab("down")
        assert not left_over(code)
