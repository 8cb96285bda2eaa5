"""The CI templates: what they promise, and their scripts run for real with a stand-in for kahya."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from ci_jobs import ROOT, Runner, git, search_path, template
from forge import TOKEN, forge
from jsonschema import Draft7Validator

HERE = Path(__file__).parent
CASES = yaml.safe_load((HERE / "cases/ci_jobs.yml").read_text(encoding="utf-8"))
PLATFORMS = ["gitlab", "github"]
SCHEMAS = {"gitlab": "vendor.gitlab-ci", "github": "vendor.github-workflows"}
PLAN = "2026-03-09-2f69c013"
JOURNAL = "postgresql+psycopg://kahya:canary-journal@db/kahya"
VAULT = "canary-vault-password"


def jobs(platform):
    """Return the jobs of a template by name."""
    document = template(platform)
    return {name: document.get("jobs", document)[name] for name in ("plan", "apply", "drift")}


def texts(value):
    """Return all texts in plain data."""
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in texts(part)]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [str(value)]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_template_is_what_the_platform_reads(platform):
    schema = Draft7Validator(get_builtin_schema(SCHEMAS[platform]))
    assert [e.message for e in schema.iter_errors(template(platform))] == []
    broken = deepcopy(template(platform))
    broken.get("jobs", broken)["apply"] |= {"resource_groups": "x", "conccurency": "x"}
    assert list(schema.iter_errors(broken)), "a key that the platform doesn't know is noticed"


@pytest.mark.parametrize("platform", PLATFORMS)
def test_nothing_comes_from_outside(platform):
    every = texts(template(platform))
    assert not {"image", "services", "include", "container"} & set(every)
    used = {text.split("@")[0] for text in every if text.startswith("actions/")}
    steps = [step for job in jobs(platform).values() for step in job.get("steps", [])]
    assert {step["uses"].split("@")[0] for step in steps if "uses" in step} == used
    assert used <= {"actions/checkout", "actions/upload-artifact"}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_only_these_secrets_are_known_to_ci_and_none_is_an_approvers(platform):
    text = json.dumps(template(platform)) + (ROOT / "scripts/ci").read_text(encoding="utf-8")
    assert "kahya approve" not in text
    assert "break-glass" not in text
    assert set(re.findall(r"\b(?:KAHYA|secrets\.)\w+", text.replace("secrets.", ""))) == {
        *("KAHYA_SSH_KEY", "KAHYA_VAULT_PASSWORD", "KAHYA_COMMENT_TOKEN", "KAHYA_JOURNAL"),
        "KAHYA_PLAN",
    }
    assert all("KAHYA_" in name for name in re.findall(r"secrets\.(\w+)", text))


def test_gitlab_applies_by_hand_on_the_protected_branch_one_at_a_time():
    apply, drift, plan = (jobs("gitlab")[name] for name in ("apply", "drift", "plan"))
    (rule,) = apply["rules"]
    assert rule["when"] == "manual"
    assert rule["allow_failure"] is False
    for part in ('"web"', "== $CI_DEFAULT_BRANCH", 'CI_COMMIT_REF_PROTECTED == "true"'):
        assert part in rule["if"]
    assert apply["resource_group"] == drift["resource_group"]
    assert "resource_group" not in plan
    assert [rule["if"] for rule in plan["rules"]] == [
        '$CI_PIPELINE_SOURCE == "merge_request_event"'
    ]
    assert template("gitlab")["variables"]["GIT_DEPTH"] == 0
    assert all(jobs("gitlab")[n]["artifacts"]["when"] == "always" for n in ("plan", "drift"))


def test_github_applies_by_hand_on_the_protected_branch_one_at_a_time():
    apply, drift, plan = (jobs("github")[name] for name in ("apply", "drift", "plan"))
    for part in ("workflow_dispatch", "default_branch", "github.ref_protected"):
        assert part in apply["if"]
    assert "head.repo.full_name == github.repository" in plan["if"]
    assert "pull_request_target" not in texts(template("github"))
    assert apply["concurrency"] == drift["concurrency"]
    assert apply["concurrency"]["cancel-in-progress"] is False
    assert template("github")["permissions"] == {"contents": "read"}
    assert "permissions" not in apply
    assert "permissions" not in drift
    assert apply["environment"] != plan["environment"]
    for job in jobs("github").values():
        assert job["runs-on"] == ["self-hosted", "kahya"]
        assert job["steps"][0]["with"]["fetch-depth"] == 0
        assert all("${{" not in step.get("run", "") for step in job["steps"])  # never in a script


@pytest.fixture(scope="session")
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("key") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path.read_text(encoding="utf-8"), path.with_suffix(".pub").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def pristine(tmp_path_factory):
    """A clone of the checkout, with the scripts and templates as they are on disk."""
    clone = tmp_path_factory.mktemp("town") / "town"
    git(ROOT, "clone", "--quiet", "--no-hardlinks", ROOT, clone)
    for name in ("scripts/ci", "scripts/ci-comment"):
        shutil.copy2(ROOT / name, clone / name)
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--allow-empty", "--message", "As on disk")
    return clone


@pytest.fixture
def town(pristine, tmp_path):
    """A repository whose main branch is the checkout, and a working copy of it."""
    git(tmp_path, "clone", "--quiet", "--bare", pristine, "origin.git")
    git(tmp_path, "clone", "--quiet", "origin.git", "work")
    git(tmp_path / "work", "checkout", "--quiet", "-B", "main")
    git(tmp_path / "work", "push", "--quiet", "--force", "origin", "main")
    return tmp_path


def change(work, text):
    """Commit a change of the inventory and return the commit."""
    with (work / "inventories/lab/town.yml").open("a", encoding="utf-8") as file:
        file.write(f"# {text}\n")
    git(work, "commit", "--quiet", "--all", "--message", text)
    return git(work, "rev-parse", "HEAD")


def signed(work, kind):
    """Fill branch approvals as a case says."""
    if kind == "none":
        return
    git(work, "checkout", "--quiet", "-b", "change")
    commit = change(work, "planned")
    git(work, "checkout", "--quiet", "main")
    git(work, "merge", "--quiet", "--no-ff", "change", "--message", "Merged")
    if kind == "other files":
        change(work, "something else")
    if kind == "plan":
        commit = git(work, "rev-parse", "main")
    commit = {"no commit": f"{commit}+0a1b2c3d", "lost commit": "0" * 40}.get(kind, commit)
    git(work, "push", "--quiet", "origin", "main")
    git(work, "checkout", "--quiet", "--orphan", "approvals")
    git(work, "rm", "-rfq", ".")
    (work / PLAN).mkdir()
    (work / PLAN / "plan.json").write_text(json.dumps({"commit": commit}), encoding="utf-8")
    (work / PLAN / "plan.json.ayse@ornek.bel.tr.approval").touch()
    git(work, "add", PLAN)
    git(work, "commit", "--quiet", "--message", "Signed")
    git(work, "push", "--quiet", "origin", "approvals")


@pytest.fixture
def stand_in(town):
    (town / "bin").mkdir()
    shutil.copy2(HERE / "stand_in.py", town / "bin/kahya")
    (town / "bin/kahya").chmod(0o755)
    return town / "bin"


def told(server, stand_in, ends=None, **more):
    """Return the variables of a job whose kahya is the stand-in."""
    own = {"PATH": search_path(stand_in), "STAND_IN_ENDS": json.dumps(ends or {})}
    platform = {k: v for k, v in server.variables.items() if k != "KAHYA_COMMENT_TOKEN"}
    return platform | own | {"STAND_IN_LOG": str(stand_in.parent / "calls")} | more


def calls(stand_in):
    """Return how the stand-in was called."""
    log = stand_in.parent / "calls"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def runner_of(town, key):
    secrets = {"KAHYA_SSH_KEY": key[0], "KAHYA_VAULT_PASSWORD": VAULT, "KAHYA_JOURNAL": JOURNAL}
    secrets["KAHYA_COMMENT_TOKEN"] = TOKEN
    return lambda platform: Runner(platform, town / "origin.git", town, secrets)


@pytest.mark.parametrize(
    ("platform", "case"),
    [("gitlab", case) for case in CASES] + [("github", c) for c in CASES if "github" in c],
    ids=lambda value: value if isinstance(value, str) else value["name"],
)
def test_jobs(case, platform, town, stand_in, runner_of, key):
    signed(town / "work", case.get("approvals", "none"))
    main = git(town / "origin.git", "rev-parse", "main")
    inputs = {"KAHYA_PLAN": case.get("plan", PLAN)} if case["job"] == "apply" else {}
    with forge(platform) as server:
        given = told(server, stand_in, case.get("ends"))
        done = runner_of(platform).run(case["job"], main, given, inputs=inputs)
    assert (done.returncode, case.get("says", "") in done.stderr) == (case["code"], True), done
    assert (platform == "github" and bool(done.returncode)) == ("::error::" in done.stderr)
    made = calls(stand_in)
    assert [call["command"] for call in made] == case["calls"]
    assert [body.split("\n")[1].startswith(case["comment"]) for body in server.bodies] == (
        [True] if "comment" in case else []
    )
    checkout = town / f"{platform}-checkout"
    assert all((checkout / name).is_file() for name in case.get("files", []))
    check_secrets(made, done, key, town)
    if case["job"] == "apply" and made:
        assert made[0]["beside"] == ["plan.json", "plan.json.ayse@ornek.bel.tr.approval"]
        assert git(checkout, "diff", made[0]["commit"], main) == ""


def ended(number):
    """Return whether a process is gone, or soon is."""
    status = Path(f"/proc/{number}/status")
    for _ in range(50):
        if not status.exists() or "State:\tZ" in status.read_text(encoding="utf-8"):
            return True
        time.sleep(0.1)
    return False


def check_secrets(made, done, key, town):
    """Kahya had what it needs; nobody else had it, and nothing of it is left."""
    private, public = key
    for call in made:
        assert call["keys"].split()[:2] == public.split()[:2]
        assert call["vault"] == VAULT
        shown = json.dumps([call["arguments"], call["environment"]]) + done.stdout + done.stderr
        assert not [s for s in (VAULT, TOKEN, private.splitlines()[2]) if s in shown]
        assert ended(call["agent"])
    assert list((town / "tmp").iterdir()) == []


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_second_push_replaces_the_comment_and_the_plan(platform, town, stand_in, runner_of):
    with forge(platform) as server:
        for text in ("first", "second"):
            commit = change(town / "work", text)
            git(town / "work", "push", "--quiet", "--force", "origin", "HEAD:change")
            given = told(server, stand_in, {"plan": 2})
            assert runner_of(platform).run("plan", commit, given).returncode == 0
            (body,) = server.bodies
            assert commit in body
            plan = town / f"{platform}-checkout/plan.json"
            assert json.loads(plan.read_text())["commit"] == commit


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_comment_that_cannot_be_written_fails_the_job_and_keeps_the_plan(
    platform, town, stand_in, runner_of
):
    main = git(town / "origin.git", "rev-parse", "main")
    with forge(platform) as server:
        given = told(server, stand_in, {"plan": 2}, KAHYA_COMMENT_TOKEN="wrong")
        done = runner_of(platform).run("plan", main, given)
    assert done.returncode == 1
    assert "KAHYA_COMMENT_TOKEN" in done.stderr
    assert (town / f"{platform}-checkout/plan.json").is_file()


@pytest.mark.parametrize("job", ["plan", "apply", "drift"])
def test_no_job_goes_without_a_journal_that_lasts(job, town, stand_in, runner_of):
    main = git(town / "origin.git", "rev-parse", "main")
    with forge("gitlab") as server:
        given = told(server, stand_in, KAHYA_JOURNAL="")
        done = runner_of("gitlab").run(job, main, given, inputs={"KAHYA_PLAN": PLAN})
    assert done.returncode == 1
    assert "KAHYA_JOURNAL is not set" in done.stderr
    assert calls(stand_in) == []


def test_a_key_with_a_passphrase_is_refused(town, stand_in, runner_of, tmp_path):
    path = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", path], check=True)
    main = git(town / "origin.git", "rev-parse", "main")
    with forge("github") as server:
        given = told(server, stand_in, KAHYA_SSH_KEY=path.read_text(encoding="utf-8"))
        done = runner_of("github").run("drift", main, given, stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    assert "KAHYA_SSH_KEY is no private key" in done.stderr
    assert list((town / "tmp").iterdir()) == []


def test_a_cancelled_job_leaves_no_secret_behind(town, stand_in, runner_of, key):
    checkout = runner_of("gitlab").checkout(git(town / "origin.git", "rev-parse", "main"))
    (town / "tmp").mkdir()
    with forge("gitlab") as server:
        given = told(server, stand_in, {"seconds": 60}, KAHYA_SSH_KEY=key[0], TMPDIR=town / "tmp")
        given |= {"KAHYA_VAULT_PASSWORD": VAULT, "KAHYA_JOURNAL": JOURNAL}
        job = subprocess.Popen(
            ["scripts/ci", "drift"], cwd=checkout, env=given, start_new_session=True
        )
        for _ in range(100):
            if calls(stand_in):
                break
            time.sleep(0.1)
        (call,) = calls(stand_in)
        os.killpg(job.pid, signal.SIGTERM)
        assert job.wait(10) == 143
    check_secrets([call], subprocess.CompletedProcess([], 143, "", ""), key, town)
