"""What is written twice in a role says the same in both places."""

from pathlib import Path

import pytest
import yaml

ROLES = sorted(path.parent for path in Path("roles").glob("*/tasks"))


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_the_defaults_are_those_of_the_argument_specs(role):
    options = read(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    specified = {name: option["default"] for name, option in options.items() if "default" in option}
    assert specified == read(role / "defaults/main.yml")
    assert all(option.get("required") for name, option in options.items() if name not in specified)
    assert all(name.startswith(f"{role.name}_") for name in options)
