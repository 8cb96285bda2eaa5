"""Firewall of a gateway: the town's policy, as nftables."""

from pyinfra import host
from pyinfra.operations import systemd

from deploys.firewall.ruleset import loaded
from kahya.firewall.nftables import ruleset

loaded(ruleset(host.data.dict()), name="load the rules", _timeout=60)
systemd.service(service="nftables", running=None, enabled=True)
