"""What the wheel holds: one importable package, its data, and nothing from beside it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from itertools import chain
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement

import costmodel

ROOT = Path(__file__).resolve().parents[1]


def project() -> dict:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[PurePosixPath]:
    """Paths in the wheel, built from a copy so that the working tree stays as it is."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("costmodel", "dialects", "kernels", "datasets", "service", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    out = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*pip, "--wheel-dir", str(out), str(source)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (path,) = out.iterdir()
    with zipfile.ZipFile(path) as archive:
        return [PurePosixPath(name) for name in archive.namelist()]


def test_costmodel_is_all_that_can_be_imported(wheel: list[PurePosixPath]) -> None:
    tops = {path.parts[0] for path in wheel}
    assert tops == {"costmodel", f"costmodel_oracle-{project()['project']['version']}.dist-info"}


def test_every_source_file_is_in(wheel: list[PurePosixPath]) -> None:
    suffixes = {".py", ".c"}
    files = (ROOT / "costmodel").rglob("*")
    sources = {path.relative_to(ROOT) for path in files if path.suffix in suffixes}
    assert {str(path) for path in sources} <= {str(path) for path in wheel}


def test_dialect_tables_and_type_marker_are_in(wheel: list[PurePosixPath]) -> None:
    tables = [path.name for path in (ROOT / "dialects").glob("*.toml")]
    assert tables
    wanted = {f"costmodel/dialects/{name}" for name in tables} | {"costmodel/py.typed"}
    assert wanted <= {str(path) for path in wheel}


def test_what_the_dashboard_shows_is_in(wheel: list[PurePosixPath]) -> None:
    folder = ROOT / "costmodel/dashboard"
    files = [*folder.glob("templates/*"), *folder.glob("static/*")]
    assert files
    assert {str(path.relative_to(ROOT)) for path in files} <= {str(path) for path in wheel}


def test_packages_are_listed_one_by_one() -> None:
    """The list is explicit, so a new folder must be added to it."""
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "costmodel").rglob("__init__.py")
    }
    listed = project()["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted(found | {"costmodel.dialects"})


def test_version_is_said_once_more_and_the_same() -> None:
    assert costmodel.__version__ == project()["project"]["version"]


def test_constraints_pin_every_requirement_within_its_range() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    versions = {pin.name.lower().replace("_", "-"): str(pin.specifier) for pin in pins}
    assert all(pin.startswith("==") for pin in versions.values())
    settings = project()["project"]
    extras = settings["optional-dependencies"].values()
    wanted = map(Requirement, chain(settings["dependencies"], *extras))
    for requirement in (one for one in wanted if one.name != settings["name"]):
        pin = versions[requirement.name.lower().replace("_", "-")]
        assert requirement.specifier.contains(pin.removeprefix("==")), requirement.name
