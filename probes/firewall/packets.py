"""The policy's matrix tried with real packets between hosts.

Each host is sent one small script that answers and one that knocks, over the connection that it is
logged in to with anyway; both end with it and leave nothing behind.
"""

import json
import re
import shlex
import subprocess
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from kahya.firewall.matrix import Flow, Matrix, Spot
from kahya.firewall.nft_eval import Knock

HERE = Path(__file__).parent
START = "import sys,json; task=json.loads(sys.stdin.readline()); exec(task.pop('code'), task)"
WAITS = (1.0, 3.0)  # seconds: what should have answered and did not is tried once more, longer
AT_ONCE = 64  # scripts
SSH_FAILED = 255
PATIENCE = 40  # seconds for one script
Login = Callable[[str], list[str]]
"""Returns the words that run a command on a host, as root."""


@dataclass(frozen=True)
class Seen:
    """A connection that was tried; ``who`` answered, "?" if it gave no name, "" if nobody.

    ``silent``: nobody, but a daemon listens there that answers to nothing a stranger may say.
    """

    source: str
    to: str
    flow: Flow
    who: str
    silent: bool = False

    @property
    def right(self) -> bool:
        """Return whether it is as the policy says, as far as it could be seen."""
        if self.silent:
            return True
        if self.flow.arrives is None:
            return not self.who
        return self.who in ("?", f"kahya:{self.to}")

    @property
    def row(self) -> tuple[str, ...]:
        """Return it as a row: from, to, service, family, expected, seen."""
        seen = {"": "dropped", "?": "answered"}.get(self.who, self.who.replace("kahya:", "by "))
        expected = "dropped" if self.flow.arrives is None else "answered"
        family = f"IPv{self.flow.to.address.version}"
        ends = (f"{self.source} ({self.flow.source.zone})", f"{self.to} ({self.flow.to.zone})")
        return *ends, self.flow.label, family, expected, seen


def table(rows: Sequence[Seen]) -> str:
    """Return ``rows`` in columns."""
    cells = [("from", "to", "service", "family", "expected", "seen"), *(r.row for r in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in cells]
    return "\n".join(line.rstrip() for line in lines)


def ends(matrix: Matrix, names: Sequence[str]) -> dict[str, list[Spot]]:
    """Return the places of hosts to try: one host for each zone behind each interface."""
    found: dict[tuple[str, str, str], str] = {}
    spots = {
        name: [matrix.spot(a) for a in matrix.addresses(name) if a not in matrix.tunnelled]
        for name in names
    }
    for name in names:
        for spot in spots[name]:
            found.setdefault((spot.gateway, spot.interface, spot.zone), name)
    return {name: spots[name] for name in dict.fromkeys(found.values())}


def closed(
    matrix: Matrix, stranger: str, gateway: str, ports: Sequence[int]
) -> Iterator[tuple[str, int]]:
    """Yield outer addresses of a gateway and TCP ports there that the policy shuts to a host."""
    for source in map(matrix.spot, matrix.addresses(stranger)):
        for to in map(matrix.spot, matrix.addresses(gateway)):
            if to.address in matrix.outer and to.address.version == source.address.version:
                shut = (p for p in ports if not matrix.verdict(source, to, Knock("tcp", p)))
                yield from ((str(to.address), port) for port in shut)


def counted(chain: str, interface: str, comment: str) -> int:
    """Return how many packets from ``interface`` the rules of that comment in ``chain`` met."""
    rule = rf'iifname "{interface}" .*counter packets (\d+) .*comment "{comment}"'
    return sum(map(int, re.findall(rule, chain)))


def flows(
    matrix: Matrix, hosts: Mapping[str, Sequence[Spot]], gateways: Mapping[str, Sequence[Spot]]
) -> Iterator[tuple[str, str, Flow]]:
    """Yield what is tried: source, who should answer, and the connection."""
    names = {spot.address: name for name, spots in {**gateways, **hosts}.items() for spot in spots}
    for source, own in hosts.items():
        for name, theirs in {**gateways, **hosts}.items():
            for one in own if name != source else ():
                for other in theirs:
                    if one.address.version != other.address.version or not matrix.meet(one, other):
                        continue
                    for knock, arrives in matrix.verdicts(one, other).items():
                        services = matrix.knocks[knock]
                        if services or arrives:
                            goal = names.get(arrives[0], name) if arrives else name
                            yield source, goal, Flow(one, other, knock, arrives, services)


def judge(flow: Flow) -> str:
    """Return the gateway that answers for a connection: the last one that could have dropped it.

    One that is to be answered is the first one's affair. So a gateway that has no rules yet, in a
    building that is being brought up, is nobody else's failure.
    """
    ends = flow.source.gateway, flow.to.gateway
    return next(filter(None, ends if flow.arrives else reversed(ends)), "")


def away(names: Collection[str], login: Login) -> set[str]:
    """Return who can't be logged in to."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = pool.map(lambda n: subprocess.run([*login(n), "true"], check=False), names)
        return {name for name, one in zip(names, done, strict=True) if one.returncode == SSH_FAILED}


def probe(tried: Sequence[tuple[str, str, Flow]], login: Login) -> list[Seen]:
    """Send every packet of ``tried`` and return what was seen, in the same order."""
    with ExitStack() as stack, ThreadPoolExecutor(AT_ONCE) as pool:
        ports = _ports(tried)
        entered = [pool.submit(stack.enter_context, _listening(h, ports[h], login)) for h in ports]
        taken = {host: done.result() for host, done in zip(ports, entered, strict=True)}
        seen = _knock(tried, login, WAITS[0], pool)
        again = [i for i, one in enumerate(seen) if not one.right and one.flow.arrives]
        for index, one in zip(again, _knock([tried[i] for i in again], login, WAITS[1], pool),
                              strict=True):  # fmt: skip
            seen[index] = one
    return [replace(one, silent=_silent(one, taken.get(one.to, []))) for one in seen]


def _silent(one: Seen, taken: Sequence[Sequence[object]]) -> bool:
    address, port = one.flow.arrives or (one.flow.to.address, one.flow.knock.port)
    place = [one.flow.knock.protocol, str(address), port]
    return not one.who and place[0] == "udp" and place in taken


def _ports(tried: Sequence[tuple[str, str, Flow]]) -> dict[str, list[tuple[str, str, int]]]:
    """Return where each host has to listen."""
    found: dict[str, dict[tuple[str, str, int], None]] = defaultdict(dict)
    for _source, to, flow in tried:
        address, port = flow.arrives or (flow.to.address, flow.knock.port)
        if port:
            found[to][flow.knock.protocol, str(address), port] = None
    return {host: list(ports) for host, ports in found.items()}


@contextmanager
def _listening(host: str, ports: Sequence[tuple[str, str, int]], login: Login):
    task = {"name": f"kahya:{host}", "ports": ports}
    process = _started(host, "listen.py", task, login)
    try:
        line = process.stdout.readline()
        if not line:
            raise AssertionError(f"{host} can't listen: {_ended(process)[1]}")
        yield json.loads(line)
    finally:
        _ended(process)


def _knock(
    tried: Sequence[tuple[str, str, Flow]], login: Login, wait: float, pool: ThreadPoolExecutor
) -> list[Seen]:
    sources = list(dict.fromkeys(source for source, _to, _flow in tried))
    mine = {s: [(to, flow) for source, to, flow in tried if source == s] for s in sources}

    def of(source: str) -> list[str]:
        knocks = [(f.knock.protocol, str(f.to.address), f.knock.port) for _to, f in mine[source]]
        process = _started(source, "knock.py", {"wait": wait, "knocks": knocks}, login)
        out, err = _ended(process)
        if process.returncode:
            raise AssertionError(f"{source} can't knock: {err}")
        return json.loads(out)

    answers = {s: iter(found) for s, found in zip(sources, pool.map(of, sources), strict=True)}
    return [Seen(source, to, flow, next(answers[source])) for source, to, flow in tried]


def _ended(process: subprocess.Popen) -> tuple[str, str]:
    """End a script's input, wait for it, and return what it said and complained of."""
    if process.returncode is not None:
        return "", ""
    try:
        return process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise


def _started(host: str, script: str, task: dict, login: Login) -> subprocess.Popen:
    prefix = login(host)
    # ssh hands one line to a shell over there.
    start = shlex.quote(START) if prefix[0] == "ssh" else START
    command = [*prefix, "python3", "-c", start]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    code = (HERE / script).read_text(encoding="utf-8")
    process.stdin.write(json.dumps({"code": code, "TASK": task}) + "\n")
    process.stdin.flush()
    return process
