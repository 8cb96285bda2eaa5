"""What e2guardian reads, from what the town says: the text of each file by its name.

Source: e2guardian 5.3.5, its example configuration and what it was seen to do (docs/filter.md).
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

FOLDER = "/etc/kahya-webfilter"
LISTS = "/var/lib/kahya-webfilter"
PORT = 8080
AT_START = ("e2guardian.conf", "ip.conf", "ipgroups", "preauth.story")  # not read again later
LIMIT = 100  # sum of weights, where a group doesn't say
KINDS = {"domains": "sitelist", "urls": "urllist"}
# Who is in no group; it stands first, for whom e2guardian finds nowhere is in the first.
NOBODY = {"name": "nobody", "title": "Kimse", "members": []}
INCIDENTS = "incidents"
"""The list of what ``kahya block`` cuts off, for everybody."""
CATEGORY = 2100
"""The first number of e2guardian's messages that stand for categories."""
PAGES = {
    "template": {
        "heading": "Bu sayfa engellendi",
        "text": "Belediyenin internet kullanım kuralları bu sayfayı açmaya izin vermiyor.",
        "advice": "İşiniz için gerekliyse ya da bir yanlışlık olduğunu düşünüyorsanız:",
    },
    "neterr_template": {
        "heading": "Sayfaya ulaşılamadı",
        "text": "Sayfa engellenmedi; site yanıt vermiyor ya da adresi yanlış.",
        "advice": "Sorun sürerse:",
    },
}
# What e2guardian takes for a space in a page (its NaughtyFilter), and what ends a phrase of a list.
SPACES = re.compile(r"[\x00-.:;<=>?@\[-`]+")
TURKISH = str.maketrans("iı", "İI")
JINJA = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    undefined=StrictUndefined, autoescape=select_autoescape(["html.j2"]),
    trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
)  # fmt: skip


def files(
    webfilter: Mapping[str, Any],
    networks: Mapping[str, Iterable[IPv4Network]],
    addresses: Sequence[str],
    known: Collection[str],
) -> dict[str, str]:
    """Return the files of FOLDER.

    Args:
        webfilter: the variable of that name (docs/filter.md).
        networks: whose pages each group's are, by its name.
        addresses: those that the proxy answers at.
        known: the lists of ``kahya feeds`` that there are, such as ``domains/town``.
    """
    groups = [NOBODY, *webfilter["groups"]]
    numbered = {name: number for number, name in enumerate(categories(webfilter), CATEGORY)}
    about = {**webfilter, "folder": FOLDER, "port": PORT, "addresses": addresses}
    found = {
        "e2guardian.conf": text("e2guardian.conf.j2", **about),
        "ip.conf": f"plugname = 'ip'\nipgroups = '{FOLDER}/ipgroups'\n",
        "ipgroups": _lines(
            f"{_range(network)} = filter{number}"
            for number, group in enumerate(groups, 1)
            for network in networks.get(group["name"], ())
        ),
        "preauth.story": "function(pre-authcheck)\n",
        "pages/messages": text("messages.j2", categories=numbered),
        **{
            f"pages/{page}.html": text("page.html.j2", **about, **said)
            for page, said in PAGES.items()
        },
    }
    for number, group in enumerate(groups, 1):
        own = {"limit": LIMIT, **group, "folder": FOLDER, "nobody": group is NOBODY}
        own["lists"] = list(_asked(group, numbered, known))
        found[f"e2guardianf{number}.conf"] = text("group.conf.j2", **own)
        found |= {f"{group['name']}/{name}": lines for name, lines in _lists(group).items()}
        found[f"{group['name']}/story"] = text("story.j2", **own)
    return found


def categories(webfilter: Mapping[str, Any]) -> list[str]:
    """Return the categories that some group may not see, and what ``kahya block`` cuts off."""
    named = (name for group in webfilter["groups"] for name in group.get("categories", ()))
    return sorted({INCIDENTS, *named})


def _asked(
    group: Mapping[str, Any], numbered: Mapping[str, int], known: Collection[str]
) -> Iterator[dict[str, Any]]:
    """Yield the lists of sites and pages that a group is asked about, in order."""
    own = f"{FOLDER}/{group['name']}"
    asked = [
        ("setblock", INCIDENTS, numbered[INCIDENTS], LISTS),
        ("setexception", "allowed", 2000, own),
        ("setexception", "allow", 2000, LISTS),
        ("setblock", "blocked", 2001, own),
        *(("setblock", name, numbered[name], LISTS) for name in group.get("categories", ())),
    ]
    for verdict, name, message, folder in asked:
        kinds = [kind for kind in KINDS if folder == own or f"{kind}/{name}" in known]
        if kinds:
            yield {
                "name": name,
                "message": message,
                "verdict": verdict,
                "paths": {KINDS[kind]: f"{folder}/{kind}/{name}" for kind in kinds},
            }


def _lists(group: Mapping[str, Any]) -> dict[str, str]:
    """Return the lists that a group has for itself."""
    found = {"none": "", "types": _lines(group.get("mime_types", ()))}
    for name, key in (("allowed", "allow"), ("blocked", "block")):
        entries = list(map(unquote, group.get(key, ())))  # as it compares them
        found[f"domains/{name}"] = _lines(entry for entry in entries if "/" not in entry)
        found[f"urls/{name}"] = _lines(entry for entry in entries if "/" in entry)
    weighted = group.get("weighted_phrases", ())
    return {
        **found,
        "phrases": _phrases((phrase, "") for phrase in group.get("phrases", ())),
        "weighted": _phrases((w["phrase"], f"<{w['weight']}>") for w in weighted),
        "extensions": _lines(f".{ending}" for ending in group.get("extensions", ())),
    }


def _phrases(phrases: Iterable[tuple[str, str]]) -> str:
    # Otherwise it would fold the case of ASCII letters, and of no others.
    return "#noconvert\n" + _lines(f"<{s}>{w}" for phrase, w in phrases for s in spelled(phrase))


def spelled(phrase: str) -> list[str]:
    """Return the ways to write ``phrase`` in a page, in Turkish and in English.

    >>> spelled("canlı bahis")
    ['canlı bahis', 'CANLI BAHİS', 'CANLI BAHIS', 'Canlı bahis', 'Canlı Bahis']
    """
    plain = SPACES.sub(" ", phrase)
    words = plain.split(" ")
    capital = [word[:1].translate(TURKISH).upper() + word[1:] for word in words]
    first = next((n for n, word in enumerate(words) if word), 0)
    sentence = " ".join([*words[:first], capital[first], *words[first + 1 :]])
    every = (plain, plain.translate(TURKISH).upper(), plain.upper(), sentence, " ".join(capital))
    return list(dict.fromkeys(every))


def _range(network: IPv4Network) -> str:
    single = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if single else network.with_netmask


def _lines(items: Iterable[str]) -> str:
    return "".join(f"{item}\n" for item in items)


def text(template: str, **about: Any) -> str:
    """Return a template with what it is ``about``."""
    return JINJA.get_template(template).render(about)
