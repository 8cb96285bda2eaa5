"""The comment under a merge request, against simulators (L1) of GitLab and GitHub."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from forge import OURS, TOKEN, forge

SCRIPT = Path(__file__).parents[2] / "scripts/ci-comment"
MARK = "<!-- kahya plan -->\n"
NO_VARIABLES = {"PATH": os.environ["PATH"]}


@pytest.fixture(params=["gitlab", "github"])
def server(request):
    with forge(request.param) as running:
        yield running


@pytest.fixture
def comment(server, tmp_path):
    """Write a comment as a job would."""

    def write(text, **variables):
        page = tmp_path / "plan.md"
        page.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, SCRIPT, page],
            env=NO_VARIABLES | server.variables | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert TOKEN not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return write


def test_there_is_one_comment_and_it_is_replaced(server, comment):
    server.add("looks good")
    for text in ("first plan: ş", "second plan"):
        assert comment(text).returncode == 0
        assert server.bodies == ["looks good", f"{MARK}{text}"]


def test_it_is_found_among_many(server, comment):
    for number in range(250):
        server.add(f"remark {number}")
    server.comments[220] |= {"body": f"{MARK}old", "author": OURS}
    assert comment("new").returncode == 0
    assert server.bodies[220] == f"{MARK}new"
    assert len(server.comments) == 250


def test_somebody_elses_comment_with_our_mark_is_left_alone(server, comment):
    server.add(f"{MARK}a plan that nobody made")
    for text in ("one", "two"):
        assert comment(text).returncode == 0
        assert server.bodies == [f"{MARK}a plan that nobody made", f"{MARK}{text}"]


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"KAHYA_COMMENT_TOKEN": "wrong"}, "answers 401. May KAHYA_COMMENT_TOKEN write"),
        ({"KAHYA_COMMENT_TOKEN": ""}, "KAHYA_COMMENT_TOKEN is no token"),
        ({"KAHYA_COMMENT_TOKEN": f"{TOKEN}\n{TOKEN}"}, "KAHYA_COMMENT_TOKEN is no token"),
        ({"GITHUB_REPOSITORY": "no/such", "CI_PROJECT_ID": "99"}, "answers 404"),
        (
            {"GITHUB_API_URL": "http://127.0.0.1:9", "CI_API_V4_URL": "http://127.0.0.1:9"},
            "refused",
        ),
    ],
    ids=["wrong token", "no token", "two lines", "no project", "server down"],
)
def test_why_it_cannot_be_written_is_said(server, comment, variables, says):
    done = comment("plan", **variables)
    assert done.returncode == 1
    assert says in done.stderr
    assert server.bodies == []


def test_the_token_is_not_carried_to_another_server(server, comment):
    with forge("gitlab") as other:
        server.moved_to = other.url
        assert comment("plan").returncode == 1
        assert other.asked == []


def test_a_line_end_after_the_token_is_no_harm(server, comment):
    assert comment("plan", KAHYA_COMMENT_TOKEN=f"{TOKEN}\n").returncode == 0


def test_outside_a_merge_request_it_says_what_is_not_set(tmp_path):
    (tmp_path / "plan.md").touch()
    done = subprocess.run(
        [sys.executable, SCRIPT, tmp_path / "plan.md"],
        env=NO_VARIABLES | {"KAHYA_COMMENT_TOKEN": "x", "GITLAB_CI": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        1,
        "The comment can't be written: CI_API_V4_URL is not set.\n",
    )
