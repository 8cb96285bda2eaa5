"""What the driver promises beyond NAPALM's suites, on the router."""

import contextlib
import shutil
import threading
import time
from pathlib import Path

import pytest
from conftest import INITIAL
from lab import ROUTER
from napalm.base.exceptions import (
    CommandErrorException,
    CommitError,
    ConnectionClosedException,
    ConnectionException,
    MergeConfigException,
    ReplaceConfigException,
)

from napalm_frr.device import text

pytestmark = pytest.mark.device
CHANGE = "interface lan0\n description changed by the test\nexit\n"
MARK = "changed by the test"


def running(device):
    return device.get_config("running")["running"]


def has_change(lab):
    return MARK in lab.router.sh("vtysh -c 'show running-config'")


# ---- staging


def test_an_unchanged_candidate_is_equal_to_running(device):
    for _ in range(2):  # the second answer comes from what the device remembers
        device.load_replace_candidate(config=INITIAL)
        assert device.compare_config() == ""
        assert device.get_config("candidate")["candidate"] == running(device)


def test_the_printed_configuration_can_be_loaded_again(device):
    device.load_replace_candidate(config=running(device))
    assert device.compare_config() == ""


@pytest.mark.parametrize("mode", ["replace", "merge"])
def test_a_typo_is_rejected_with_its_line_and_the_words_of_the_device(device, mode):
    load = getattr(device, f"load_{mode}_candidate")
    failure = ReplaceConfigException if mode == "replace" else MergeConfigException
    text = "hostname r1\ninterface lan0\n ip ospf kost 5\nexit\nip route 10.9.0.0/33 Null0\n"
    with pytest.raises(failure) as caught:
        load(config=text)
    assert "line 3: ip ospf kost 5: % Unknown command" in str(caught.value)
    assert "line 5: ip route 10.9.0.0/33 Null0" in str(caught.value)
    assert device.compare_config() == ""


def test_a_line_that_only_a_daemon_can_refuse_is_rejected(device):
    text = "router bgp 65001\n neighbor 10.77.0.1 description nobody\nexit\n"
    with pytest.raises(MergeConfigException, match=r"line 2: .*[Ss]pecify remote-as"):
        device.load_merge_candidate(config=text)


def test_a_line_that_names_an_address_of_the_router_itself_is_rejected(device):
    text = "router bgp 65001\n neighbor 10.0.12.1 remote-as 65009\nexit\n"
    with pytest.raises(MergeConfigException, match=r"line 2: .*local system"):
        device.load_merge_candidate(config=text)


def test_another_set_of_defaults_is_rejected(device):
    with pytest.raises(ReplaceConfigException, match="line 1: frr defaults datacenter"):
        device.load_replace_candidate(config=f"frr defaults datacenter\n{INITIAL}")


def test_a_link_that_comes_later_needs_no_second_change(device, lab):
    tunnel = "interface wg8\n ip ospf area 0\n ip ospf network point-to-point\nexit\n"
    device.load_replace_candidate(config=INITIAL + tunnel)
    device.commit_config()
    lab.router.sh("ip tuntap add mode tun name wg8; ip link set wg8 up")
    try:
        lab.wait_for(lambda: "POINTOPOINT" in device.cli(["show interface wg8"]).popitem()[1])
        device.load_replace_candidate(config=INITIAL + tunnel)
        assert device.compare_config() == ""
    finally:
        lab.router.sh("ip link del wg8")


# ---- committing


def test_ospf_for_ipv6_comes_and_goes(device):
    lines = ["ipv6 address fd00:12::1/64", "ipv6 ospf6 area 0", "ipv6 ospf6 passive"]
    interface = "interface lan0\n" + "".join(f" {line}\n" for line in lines) + "exit\n"
    text = f"{interface}router ospf6\n ospf6 router-id 10.0.0.1\nexit\n"
    before = running(device)
    device.load_merge_candidate(config=text)
    device.commit_config()
    assert all(line in running(device) for line in (*lines, "ospf6 router-id 10.0.0.1"))
    device.load_merge_candidate(config=text)
    assert device.compare_config() == ""
    device.discard_config()
    device.rollback()
    assert running(device) == before


def test_the_host_name_is_a_part_of_the_configuration(device, lab):
    device.load_replace_candidate(config=INITIAL.replace("hostname r1", "hostname okul-1"))
    device.commit_config()
    assert device.get_facts()["hostname"] == "okul-1"
    assert lab.router.sh("cat /etc/hostname") == "okul-1"
    device.rollback()
    assert device.get_facts()["hostname"] == "r1"


def test_an_unconfirmed_commit_returns_by_itself(device, lab):
    before = running(device)
    device.load_merge_candidate(config=CHANGE)
    device.commit_config(message="try", revert_in=2)
    assert device.has_pending_commit()
    assert MARK in running(device)
    assert MARK not in device.get_config("startup")["startup"]  # so that a reboot returns, too
    lab.router.sh("vtysh -c 'write memory'")  # as a confirmation does that is then killed
    lab.wait_for(lambda: not device.has_pending_commit(), 6)
    assert running(device) == before
    assert MARK not in device.get_config("startup")["startup"]
    with pytest.raises(CommitError, match="returned by itself"):
        device.confirm_commit()


def test_a_confirmed_commit_stays(device, connect, lab):
    device.load_merge_candidate(config=CHANGE)
    device.commit_config(message="ticket 42", revert_in=2)
    device.close()
    fresh = connect()  # whoever checked the router's health does so on a new connection
    fresh.confirm_commit()
    assert not fresh.has_pending_commit()
    assert MARK in fresh.get_config("startup")["startup"]
    time.sleep(2.5)
    assert has_change(lab)
    history = lab.router.sh("cat /var/lib/napalm-frr/history.jsonl")
    assert "ticket 42" in history
    assert '"confirm"' in history


def test_a_restart_in_the_meantime_is_not_confirmed(device, lab):
    device.load_merge_candidate(config=CHANGE)
    device.commit_config(revert_in=60)
    lab.router.sh("systemctl restart frr")  # reads the startup configuration, as a reboot does
    assert not has_change(lab)
    with pytest.raises(CommitError, match="no longer has what was committed"):
        device.confirm_commit()
    device.rollback()
    assert not device.has_pending_commit()


def test_only_one_commit_at_a_time(device, connect):
    device.load_merge_candidate(config=CHANGE)
    device.commit_config(revert_in=60)
    other = connect()
    other.load_merge_candidate(config="ip route 10.63.0.0/16 Null0\n")
    with pytest.raises(CommitError, match="waiting for its confirmation"):
        other.commit_config()
    device.rollback()
    assert MARK not in running(device)


def test_a_change_by_hand_since_staging_is_not_overwritten(device, lab):
    device.load_merge_candidate(config=CHANGE)
    lab.router.sh("vtysh -c 'configure terminal' -c 'ip route 10.99.0.0/16 Null0'")
    with pytest.raises(CommitError, match=r"ip route 10\.99\.0\.0/16 Null0"):
        device.commit_config()
    assert not has_change(lab)


def test_a_commit_that_fails_is_undone(device):
    before = running(device)
    impossible = before.replace("router ospf\n", "router ospf\n no-such-thing\n")
    device.load_merge_candidate(config=CHANGE)
    answer = device._ask(
        "commit", base=before, prediction=impossible, message="", user="", revert_in=None
    )
    assert "was undone" in answer["refused"]
    assert "no-such-thing" in answer["refused"]
    assert running(device) == before
    assert not device.has_pending_commit()


def test_nothing_loaded_is_nothing_to_commit(device):
    with pytest.raises(CommitError, match="no candidate"):
        device.commit_config()


# ---- when things go wrong


def test_a_router_that_cut_itself_off_comes_back(device, connect, lab):
    hurried = connect(timeout=5)
    hurried.load_merge_candidate(config="interface mgmt0\n shutdown\nexit\n")
    started = time.monotonic()
    with pytest.raises(ConnectionClosedException, match="outcome of the commit is unknown"):
        hurried.commit_config(revert_in=9)
    assert time.monotonic() - started < 9
    assert not hurried.is_alive()["is_alive"]
    lab.wait_for(lambda: lab.router.sh("ls /run/napalm-frr/pending.json", check=False) == "")

    def reachable():  # the neighbour needs a moment to see that the link is back
        with contextlib.suppress(ConnectionException):
            return connect(timeout=5)

    lab.wait_for(reachable)
    again = connect()
    assert not again.has_pending_commit()
    assert "shutdown" not in running(again)


@pytest.mark.parametrize("delay", [0.05, 0.15, 0.3, 0.6])
def test_a_connection_lost_in_mid_commit_leaves_no_half_state(device, connect, lab, delay):
    before = running(device)
    doomed = connect()
    doomed.load_replace_candidate(filename=str(Path(__file__).parent / "frr" / "new_good.conf"))
    after = doomed.get_config("candidate")["candidate"]
    threading.Timer(delay, doomed._ssh.close).start()
    with contextlib.suppress(ConnectionClosedException):  # or it was faster
        doomed.commit_config()
    lab.wait_for(lambda: not device.has_pending_commit())
    lab.wait_for(lambda: running(device) in (before, after))
    assert "shadow" not in lab.router.sh("ps -e -o args")


def test_a_daemon_that_crashes_in_mid_commit_leaves_no_half_state(device, connect, lab):
    lab.router.sh("systemctl reset-failed frr; systemctl restart frr")  # it waits longer each time
    patient = connect(timeout=60)
    before = running(patient)
    patient.load_replace_candidate(filename=str(Path(__file__).parent / "frr" / "new_good.conf"))
    after = patient.get_config("candidate")["candidate"]
    kill = (
        "for _ in $(seq 999); do pgrep -f '[n]apalm-frr/agent-.*commit' && break; sleep 0.01; done"
        "; sleep 0.25; pkill -9 ospfd"
    )
    killer = threading.Thread(target=lab.router.sh, args=(kill,), kwargs={"check": False})
    killer.start()
    refused = ""
    try:
        patient.commit_config()
    except CommitError as error:
        refused = str(error)
    killer.join()
    # Refused is it only when the crash came before the first line.
    assert refused == "" or "changed since the candidate was loaded" in refused
    wanted = before if refused else after
    lab.wait_for(lambda: not text.difference(running(patient), wanted))


def test_a_killed_agent_does_not_stop_the_return(device, lab):
    before = running(device)
    device.load_replace_candidate(filename=str(Path(__file__).parent / "frr" / "new_good.conf"))
    kill = "sleep 0.3; kill -9 $(pgrep -f '[n]apalm-frr/agent-.*commit')"
    killer = threading.Thread(target=lab.router.sh, args=(kill,), kwargs={"check": False})
    killer.start()
    with contextlib.suppress(CommandErrorException):  # or it was faster
        device.commit_config(revert_in=2)
    killer.join()
    lab.wait_for(lambda: not device.has_pending_commit(), 8)
    assert running(device) == before


@pytest.mark.parametrize("delay", [0.85, 0.95, 1.05])
def test_confirming_at_the_last_moment_is_all_or_nothing(device, lab, delay):
    device.load_merge_candidate(config=CHANGE)
    device.commit_config(revert_in=1)
    time.sleep(max(0.0, delay - 0.3))
    try:
        device.confirm_commit()
        kept = True
    except CommitError:
        kept = False
    lab.wait_for(lambda: not device.has_pending_commit())
    time.sleep(0.5)
    assert has_change(lab) == kept
    assert (MARK in device.get_config("startup")["startup"]) == kept


# ---- access and secrets


def test_a_wrong_host_key_is_refused(connect, lab, tmp_path):
    shutil.copy(f"{lab.key}.pub", tmp_path / "key")
    known = tmp_path / "known_hosts"
    known.write_text(f"{ROUTER} {(tmp_path / 'key').read_text()}")
    with pytest.raises(ConnectionException, match="does not match"):
        connect(known_hosts=str(known), accept_unknown_host_key=True)


def test_an_unknown_host_key_is_refused_unless_asked_for(connect, tmp_path):
    known = tmp_path / "known_hosts"
    known.touch()
    with pytest.raises(ConnectionException, match="not found in known_hosts"):
        connect(known_hosts=str(known))
    with pytest.warns(UserWarning, match="Unknown"):
        assert connect(known_hosts=str(known), accept_unknown_host_key=True).is_alive()["is_alive"]


def test_a_wrong_key_is_refused(connect, tmp_path, lab):
    from lab import run

    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other"))
    with pytest.raises(ConnectionException):
        connect(key_file=str(tmp_path / "other"))


def test_a_login_without_root_uses_sudo(device, connect):
    device.load_merge_candidate(config=CHANGE)  # so that the state is root's
    plain = connect(username="netadm")
    plain.load_merge_candidate(config=CHANGE)
    plain.commit_config()
    assert MARK in running(plain)
    assert plain.get_facts()["hostname"] == "r1"


def test_the_state_on_the_device_is_for_root_only(device, lab):
    device.load_merge_candidate(config=CHANGE)
    device.commit_config()
    modes = lab.router.sh("stat -c '%a %n' /run/napalm-frr /var/lib/napalm-frr")
    assert [line.split()[0] for line in modes.splitlines()] == ["700", "700"]
    open_files = "find /run/napalm-frr /var/lib/napalm-frr -type f -perm /077"
    assert lab.router.sh(open_files) == ""


def test_sanitized_hides_every_secret(device):
    device.load_replace_candidate(config=INITIAL)
    assert all("s3cret" in text for text in device.get_config().values())
    assert not any("s3cret" in text for text in device.get_config(sanitized=True).values())


# ---- reading


def test_the_router_and_its_neighbour_talk(device, lab):
    def is_up():
        peers = device.get_bgp_neighbors()["global"]["peers"]
        return peers["10.0.12.2"]["is_up"]

    lab.wait_for(is_up)
    lab.wait_for(lambda: "up" in device.cli(["show bfd peers brief"]).popitem()[1])
    assert device.ping("8.8.8.8", count=2)["success"]["packet_loss"] == 0
    lab.wait_for(lambda: "Full" in device.cli(["show ip ospf neighbor"]).popitem()[1])


def test_an_unknown_command_is_an_error(device):
    with pytest.raises(CommandErrorException):
        device.cli(["show nothing at all"])
