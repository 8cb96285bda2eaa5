"""A million blocked domains in a second resolver beside a gateway's own: scripts/bench resolver.

Runs on the gateway, with the configuration and the program that are there, in a folder of its own.
"""

import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

PORT, COUNT, ASKED = 5300, 1_000_000, 20_000
MOVED = 2_000  # names that come and go while it is asked
CONF, PROGRAM = "/etc/unbound/unbound.conf.d/kahya.conf", "/usr/local/lib/kahya-resolver/zones"
OWN = """
server:
    chroot: ""
    username: ""
    do-daemonize: no
    pidfile: {0}/pid
    port: {1}
remote-control:
    control-enable: yes
    control-interface: {0}/control
"""


class Resolver:
    """A resolver in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lists = folder, folder / "domains"
        self.lists.mkdir()
        conf = re.sub(r"    (?:interface: (?!127)|access-control).*\n", "", Path(CONF).read_text())
        conf = re.sub('include: ".*"', f'include: "{folder}/zones.con[f]"', conf)
        (folder / "unbound.conf").write_text(conf + OWN.format(folder, PORT))
        paths = f"lists={self.lists} file={folder}/zones.conf"
        program = re.sub("(?m)^lists=.*", paths, Path(PROGRAM).read_text())
        program = re.sub(r"-c \S+/remote-control.conf", f"-c {folder}/control.conf", program)
        (folder / "zones").write_text(program)
        control = OWN.format(folder, PORT)
        (folder / "control.conf").write_text(control[control.index("remote-control") :])

    def zones(self, word: str) -> float:
        """Run the program and return how long it took, in seconds."""
        began = time.monotonic()
        subprocess.run(["bash", self.folder / "zones", word], check=True)
        return time.monotonic() - began

    def start(self) -> float:
        """Return the seconds until it answers."""
        began = time.monotonic()
        self.process = subprocess.Popen(["unbound", "-d", "-c", self.folder / "unbound.conf"])
        while ask("first.example", 0.1) is None:
            time.sleep(0.02)
        return time.monotonic() - began

    def stop(self) -> int:
        """End it and return its memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        self.process.terminate()
        self.process.wait()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) // 1024


def ask(name: str, patience: float = 2.0) -> tuple[int, float] | None:
    """Return code and milliseconds of an answer, None for none."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = struct.pack("!6H", 1, 0x100, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(patience)
        client.connect(("127.0.0.1", PORT))
        began = time.perf_counter()
        try:
            client.send(query)
            return client.recv(512)[3] & 15, (time.perf_counter() - began) * 1000
        except OSError:
            return None


def pace(name: str, code: int, count: int = ASKED) -> str:
    """Return how long answers take; one is another than it should be, and this ends."""
    answers = [ask(name) for _ in range(count)]
    if {a and a[0] for a in answers} != {code}:
        sys.exit(f"{name} was not always answered {code}")
    times = sorted(a[1] for a in answers)
    return f"p50 {times[count // 2]:.3f} ms, p99 {times[count * 99 // 100]:.3f} ms"


def under_load(resolver: Resolver) -> str:
    """Let names come and go while it is asked, and return how it went."""
    answers, busy = [], threading.Event()

    def keep_asking() -> None:
        while not busy.is_set():
            answers.append(ask("haber.example"))

    askers = [threading.Thread(target=keep_asking) for _ in range(2)]
    for asker in askers:
        asker.start()
    more = resolver.lists / "more"
    more.write_text("".join(f"geldi{n}.example\n" for n in range(MOVED)))
    came = resolver.zones("sync")
    more.unlink()
    went = resolver.zones("sync")
    busy.set()
    for asker in askers:
        asker.join()
    failed = sum(a is None or a[0] != 0 for a in answers)
    times = sorted(a[1] for a in answers if a)
    p99, worst = times[len(times) * 99 // 100], times[-1]
    return (
        f"came in {came:.1f} s, went in {went:.1f} s; of {len(answers)} questions {failed} failed,"
        f" p99 {p99:.1f} ms, worst {worst:.1f} ms"
    )


def measure(resolver: Resolver, count: int) -> None:
    """Measure, and print."""
    resolver.zones("write")
    resolver.start()
    print(f"no lists: {pace('haber.example', 0)}; {resolver.stop()} MB")
    text = "".join(f"kotu-{n * 7919 % 1000003:x}.example\n" for n in range(count))
    (resolver.lists / "usom").write_text(text)
    made, started = resolver.zones("write"), resolver.start()
    print(f"{count:,} domains: zones made in {made:.1f} s, loaded in {started:.1f} s")
    print(f"allowed: {pace('haber.example', 0)}")
    print(f"blocked: {pace('www.kotu-0.example', 3)}")
    print(f"{MOVED:,} more: {under_load(resolver)}")
    print(f"{resolver.stop()} MB")


def main() -> None:
    """Use a folder that is gone afterwards."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    with tempfile.TemporaryDirectory() as place:
        resolver = Resolver(Path(place))
        try:
            measure(resolver, count)
        finally:
            resolver.process.kill()


main()
