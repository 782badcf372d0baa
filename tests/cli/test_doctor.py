"""``costmodel doctor`` on this machine, and on one where something is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "costmodel.cli", "doctor", "--no-measure", *arguments],
        capture_output=True, text=True, check=False, env={**os.environ, **environment},
    )  # fmt: skip


def checks(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def test_this_machine_is_fit(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    done = doctor("--json", "--store", str(store))
    found = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    assert found["usable"] is True
    assert found["versions"]["apache-tvm"] == "0.27.0.post1"
    assert found["target"]["threads"] >= 1
    assert {"TVM", "IREE", "XGBoost", "C compiler", "store", "machine"} <= set(checks(done))
    assert not store.exists()


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A damaged store, no program on the PATH, and packages of the wrong versions.

    Metadata that comes first on the path is what pip would have left behind.
    """
    folder = tmp_path_factory.mktemp("broken")
    (folder / "store.sqlite").write_bytes(b"not a database at all, but of some length" * 100)
    for name, version in (("apache_tvm_ffi", "0.1.15"), ("cloudpickle", "2.0.0")):
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir()
        fields = (f"Name: {name.replace('_', '-')}", f"Version: {version}")
        (info / "METADATA").write_text("\n".join(("Metadata-Version: 2.1", *fields, "")))
    return folder, {"PATH": str(folder), "PYTHONPATH": str(folder), "CC": ""}


def test_what_is_broken_is_found_with_a_remedy(broken) -> None:
    folder, environment = broken
    done = doctor("--json", "--store", str(folder / "store.sqlite"), **environment)
    assert done.returncode == 1
    found = checks(done)
    for name in ("C compiler", "apache-tvm-ffi", "cloudpickle", "store"):
        assert found[name]["status"] == "failed", name
        assert found[name]["hint"], name
    assert found["apache-tvm-ffi"]["value"] == "0.1.15 is installed, ==0.1.14.post1 is needed"
    assert "apt-get install gcc" in found["C compiler"]["hint"]
    assert "constraints.txt" in found["cloudpickle"]["hint"]
    assert found["TVM"]["status"] == "ok"
    assert (folder / "store.sqlite").read_bytes().startswith(b"not a database")


def test_for_people_it_is_a_list(broken) -> None:
    folder, environment = broken
    done = doctor("--store", str(folder / "none.sqlite"), **environment)
    assert done.returncode == 1
    assert "  FAILED  C compiler: none on the PATH" in done.stdout
    assert "      ok  store: " in done.stdout
    assert "not fit to tune" in done.stdout.splitlines()[-1]
