"""A mask hides every secret, is the same each time, and is filled in where the secret is known."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from napalm.base.constants import CISCO_SANITIZE_FILTERS
from napalm.base.helpers import sanitize_config

from kahya.engines.napalm_platforms import PLATFORMS
from kahya.mask import MARK, TOKEN, Mask
from napalm_frr.sanitize import sanitize

CASES = yaml.safe_load((Path(__file__).parent / "cases/secrets.yml").read_text(encoding="utf-8"))
VAULT = ("another long secret", "vaulted")
MASK = Mask("gw-fen", b"k" * 32, VAULT, PLATFORMS["ios"].rules.shown)
SANITIZERS = {
    "frr": sanitize,
    "ios": lambda text: sanitize_config(text, CISCO_SANITIZE_FILTERS),
    "silent": lambda text: text,
}
CANARY = st.text("KQXZ", min_size=6, max_size=12)  # none of these letters stands in a case


def configuration(canary):
    """Return every line of the cases that stays, each with its secret."""
    lines = [line for name in CASES if name != "volatile" for line in CASES[name]]
    return "".join(line.replace("{}", canary) + "\n" for line in lines).rstrip("\n") + "\n"


@pytest.mark.parametrize("driver", SANITIZERS)
@pytest.mark.parametrize("platform", [p for p in PLATFORMS if PLATFORMS[p].rules.secrets])
@settings(max_examples=20)
@given(canary=CANARY)
def test_no_secret_is_shown_and_all_can_be_filled_in(driver, platform, canary):
    mask = replace(MASK, shown=PLATFORMS[platform].rules.shown)
    raw = configuration(canary)
    clean = SANITIZERS[driver](raw)
    shown = mask.hide(raw, clean)
    assert canary not in shown
    assert not any(secret in shown for secret in VAULT)
    assert mask.fill(shown, {"running": raw}, {"running": clean}) == raw
    assert shown == mask.hide(raw, clean)


@pytest.mark.parametrize("driver", SANITIZERS)
@pytest.mark.parametrize(
    "line", [line for name in CASES if name != "plain" for line in CASES[name]]
)
@settings(max_examples=20)
@given(one=CANARY, other=CANARY)
def test_another_secret_is_seen_as_another(driver, line, one, other):
    shown = [
        MASK.hide(raw, SANITIZERS[driver](raw))
        for raw in (line.replace("{}", secret) for secret in (one, other))
    ]
    assert (shown[0] == shown[1]) == (one == other or "{}" not in line)


LINES = st.lists(
    st.sampled_from(
        ["router ospf", " md5 {}", " {} of {}", "snmp-server community {} ro", "{}", ""]
    )
    | st.text(st.characters(exclude_categories=["C", "Z"]), max_size=12).map(
        lambda text: text.replace("{", "").replace("}", "")
    ),
    max_size=8,
)
SECRETS = st.sampled_from([*VAULT, "<removed>", "<secret:0123456789abcdef>", " ", "ab", "md5"])


@given(LINES, st.lists(SECRETS, min_size=2, max_size=2), st.data())
def test_what_is_filled_in_is_what_was_masked(lines, secrets, data):
    """Whatever a driver hides, as long as it keeps the lines."""
    kept = [line.format(*secrets) for line in lines]
    shown = [data.draw(st.sampled_from([x, MARK, re.sub(r" \S+$", f" {MARK}", x)])) for x in kept]
    raw, clean = "\n".join(kept), "\n".join(shown)
    masked = MASK.hide(raw, clean)
    assert MASK.fill(masked, {"running": raw}, {"running": clean}).strip("\n") == raw.strip("\n")


def test_what_the_driver_shows_stays_readable():
    raw = " ip ospf message-digest-key 1 md5 KQXZ\nsnmp-server host 10.0.0.9 version 2c KQX  vrrp\n"
    one, other = MASK.hide(raw, SANITIZERS["ios"](raw)).splitlines()
    assert re.fullmatch(rf" ip ospf message-digest-key 1 md5 {TOKEN.pattern}", one)
    assert re.fullmatch(rf"snmp-server host 10.0.0.9 version 2c {TOKEN.pattern}  vrrp", other)


def test_the_same_secret_looks_different_on_another_device_and_with_another_key():
    tokens = {
        Mask(device, key, ()).hide("password a secret", "password <removed>")
        for device in ("gw-fen", "gw-merkez")
        for key in (b"one", b"two")
    }
    assert len(tokens) == 4


def test_a_mask_that_was_moved_to_another_line_is_not_filled_in():
    now = {"running": "password secret\n"}
    clean = {"running": sanitize(now["running"])}
    masked = MASK.hide(now["running"], clean["running"])
    assert MASK.fill(masked, now, clean) == now["running"]
    with pytest.raises(ValueError, match="line 1: banner motd <secret:"):
        MASK.fill(masked.replace("password", "banner motd"), now, clean)


def test_when_a_text_was_made_is_left_out():
    raw = "".join(f"{line}\n" for line in CASES["volatile"]) + "hostname a\n"
    assert MASK.hide(raw, raw) == "hostname a\n"


def test_a_secret_that_nobody_has_any_more_is_named_by_its_line():
    raw = "hostname a\n password former\n"
    masked = MASK.hide(raw, sanitize(raw))
    now = {"running": raw.replace("former", "present")}
    clean = {kind: sanitize(text) for kind, text in now.items()}
    with pytest.raises(ValueError, match=r"line 2: password <secret:") as caught:
        MASK.fill(masked, now, clean)
    assert "present" not in str(caught.value)
    vault = Mask("gw-fen", MASK.key, ("former",))
    assert vault.fill(masked, now, clean) == raw


def test_answers_of_different_length_are_no_reason_to_guess():
    with pytest.raises(ValueError, match="changed while it was read"):
        MASK.hide("password a\nhostname b\n", "hostname b\n")
