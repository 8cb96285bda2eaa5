"""Mask the secrets of a device's configuration so that it may be kept, and fill them in again.

A secret becomes ``<secret:…>``, a digest with a key that only the controller has: the same secret
gives the same text, another one another, and neither can be had back from it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from kahya.i18n import _

MARK = "<removed>"  # what NAPALM's drivers write in place of a secret
TOKEN = re.compile(r"<secret:[0-9a-f]{16}>")
LOST = "\n"  # no line has it
# Lines that tell when and how the text was made; each driver removes only some of them.
VOLATILE = re.compile(
    r"[!#]+ *(Last (configuration )?change|NVRAM config last|Startup-config last modified|"
    r"Last commit|Command:|device:|Time:|No configuration change since)|Building configuration|"
    r"Current configuration|Using \d+ out of|ntp clock-period "
)
# A second net, for lines that a driver left alone: its list of secrets is never whole (NAPALM's for
# IOS misses all but the first "snmp-server host"). The platform's own list is the third, for what
# a driver hid by halves, too ("crypto isakmp key 6 …"). Hiding too much is better than too little.
SECRET = re.compile(
    r"""\b(?:\S*password | passphrase | secret
      | key-string | (?:pre-shared|authentication|privacy)-key
      | snmp-server\ community | (?:radius|tacacs)[ -].*\bkey | (?:auth|-key\ \d+)\ (?:md5|sha\S*)
      | snmp-server\ host\ .*\bversion\ (?:1|2c) )\ +
    (?:(?:\d{1,2}|sha512)\ +)?"?(?P<value>[^\s"].*?)"?;?\s*$""",
    re.VERBOSE,
)

Config = Mapping[str, str]
"""A device's configurations by kind: running, startup, perhaps candidate."""

Fill = Callable[[Config, Config], str]
"""Makes a backup whole, given the device's configurations and their sanitized form."""


@dataclass(frozen=True)
class Mask:
    """Masks the configurations of one device.

    The device and what stands before it on the line are part of each digest: nobody sees what
    shares a secret, and a mask that somebody moved to another line is never filled in there.
    ``secrets`` are those of the vault, the longest first. ``shown`` writes ``MARK`` in place of
    what the device's platform knows as a secret in a line.
    """

    device: str
    key: bytes = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    shown: Callable[[str], str] = field(default=str, repr=False)

    def token(self, before: str, secret: str) -> str:
        """Return what stands in place of ``secret`` after the masked text ``before``."""
        about = f"{self.device}\0{before}\0{secret}".encode(errors="surrogatepass")
        return f"<secret:{hmac.new(self.key, about, hashlib.sha256).hexdigest()[:16]}>"

    def hide(self, raw: str, clean: str) -> str:
        """Return ``raw`` without secrets and volatile lines; ``clean`` is its sanitized form.

        Raises:
            ValueError: the two are not of the same lines, so it is not known what to hide.
        """
        lines = []
        for pieces in self._lines(raw, clean):
            line = ""
            for text, secret in pieces:
                line += self.token(line, text) if secret else text
            lines.append(line)
        whole = "\n".join(lines).strip("\n")
        return whole and whole + "\n"

    def fill(self, masked: str, raw: Config, clean: Config) -> str:
        """Return ``masked`` with the secrets of the vault and of ``raw`` filled in.

        Raises:
            ValueError: one is in neither; names each such line of the backup.
        """
        lines = (pieces for kind in raw for pieces in self._lines(raw[kind], clean[kind]))
        known = {*self.secrets, *(text for pieces in lines for text, secret in pieces if secret)}
        filled, lost = [], []
        for number, line in enumerate(masked.split("\n"), 1):
            whole = TOKEN.sub(lambda found: self._meant(found, known), line)
            filled.append(whole)
            if LOST in whole:
                lost.append(_("line {number}: {line}").format(number=number, line=line.strip()))
        if lost:  # line by line, for who masks a message once more hides the rest of a line
            what = _("neither the device nor the vault has what is masked here:")
            hint = _("Set it on the device as it was then, or restore a later revision.")
            raise ValueError("\n".join([what, *lost, hint]))
        return "\n".join(filled)

    def _meant(self, found: re.Match[str], known: Iterable[str]) -> str:
        before = found.string[: found.start()]
        return next((text for text in known if self.token(before, text) == found[0]), LOST)

    def _lines(self, raw: str, clean: str) -> Iterator[Iterator[tuple[str, bool]]]:
        """Yield each line in pieces: what may be shown, and what is secret."""
        both = [
            [line for line in text.split("\n") if not VOLATILE.match(line)] for text in (raw, clean)
        ]
        if len(both[0]) != len(both[1]):
            raise ValueError(_("it changed while it was read: read it again"))
        return map(self._pieces, *both)

    def _pieces(self, raw: str, clean: str) -> Iterator[tuple[str, bool]]:
        spans = [span for text in (clean, self.shown(raw)) if (span := _hidden(raw, text))]
        if found := SECRET.search(raw) if raw == clean else None:
            spans.append(found.span("value"))
        start = min((first for first, last in spans), default=len(raw))
        end = max((last for first, last in spans), default=len(raw))
        yield from self._known_in(raw[:start])
        yield raw[start:end], start < end
        yield from self._known_in(raw[end:])

    def _known_in(self, text: str) -> Iterator[tuple[str, bool]]:
        last = 0
        for found in self._known.finditer(text):
            yield text[last : found.start()], False
            yield found[0], True
            last = found.end()
        yield text[last:], False

    @cached_property
    def _known(self) -> re.Pattern[str]:
        # A text that only looks like a mask is masked, too: else it would be filled in later.
        return re.compile("|".join([*map(re.escape, self.secrets), TOKEN.pattern]))


def _hidden(raw: str, clean: str) -> tuple[int, int] | None:
    """Return from where to where ``clean`` hides a line, spaces around it left out; None: nowhere.

    Where the line was rewritten in another way, that is all of it.
    """
    if raw == clean:
        return None
    before, mark, rest = clean.partition(MARK)
    before, after = before.rstrip(), rest.rpartition(MARK)[2].strip()
    inside = raw[len(before) : len(raw.rstrip()) - len(after)]
    fits = raw.startswith(before) and raw.rstrip().endswith(after)
    if not (mark and fits and inside.strip()):
        return 0, len(raw)
    start = raw.index(inside.lstrip(), len(before))
    return start, start + len(inside.strip())
