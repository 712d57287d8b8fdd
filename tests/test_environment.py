"""environment.yml (conda) and pyproject.toml (pip) list the same packages with the same lower bounds."""

import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PIP_NAME = {"pytorch": "torch", "matplotlib-base": "matplotlib", "playwright-python": "playwright"}
CONDA_ONLY = {"pip"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def bounds(requirements: list[str]) -> dict[str, str]:
    """Name -> specifier, in pip's names.

    >>> bounds(["pytorch>=2.6"])
    {'torch': '>=2.6'}
    """
    parsed = [Requirement(requirement) for requirement in requirements]
    return {PIP_NAME.get(item.name, item.name): str(item.specifier) for item in parsed}


def pip_side() -> dict[str, str]:
    listed = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]
    return bounds(listed) | {"python": PROJECT["requires-python"]}


def conda_side() -> dict[str, str]:
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    by_conda = [item for item in listed if isinstance(item, str) and item not in CONDA_ONLY]
    by_pip = [item for group in listed if isinstance(group, dict) for item in group["pip"]]
    return bounds([*by_conda, *(item for item in by_pip if not item.startswith("-"))])


def test_conda_and_pip_install_the_same():
    assert conda_side() == pip_side()


def test_nothing_is_listed_twice():
    listed = [Requirement(item).name for item in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"])]
    assert sorted(listed) == sorted(set(listed))


@pytest.mark.parametrize("name", sorted(pip_side()))
def test_only_lower_bounds(name):
    specifier = pip_side()[name]
    assert specifier.startswith(">=") and "," not in specifier


def test_conda_installs_the_package_itself_and_uses_one_channel():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge"]
    assert any("--editable ." in group["pip"] for group in environment["dependencies"] if isinstance(group, dict))


def test_the_counters_asked_for_stay():
    assert "fvcore" in bounds(PROJECT["dependencies"])
