"""The jobs of templates/ci, run here as their platforms would: by bash, in a fresh checkout.

What the platform's own software does (rules, queues, artifacts, who may start what) is not run.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
TEMPLATES = {
    "gitlab": ROOT / "templates/ci/gitlab-ci.yml",
    "github": ROOT / "templates/ci/github-actions.yml",
}
SHELLS = {
    "gitlab": ["bash", "-c", 'set -eo pipefail; eval "$1"', "job"],
    "github": ["bash", "--noprofile", "--norc", "-e", "-c", 'eval "$1"', "job"],
}
IDENTITY = [
    *("-c", "user.name=Test", "-c", "user.email=test@ornek.bel.tr", "-c", "commit.gpgsign=false"),
]


def template(platform):
    """Return the template as plain data."""
    document = yaml.safe_load(TEMPLATES[platform].read_text(encoding="utf-8"))
    if True in document:  # YAML 1.1 reads the key "on" as true
        document["on"] = document.pop(True)
    return document


def git(folder, *arguments):
    """Run git and return what it printed."""
    command = ["git", *IDENTITY, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout.strip()


@dataclass(frozen=True)
class Runner:
    """One platform's runner. ``secrets`` are by name; ``folder`` is its own, for its files."""

    platform: str
    origin: Path
    folder: Path
    secrets: dict[str, str]

    def checkout(self, commit):
        """Return a checkout of ``commit``, as the platform makes it: detached, with history."""
        there = self.folder / f"{self.platform}-checkout"
        if not there.exists():
            git(self.folder, "clone", "--quiet", "--no-checkout", self.origin, there)
        git(there, "fetch", "--quiet", "origin", "+refs/heads/*:refs/remotes/origin/*")
        git(there, "checkout", "--quiet", "--force", "--detach", commit)
        git(there, "clean", "-ffdxq")
        return there

    def run(self, job, commit, variables, *, inputs=None, **options):
        """Run the script of ``job`` on ``commit`` and return what it did."""
        script, own = self._job(job, inputs or {})
        temporary = self.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        return subprocess.run(
            [*SHELLS[self.platform], script],
            cwd=self.checkout(commit),
            env={"HOME": str(self.folder), "TMPDIR": str(temporary)} | own | variables,
            capture_output=True,
            text=True,
            check=False,
            **options,
        )

    def _job(self, name, inputs):
        """Return the script of a job and the variables that the template and the settings give."""
        document = template(self.platform)
        if self.platform == "gitlab":
            given = {
                key: str(value["value"] if isinstance(value, dict) else value)
                for key, value in document["variables"].items()
            }
            return "\n".join(document[name]["script"]), given | self._files() | inputs
        (step,) = [step for step in document["jobs"][name]["steps"] if "run" in step]
        values = {f"secrets.{key}": value for key, value in self.secrets.items()}
        values |= {"github.token": self.secrets["KAHYA_COMMENT_TOKEN"]}
        values |= {f"inputs.{key.removeprefix('KAHYA_').lower()}": v for key, v in inputs.items()}
        given = document["env"] | step["env"]
        filled = {k: re.sub(r"\${{ (\S+) }}", lambda m: values[m[1]], v) for k, v in given.items()}
        return step["run"], filled

    def _files(self):
        """Return GitLab's variables: the key and the password are files, the rest are values."""
        given = {}
        for name, value in self.secrets.items():
            given[name] = value
            if name in ("KAHYA_SSH_KEY", "KAHYA_VAULT_PASSWORD"):
                path = self.folder / name
                path.write_text(value, encoding="utf-8")
                path.chmod(0o666)  # as GitLab's runner does: ssh-add would refuse such a file
                given[name] = str(path)
        return given


def search_path(*first):
    """Return a PATH that begins with the folders ``first``."""
    return os.pathsep.join([*map(str, first), os.environ["PATH"]])
