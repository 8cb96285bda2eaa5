"""`scripts/bench network`: switches read and compared by Kâhya against bare sessions to the same.

The switches are stand-ins (tests/devices), all in one process of this machine, so that the figures
say what Kâhya adds to a session and nothing of real devices or networks.
"""

import asyncio
import logging
import ssl
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARALLEL = 25  # as the engine has
PLATFORMS = ("ios", "eos")


async def be_switches(folder: Path, platform: str, count: int) -> None:
    """Be ``count`` devices on ports of 127.0.0.1, which are printed, until standard input ends."""
    from devices import eapi, terminal
    from devices.__main__ import hardware
    from devices.device import Device

    config = (ROOT / f"tests/unit/engines/switches/{platform}.cfg").read_text(encoding="utf-8")
    face = terminal if platform == "ios" else eapi
    servers = []
    for number in range(count):
        where = folder / f"device-{number}"
        device = Device(where, platform, config, hardware(platform, ""))
        servers.append(await face.serve(device, "127.0.0.1", 0))
        print(servers[-1].sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


def read_bare(host) -> str:  # noqa: ANN001 - kahya's Host; imported where the paths are known
    """Log in and read the running configuration, as a script would do."""
    name, password = host.vars["ansible_user"], host.vars["ansible_password"]
    if host.vars["platform"] == "eos":
        import pyeapi

        trust = ssl.create_default_context(cafile=host.vars["ansible_httpapi_ca_path"])
        node = pyeapi.connect("https", host.address, name, password,
                              host.vars["ansible_httpapi_port"], context=trust)  # fmt: skip
        [answer] = node.execute(["show running-config"], encoding="text")["result"]
        return answer["output"]
    from netmiko import ConnectHandler

    known = {"ssh_strict": True, "alt_host_keys": True}
    known["alt_key_file"] = host.vars["ssh_known_hosts_file"]
    login = {"host": host.address, "username": name, "password": password}
    port = host.vars["ansible_port"]
    with ConnectHandler(device_type="cisco_ios", port=port, **login, **known) as session:
        return session.send_command("show running-config")


def measure(platform: str, count: int) -> tuple[float, float]:
    """Return the seconds of ``count`` bare sessions and of Kâhya's plan for the same devices."""
    import switch_lab

    with tempfile.TemporaryDirectory(prefix="kahya-") as name:
        folder = Path(name)
        words = [sys.executable, __file__, str(folder), platform, str(count)]
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT / "tests"
        )
        ports = [int(process.stdout.readline()) for _ in range(count)]
        town, engine, task = switch_lab.many(platform, folder, ports)
        try:
            begin = time.monotonic()
            with ThreadPoolExecutor(PARALLEL) as pool:
                texts = list(pool.map(read_bare, task.hosts))
            bare = time.monotonic() - begin
            if not all(text.rstrip().endswith("end") for text in texts):
                sys.exit("a bare session did not read a whole configuration")
            begin = time.monotonic()
            plans = list(engine.plan(town, [task], lambda *_: None))
            ours = time.monotonic() - begin
            wrong = [plan for plan in plans if plan.status != "ok" or len(plan.changes) != 1]
            if wrong:
                sys.exit(f"not read as it is: {wrong[0]}")
        finally:
            process.communicate("")
    return bare, ours


def network(count: int) -> None:
    """Measure each platform and print figures and ratios."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests/unit")]
    logging.disable(logging.CRITICAL)
    print(f"{count} devices, {PARALLEL} at once   bare session  read and compared  ratio")
    for platform in PLATFORMS:
        bare, ours = measure(platform, count)
        print(f"{platform:28} {bare:11.1f} s {ours:16.1f} s {ours / bare:7.1f}", flush=True)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "tests")]
    asyncio.run(be_switches(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
