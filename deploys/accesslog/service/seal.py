"""Packs and seals the closed files of the access log (RFC 3161), and removes the old ones.

The seal is over the SHA-256 of the unpacked file, so that anybody can check it by hand:
``zcat FILE.jsonl.gz | sha256sum``, then ``openssl ts -verify -digest … -in FILE.tsr -CAfile …``.
"""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import urllib.request
import zlib
from datetime import date, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 30


def pack(path: Path) -> Path:
    """Replace a closed file by its packed form; a loss of power leaves one or the other."""
    done = path.with_suffix(".jsonl.gz")
    ready = path.with_suffix(".packing")
    with path.open("rb") as plain, ready.open("wb") as file:
        with gzip.GzipFile(path.name, "wb", 6, file, mtime=0) as packed:
            shutil.copyfileobj(plain, packed, 1 << 20)
        file.flush()
        os.fsync(file.fileno())
    ready.rename(done)
    path.unlink()
    return done


def seal(path: Path, url: str, ca: str) -> None:
    """Have a packed file time-stamped; a stamp that doesn't verify is not kept.

    Raises:
        OSError: the service was not reached, or what it answered is no stamp for this file.
        HTTPException: what it answered is no HTTP.
        EOFError, zlib.error: the file is damaged.
    """
    digest = hashlib.sha256()
    with gzip.open(path) as text:
        while chunk := text.read(1 << 20):
            digest.update(chunk)
    query = openssl("ts", "-query", "-digest", digest.hexdigest(), "-sha256", "-cert")
    request = urllib.request.Request(  # noqa: S310 - the inventory's own
        url, query, {"Content-Type": "application/timestamp-query"}
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as reply:  # noqa: S310 - as above
        stamp = reply.read()
    ready = seal_of(path).with_suffix(".stamping")
    ready.write_bytes(stamp)
    openssl("ts", "-verify", "-digest", digest.hexdigest(), "-in", str(ready), "-CAfile", ca)
    with ready.open("rb") as file:
        os.fsync(file.fileno())
    ready.rename(seal_of(path))


def seal_of(path: Path) -> Path:
    """Return where the seal of a packed file is kept."""
    return path.with_name(path.name.removesuffix(".jsonl.gz") + ".tsr")


def openssl(*words: str) -> bytes:
    """Return what openssl printed.

    Raises:
        OSError: it refused; its own words.
    """
    done = subprocess.run(["openssl", *words], capture_output=True, check=False)
    if done.returncode:
        raise OSError(done.stderr.decode(errors="replace").strip() or "openssl failed")
    return done.stdout


def expire(folder: Path, keep_days: int) -> None:
    """Remove sealed files whose day is more than ``keep_days`` ago; the last one always stays."""
    oldest = (date.today() - timedelta(days=keep_days)).isoformat()  # noqa: DTZ011 - of the host
    for path in sorted(folder.glob("*.jsonl.gz"))[:-1]:
        if path.name[7:17] >= oldest or not seal_of(path).exists():
            return  # never a hole in the chain
        path.unlink()
        seal_of(path).unlink()


def main(config: dict[str, Any], folder: Path) -> int:
    """Return 1 where a file could not be sealed: it is tried again."""
    failed = 0
    for path in sorted([*folder.glob("*.jsonl"), *folder.glob("*.jsonl.gz")]):
        try:
            packed = pack(path) if path.suffix == ".jsonl" else path
            if not seal_of(packed).exists():
                seal(packed, config["tsa_url"], config["tsa_ca_file"])
        except (OSError, HTTPException, EOFError, zlib.error) as error:
            print(f"{path.name} NOT SEALED: {error}", file=sys.stderr)
            failed = 1
    expire(folder, config["keep_days"])
    return failed


if __name__ == "__main__":
    settings = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.exit(main(settings, Path(os.environ["STATE_DIRECTORY"])))
