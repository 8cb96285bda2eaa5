"""What the lab makes of podman's rows."""

import pytest
from containers import HOST_KEY, LAB, SPEC, _container


@pytest.mark.parametrize(
    ("state", "pid", "runs", "whole"),
    [
        ("created", 0, False, False),
        ("exited", 0, False, True),
        ("running", 2**22 + 1, False, False),  # no such process: killed behind podman's back
        ("running", 1, True, True),
        ("stopping", 2**22 + 1, False, False),
    ],
)
def test_a_host_whose_process_is_gone_is_made_anew(
    state: str, pid: int, runs: bool, whole: bool
) -> None:
    labels = {LAB: "0123", SPEC: "s", HOST_KEY: "k"}
    row = {"Names": ["kahya-0123-pc"], "State": state, "Pid": pid, "Labels": labels}
    found = _container(row)
    assert (found.name, found.runs, found.whole) == ("pc", runs, whole)
