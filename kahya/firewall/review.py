"""May this policy go out? Its rules are linted, and what was rendered is held against it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from typing import Any

from kahya.firewall import fortigate_eval, lint, nftables, windows_eval
from kahya.firewall.matrix import Matrix
from kahya.firewall.nft_eval import Ruleset
from kahya.firewall.policy import policy_of
from kahya.firewall.proof import Deviation, Rules, prove
from kahya.i18n import _
from kahya.model import Town

SYSTEMS = ("firewall", "fortigate", "windows_firewall")
SHOWN = 20  # deviations in a message: one wrong rule has many
_proved: list[tuple[Any, tuple[Deviation, ...]]] = []
"""What was asked last, and the answer: one plan is judged several times on its way."""
_hosts_proved: list[tuple[Any, tuple[Deviation, ...]]] = []


def matrix_of(town: Town) -> Matrix | None:
    """Return who may reach what in ``town``, None where it has no policy."""
    policy = policy_of(town)
    hosts = {h.name: h.vars for h in (*town.hosts.values(), *town.outside.values())}
    return Matrix(policy, hosts, _today(town)) if policy else None


def remarks(town: Town) -> list[lint.Remark]:
    """Return what is to be corrected in the rules of ``town``."""
    policy = policy_of(town)
    return lint.examine(policy, town, date.fromisoformat(_today(town))) if policy else []


def rulesets(town: Town) -> dict[str, str]:
    """Return what each gateway would load, by its name."""
    gateways = {h.name: h.vars for h in town.hosts.values() if "firewall" in h.vars}
    return {
        name: json.dumps(about["rendered"], indent=1, ensure_ascii=False)
        if "rendered" in about
        else nftables.ruleset(about)
        for name, about in gateways.items()
    }


def deviations(town: Town, texts: Mapping[str, str]) -> list[Deviation]:
    """Return every connection for which ``texts``, by gateway, say something else than the policy.

    Raises:
        PlanError: nft can't load a text, or it holds what can't be judged.
    """
    matrix = matrix_of(town)
    if matrix is None:
        return []
    asked = (dict(texts), matrix.policy, matrix.hosts, matrix.today)
    if not _proved or _proved[-1][0] != asked:
        with ThreadPoolExecutor(len(texts) or 1) as pool:
            read = partial(_read, town)
            loaded = dict(zip(texts, pool.map(read, texts, texts.values()), strict=True))
        _proved[:] = [(asked, tuple(prove(matrix, loaded)))]
    return list(_proved[-1][1])


def host_deviations(town: Town) -> list[Deviation]:
    """Return every connection to a host with Windows of which its rules say something else."""
    matrix = matrix_of(town)
    if matrix is None:
        return []
    asked = (matrix.policy, matrix.hosts, matrix.today)
    if not _hosts_proved or _hosts_proved[-1][0] != asked:
        made = {h.name: h.vars["rendered"] for h in town.hosts.values() if "windows" in h.groups}
        found = (
            deviation
            for name, rendered in made.items()
            for deviation in windows_eval.deviations(matrix, name, windows_eval.loaded(rendered))
        )
        _hosts_proved[:] = [(asked, tuple(found))]
    return list(_hosts_proved[-1][1])


def _read(town: Town, gateway: str, text: str) -> Rules:
    """Return what a gateway would do with ``text``."""
    if "rendered" in town.hosts[gateway].vars:
        return fortigate_eval.Configuration.of(text, _today(town))
    return Ruleset.of(text)


def refusals(town: Town) -> list[str]:
    """Return why the firewall of ``town`` must not be changed to what its policy says now."""
    wrong = [str(remark.problem) for remark in remarks(town) if remark.level == "error"]
    found = [] if wrong else [*deviations(town, rulesets(town)), *host_deviations(town)]
    told = [_("the rules deviate from the policy: {what}").format(what=one) for one in found]
    if len(told) > SHOWN:
        more = _("and {count} others").format(count=len(told) - SHOWN)
        told[SHOWN:] = [more]
    return wrong + told


def _today(town: Town) -> str:
    return next(str(h.vars["today"]) for h in town.hosts.values() if "firewall" in h.vars)
