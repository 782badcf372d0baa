"""The layers are as pyproject.toml says, and the repository's top level stays as agreed."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FOLDERS = {"costmodel", "datasets", "dialects", "kernels", "service", "tests"}
FILES = {"CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "constraints.txt", "pyproject.toml"}
#: Made by set-up, tests and tuning; ignored by version control.
GENERATED = {"build", "costmodel-out", "costmodel_oracle.egg-info", "dist", "test-artifacts"}
#: They hold inputs, scripts and tests; as packages they would shadow libraries of these names.
NO_PACKAGES = ("datasets", "kernels", "service", "tests")


def test_import_contracts_are_kept() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kept, 0 broken" in done.stdout


def test_the_linter_notices_a_broken_contract(tmp_path: Path) -> None:
    """A contract that cannot fail would say nothing."""
    (tmp_path / "upside").mkdir()
    for name, text in (("__init__", ""), ("low", "from upside import high\n"), ("high", "")):
        (tmp_path / "upside" / f"{name}.py").write_text(text)
    contract = '[[tool.importlinter.contracts]]\nname = "x"\ntype = "layers"\n'
    layers = 'containers = ["upside"]\nlayers = ["high", "low"]\n'
    config = f'[tool.importlinter]\nroot_package = "upside"\n{contract}{layers}'
    (tmp_path / "pyproject.toml").write_text(config)
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "upside.low is not allowed to import upside.high" in done.stdout


def test_every_package_has_its_layer() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    named = {part.strip(" ()") for layer in layers for part in layer.replace("|", ":").split(":")}
    modules = {
        path.stem
        for path in (ROOT / "costmodel").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert modules - {"__init__"} <= named


def test_top_level_of_the_repository() -> None:
    entries = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert entries - GENERATED == FOLDERS | FILES


@pytest.mark.parametrize("folder", NO_PACKAGES)
def test_folders_that_are_no_packages(folder: str) -> None:
    assert (ROOT / folder).is_dir()
    assert not list((ROOT / folder).rglob("__init__.py"))


def test_no_module_is_called_util() -> None:
    names = {path.stem for path in (ROOT / "costmodel").rglob("*.py")}
    assert not names & {"util", "utils", "helpers", "misc", "common"}
