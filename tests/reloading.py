"""Gateways load their rules again and again while others talk through them."""

import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from kahya.firewall.nftables import ruleset

sys.path.insert(0, str(Path(__file__).parents[1]))
from deploys.firewall.ruleset import Ruleset
from deploys.firewall.transaction import COUNTED, transaction

TALK = Path(__file__).with_name("talk.py").read_text(encoding="utf-8")
PATH = "PATH=$PATH:/usr/sbin"
GATEWAYS = ("gw-fen", "gw-merkez")
LOADS = 26  # on each of them
LEFT_OUT = "archive-move"  # the rule that the other policy lacks
WAYS = (  # through both gateways and the tunnel; to the internet; from there, by a port forward
    ("pc-fen", "db-merkez", "tcp", 445),
    ("pc-fen", "db-merkez", "udp", 514),
    ("pc-fen", "internet", "tcp", 443),
    ("pc-fen", "internet", "udp", 443),
    ("internet", "gw-merkez", "tcp", 8443),
)
BEHIND = {("gw-merkez", 8443): ("web-merkez", 443)}
RULE = re.compile(r"counter packets (\d+) bytes \d+")


def addresses(town, name):
    """Return the IPv4 and the IPv6 address that others know a host by."""
    about = (town.hosts.get(name) or town.outside[name]).vars
    wan = about.get("interfaces", {}).get("wan0")
    found = [wan["address"], wan["address6"]] if wan else [about["ansible_host"], about["address6"]]
    return [address.split("/")[0] for address in found]


def talk_while(act, town, login):
    """Have hosts talk while ``act`` is done; return what was answered, and what was lost."""
    heard, told = defaultdict(list), defaultdict(list)
    for who, goal, kind, port in WAYS:
        told[who] += [(kind, address, port) for address in addresses(town, goal)]
        host, real = BEHIND.get((goal, port), (goal, port))
        heard[host] += [(kind, address, real) for address in addresses(town, host)]

    def started(host, what, places):
        pipe = subprocess.PIPE
        words = [*login(host), "python3", "-c", TALK, what, json.dumps(places)]
        return subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True)

    counted, lost = Counter(), []
    with ExitStack() as stack:
        for host, places in heard.items():
            server = stack.enter_context(started(host, "listen", places))
            stack.callback(server.stdin.close)
            assert [server.stdout.readline() for _ in places] == ["ready\n"] * len(places), host
        talkers = [stack.enter_context(started(who, "talk", told[who])) for who in told]
        act()
        for talker in talkers:
            said = json.loads(talker.communicate(timeout=60)[0])
            counted.update(said["counted"])
            lost += said["lost"]
    return counted, lost


def load_alternately(town, on):
    """Load another policy and the town's own in turns, on each gateway; then it is as before.

    Returns how many packets each rule that stays had counted before and afterwards, by gateway.
    """
    texts = {name: [*_policies(town.hosts[name].vars)] for name in GATEWAYS}

    def turns(name):
        before = counted(on, name)
        for text in texts[name] * (LOADS // 2):
            listed = on(name, f"{PATH}\n{Ruleset().command(text).get_raw_value()}").splitlines()
            rules = Ruleset().process(listed)
            change = transaction(rules["loaded"], rules["intended"])
            load = f"""{PATH} file=$(mktemp)
cat >$file <<'END'\n{change}END
{COUNTED.replace("FILE", "$file")} && nft -f $file; code=$?; rm $file; exit $code"""
            on(name, load)
        return before, counted(on, name)

    with ThreadPoolExecutor() as pool:
        return dict(zip(GATEWAYS, pool.map(turns, GATEWAYS), strict=True))


def _policies(about):
    """Yield a gateway's rules by another policy, then by its own."""
    first, *rest = (r for r in about["firewall"]["rules"] if r["name"] != LEFT_OUT)
    more = [first, first | {"name": "more", "services": ["rtsp"]}, *rest]
    yield ruleset(about | {"firewall": about["firewall"] | {"rules": more}})
    yield ruleset(about)


def counted(on, gateway):
    """Return how many packets each rule of a gateway has counted, by its chain and words."""
    found, chain = {}, ""
    for line in on(gateway, f"{PATH}\nnft list table inet kahya").splitlines():
        chain = line if line.startswith("\tchain ") else chain
        if (match := RULE.search(line)) and LEFT_OUT not in chain:
            found[chain.strip(), RULE.sub("counter", line).strip()] = int(match[1])
    return found
