"""No secret leaves its place while secrets change: in no plan, journal, log, page, process list.

A clone of the town gets secrets that nobody has seen before (a role's password, a TLS key), and a
WireGuard key is changed by hand. They are applied, and looked for everywhere; then the town's own
are put back.
"""

import os
import secrets
import subprocess
import tempfile
import time
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from threading import Event, Thread

import pytest
import yaml
from admin import PEOPLE, ROOT, SIGNERS, on, run
from ansible.parsing.vault import VaultLib, VaultSecret
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kahya.inventory import load
from kahya.plan import store
from kahya.redact import redact

pytestmark = pytest.mark.usefixtures("bring_up")
TOWN = Path("inventories/lab")
VAULTS = TOWN / "group_vars/db_servers/vault.yml", TOWN / "host_vars/db-merkez/vault.yml"
LAB = PEOPLE.parent
SHORTEST = 16  # letters of a line that is looked for: END PRIVATE KEY is no secret
HOSTS = ("db-merkez", "gw-fen")
PLACES = "/var/log /tmp /var/tmp /dev/shm /run /home /root /var/backups"  # on a host
KEY = "/etc/wireguard/private.key"
CHANGED = {
    f"file {KEY}",
    "file /etc/postgresql/15/main/server.key",
    "postgresql role ebys",
}
LOOKS = (
    ("show", "{folder}/plan.json", "--markdown"),
    ("drift", "--limit", ",".join(HOSTS), "--json"),
    ("history",),
    ("history", "show", "{plan}", "--json"),
    ("history", "export", "--after", "0"),
    ("report", "--limit", ",".join(HOSTS), "--out", "{folder}/report"),
)
YOUNG_SECONDS = 2  # so long is a process looked at


def lines_of(texts):
    """Return what to look for: a key is found by any of its lines."""
    lines = {line.strip() for text in texts for line in text.splitlines()}
    return {line for line in lines if len(line) >= SHORTEST and "PRIVATE KEY" not in line}


def found_in(text, wanted):
    """Return those of ``wanted`` that are in ``text``."""
    return {word for word in wanted if word in text}


def files_below(folder):
    """Return what all files below ``folder`` hold, by name."""
    return {
        path: path.read_bytes().decode(errors="replace")
        for path in folder.rglob("*")
        if path.is_file()
    }


def key_pair(address):
    """Return a new TLS key and its certificate, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "db-merkez")])
    now = datetime.now(UTC) - timedelta(hours=1)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now).not_valid_after(now + timedelta(days=30))
    names = [x509.DNSName("db-merkez"), x509.IPAddress(address)]
    made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private = key.private_bytes(*pem, serialization.NoEncryption()).decode()
    return private, made.sign(key, hashes.SHA256()).public_bytes(pem[0]).decode()


def objects_of(repository):
    """Return all that a git repository ever held; in its files it is compressed."""
    command = ["git", f"--git-dir={repository}", "cat-file", "--batch-all-objects", "--batch"]
    done = subprocess.run(command, check=True, capture_output=True)
    return done.stdout.decode(errors="replace")


class Processes:
    """Looks at the command line and environment of what runs on the hosts and what we started.

    The hosts are containers, so what runs on them is among the processes of the machine, in a
    space of their own; what we started has ``mark`` in its environment.
    """

    def __init__(self, wanted, mark):
        self.wanted, self.mark, self.found, self.done = wanted, str(mark), set(), Event()
        self.spaces = {on(host, "readlink /proc/1/ns/pid").strip() for host in HOSTS}
        self.thread = Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def _watch(self):
        first = {}
        while not self.done.wait(0.005):
            now = time.monotonic()
            for name in [path.name for path in Path("/proc").glob("[0-9]*")]:
                if now - first.setdefault(name, now) < YOUNG_SECONDS:  # it may become another
                    self._look(name)

    def _look(self, number):
        process = Path("/proc", number)
        kinds = ("cmdline", "environ")
        try:
            space = str((process / "ns/pid").readlink())
            texts = [(process / kind).read_bytes().decode(errors="replace") for kind in kinds]
        except OSError:  # it has ended
            return
        if space not in self.spaces and self.mark not in texts[1]:
            return
        for kind, text in zip(kinds, texts, strict=True):
            if words := found_in(text, self.wanted):
                shown = redact(text.replace("\0", " "), tuple(words))
                self.found.add(f"{kind}: {shown[:200]}")


class Admin:
    """Whoever changes the secrets from a checkout; ``said`` is all that the terminal showed."""

    def __init__(self, checkout, folder):
        self.checkout, self.folder, self.said = checkout, folder, ""

    def kahya(self, *words, codes=(0,)):
        command = [ROOT / ".venv/bin/kahya", *words, "--lang=en", "-i", TOWN]
        done = run(*command, cwd=self.checkout)
        self.said += done.stdout + done.stderr
        assert done.returncode in codes, done.stdout + done.stderr
        return done

    def plan(self, name):
        part = ("--limit", ",".join(HOSTS))
        return self.kahya("plan", *part, "--out", self.folder / name, codes=(0, 2))

    def apply(self, name):
        for person in SIGNERS:
            key = PEOPLE / person
            self.kahya("approve", self.folder / name, "--key", key, "--yes")
        self.kahya("apply", self.folder / name)


@pytest.fixture
def clone(tmp_path):
    """A clone of the town with new secrets; yields it and the new secrets."""
    clone = tmp_path / "town"
    assert run("git", "clone", "--quiet", ROOT, clone).returncode == 0
    (clone / ".kahya").symlink_to(ROOT / ".kahya")
    password = (ROOT / TOWN / ".vault-password").read_bytes().strip()
    vault = VaultLib([("lab", VaultSecret(password))])
    town = load(ROOT / TOWN)
    private, public = key_pair(ip_address(town.hosts["db-merkez"].address))
    new = {"vault_postgresql_ebys": secrets.token_urlsafe(24), "postgresql_tls_key": private}
    for name in VAULTS:
        file = clone / name
        values = yaml.safe_load(vault.decrypt(file.read_bytes()))
        assert values.keys() & new.keys()
        values |= {key: new[key] for key in values.keys() & new.keys()}
        file.write_bytes(vault.encrypt(yaml.safe_dump(values).encode()))
    main = clone / TOWN / "host_vars/db-merkez/main.yml"
    values = yaml.safe_load(main.read_text(encoding="utf-8"))
    main.write_text(yaml.safe_dump(values | {"postgresql_tls_certificate": public}), "utf-8")
    yield clone, new.values()
    back = Admin(ROOT, tmp_path)
    if back.plan("back.json").returncode:
        back.apply("back.json")


def on_host(host, wanted):
    """Return where on a host one of ``wanted`` is found; the words go by standard input."""
    script = f"""
        umask 077; mkdir /run/wanted; trap 'rm -r /run/wanted' EXIT; cat >/run/wanted/words
        grep -rlaFf /run/wanted/words --exclude-dir=wanted {PLACES} 2>/dev/null
        journalctl --sync
        journalctl --quiet --no-pager --output=export | grep -qaFf /run/wanted/words && echo journal
        dmesg 2>/dev/null | grep -qaFf /run/wanted/words && echo dmesg; true"""
    words = "\n".join(sorted(wanted)) + "\n"
    done = run("scripts/lab", "exec", host, "sh", "-c", script, input=words)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture
def temporary(monkeypatch):
    """The folder for passing files: empty, so that what is left behind can be told."""
    with tempfile.TemporaryDirectory(prefix="kahya-", dir="/tmp") as folder:  # short, for ssh
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


def test_the_search_finds_what_is_there(tmp_path, temporary):
    """Nothing below would mean anything otherwise."""
    canary = secrets.token_urlsafe(24)
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/log").write_text(f"password={canary}\n", encoding="utf-8")
    assert [found_in(text, {canary}) for text in files_below(tmp_path).values()] == [{canary}]
    with Processes({canary}, temporary) as processes:
        on("db-merkez", f"sleep 0.2; : {canary}")
        run("sleep", "0.2", env=os.environ | {"WORD": canary})
        on("db-merkez", f"logger {canary}; echo {canary} >/var/tmp/canary")
    assert "cmdline: sh -c sleep 0.2; : ******** " in processes.found, "on the host itself"
    assert any(what.startswith("environ: ") for what in processes.found)
    found = on_host("db-merkez", {canary})
    on("db-merkez", "rm /var/tmp/canary")
    assert {"journal", "/var/tmp/canary"} <= set(found)


def test_no_secret_leaves_its_place(clone, tmp_path, temporary):
    clone, new = clone
    former = b64encode(secrets.token_bytes(32)).decode()
    people = [(PEOPLE / name).read_text("utf-8") for name in SIGNERS]
    login = (LAB / "id_ed25519").read_text("utf-8")
    wanted = lines_of([*load(ROOT / TOWN).secrets, *new, former, login, *people])
    run("scripts/lab", "exec", "gw-fen", "sh", "-c", f"cat >{KEY}", input=f"{former}\n")
    admin = Admin(clone, tmp_path / "shown")
    admin.folder.mkdir()
    with Processes(wanted, temporary) as processes:
        admin.plan("plan.json")
        admin.apply("plan.json")
        plan = store.read(admin.folder / "plan.json")
        for words in LOOKS:
            admin.kahya(*(word.format(plan=plan.id, folder=admin.folder) for word in words))
    changed = {change.resource for change in plan.changes}
    assert changed >= CHANGED, changed
    assert processes.found == set()
    assert found_in(admin.said, wanted) == set()
    assert not [*temporary.iterdir()]
    for folder in (admin.folder, ROOT / ".kahya/ornek", Path.home() / ".ansible"):
        for path, text in files_below(folder).items():
            assert found_in(text, wanted) == set(), path
    backups = objects_of(ROOT / ".kahya/ornek/backups.git")
    assert "<secret:" in backups
    assert found_in(backups, wanted) == set()
    for host in HOSTS:
        assert on_host(host, wanted) == [], host
