"""The CI jobs on the real town, from a change to its application; the platform is a simulator.

Runs last: the town is another one afterwards. The inventory that CI uses names no key and no
vault password: both come from the job's variables.
"""

import json
import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from admin import ROOT, on, run
from ci_jobs import Runner, git, search_path
from forge import TOKEN, forge

LAB = ROOT / ".kahya/labs/lab"
SETTING = "net.ipv4.conf.all.secure_redirects"
pytestmark = pytest.mark.usefixtures("bring_up")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A clone of the checkout, as an admin has it; its origin is what CI sees."""
    folder = tmp_path_factory.mktemp("ci")
    git(folder, "clone", "--quiet", "--bare", "--no-hardlinks", ROOT, "origin.git")
    git(folder, "clone", "--quiet", "origin.git", "work")
    work = folder / "work"
    git(work, "checkout", "--quiet", "-B", "main")
    rewrite(work / "ansible.cfg", r"vault_identity_list = .*\n", "")
    connection = work / "inventories/lab/group_vars/all/connection.yml"
    rewrite(connection, r"ansible_ssh_private_key_file: .*\n", "")
    rewrite(connection, r"(ssh_known_hosts_file): .*\n", rf"\1: {LAB}/known_hosts\n")
    switches = work / "inventories/lab/group_vars/switches/connection.yml"
    rewrite(switches, r"(ansible_httpapi_ca_path): .*\n", rf"\1: {LAB}/certificates.pem\n")
    git(work, "rm", "--quiet", "inventories/lab/.vault-password")
    publish(work, "For CI")
    return work


@pytest.fixture
def runner(work):
    """The town's runner: GitLab's, with the variables that docs/ci.md asks for."""
    secrets = {
        "KAHYA_SSH_KEY": (LAB / "id_ed25519").read_text(encoding="utf-8"),
        "KAHYA_VAULT_PASSWORD": (ROOT / "inventories/lab/.vault-password").read_text("utf-8"),
        "KAHYA_JOURNAL": f"sqlite:///{work.parent}/journal.sqlite",
        "KAHYA_COMMENT_TOKEN": TOKEN,
    }
    return Runner("gitlab", work.parent / "origin.git", work.parent, secrets)


def rewrite(path, pattern, text):
    """Replace a line of a file; it must be there."""
    new, count = re.subn(pattern, text, path.read_text(encoding="utf-8"))
    assert count == 1, path
    path.write_text(new, encoding="utf-8")


def publish(work, message, branch="main"):
    """Commit all and push it."""
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message", message)
    git(work, "push", "--quiet", "--force", "origin", f"HEAD:{branch}")
    return git(work, "rev-parse", "HEAD")


def job(runner, server, name, commit, **inputs):
    """Run a job and check that it keeps its secrets to itself."""
    variables = {k: v for k, v in server.variables.items() if k != "KAHYA_COMMENT_TOKEN"}
    # A short path, as a runner has: ssh's control sockets allow about 100 letters.
    with TemporaryDirectory(prefix="kahya-ci-") as folder:
        own = {"PATH": search_path(ROOT / ".venv/bin"), "TMPDIR": folder}
        done = runner.run(name, commit, variables | own, inputs=inputs)
        assert list(Path(folder).iterdir()) == []
    assert not [s for s in runner.secrets.values() if s.strip() in done.stdout + done.stderr]
    return done


def setting():
    """Return what the kernel of a PC has."""
    return on("pc-fen", f"sysctl -n {SETTING}").strip()


def test_from_a_merge_request_to_the_signed_plan_applied(work, runner, tmp_path):
    before = setting()
    git(work, "checkout", "--quiet", "-b", "change")
    base = work / "inventories/lab/group_vars/linux/base.yml"
    rewrite(base, r"base_sysctl:\n", f"base_sysctl:\n  {SETTING}: 0\n")
    commit = publish(work, "Secure redirects off", "change")
    with forge("gitlab") as server:
        done = job(runner, server, "plan", commit)
        assert done.returncode == 0, done.stderr + done.stdout
        (comment,) = server.bodies
        made = runner.folder / "gitlab-checkout/plan.json"
        plan = json.loads(made.read_text(encoding="utf-8"))
        assert plan["commit"] == commit
        assert plan["changes"]
        assert comment.count("<details>") == len(plan["changes"])
        assert plan["seal"] in comment
        assert SETTING in comment

        folder = tmp_path / plan["plan"]  # the approver's own workstation
        folder.mkdir()
        (folder / "plan.json").write_bytes(made.read_bytes())
        git(work, "checkout", "--quiet", "main")
        git(work, "merge", "--quiet", "--no-ff", "--message", "Merged", "change")
        git(work, "push", "--quiet", "origin", "main")
        merged = git(work, "rev-parse", "HEAD")
        put(work, folder)
        done = job(runner, server, "apply", merged, KAHYA_PLAN=plan["plan"])
        assert done.returncode == 1, "nobody has signed it"
        assert setting() == before

        sign(work, runner, folder / "plan.json")
        put(work, folder)
        done = job(runner, server, "apply", merged, KAHYA_PLAN=plan["plan"])
        assert done.returncode == 0, done.stderr + done.stdout
        assert setting() == "0"
        assert job(runner, server, "apply", merged, KAHYA_PLAN=plan["plan"]).returncode == 1
        assert server.bodies == [comment]


def sign(work, runner, plan):
    """Approve a plan as Ayşe does at her workstation."""
    done = run(
        *(ROOT / ".venv/bin/kahya", "approve", plan, "--key", LAB / "people/ayse", "--yes"),
        cwd=work,
        env=os.environ
        | {"KAHYA_JOURNAL": runner.secrets["KAHYA_JOURNAL"]}
        | {"ANSIBLE_VAULT_PASSWORD_FILE": str(ROOT / "inventories/lab/.vault-password")},
    )
    assert done.returncode == 0, done.stderr + done.stdout


def put(work, folder):
    """Put the plan and its approvals into the branch approvals."""
    there = work.parent / "approvals"
    if not there.exists():
        git(work.parent, "clone", "--quiet", "--no-checkout", work.parent / "origin.git", there)
        git(there, "switch", "--quiet", "--orphan", "approvals")
    (there / folder.name).mkdir(exist_ok=True)
    for file in folder.iterdir():
        (there / folder.name / file.name).write_bytes(file.read_bytes())
    publish(there, folder.name, "approvals")


def test_the_nightly_job_tells_drift_and_keeps_the_report(work, runner):
    main = git(work, "rev-parse", "main")
    with forge("gitlab") as server:
        done = job(runner, server, "drift", main)
        assert done.returncode == 0, done.stderr + done.stdout
        on("pc-fen", "chmod 0666 /etc/group")
        try:
            done = job(runner, server, "drift", main)
        finally:
            on("pc-fen", "chmod 0644 /etc/group")
    assert done.returncode == 2
    assert "Drift: something was changed besides" in done.stderr
    checkout = runner.folder / "gitlab-checkout"
    repair = json.loads((checkout / "repair.json").read_text(encoding="utf-8"))
    assert [c["resource"] for c in repair["changes"]] == ["file /etc/group"]
    assert list((checkout / "report").glob("*.html"))
