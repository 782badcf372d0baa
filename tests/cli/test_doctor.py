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


@pytest.fixture
def store(tmp_path: Path) -> str:
    return str(tmp_path / "store.sqlite")


def test_this_machine_is_fit(store: str) -> None:
    done = doctor("--json", "--store", store)
    found = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    assert found["usable"] is True
    assert found["versions"]["apache-tvm"] == "0.27.0.post1"
    assert found["target"]["threads"] >= 1
    assert {"TVM", "IREE", "XGBoost", "C compiler", "store", "machine"} <= set(checks(done))
    assert not os.path.exists(store)


def test_for_people_it_is_a_list(store: str) -> None:
    done = doctor("--store", store)
    assert done.returncode == 0, done.stdout
    assert "ok  C compiler: " in done.stdout
    assert done.stdout.rstrip().endswith("fit to tune")


def test_without_a_c_compiler_it_says_how_to_get_one(store: str, tmp_path: Path) -> None:
    done = doctor("--json", "--store", store, PATH=str(tmp_path))
    assert done.returncode == 1
    compiler = checks(done)["C compiler"]
    assert compiler["status"] == "failed"
    assert "apt-get install gcc" in compiler["hint"]


def test_a_damaged_store_is_found(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    store.write_bytes(b"not a database at all, but long enough to look at" * 100)
    done = doctor("--json", "--store", str(store))
    assert done.returncode == 1
    assert checks(done)["store"]["status"] == "failed"
    assert store.read_bytes().startswith(b"not a database")


def test_a_package_that_is_missing_or_old_is_named(store: str, tmp_path: Path) -> None:
    """Metadata that comes first on the path is what pip would have left behind."""
    for name, version in (("apache_tvm_ffi", "0.1.15"), ("pebble", "4.0.0")):
        info = tmp_path / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n"
        )
    done = doctor("--json", "--store", store, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert (
        checks(done)["apache-tvm-ffi"]["value"] == "0.1.15 is installed, ==0.1.14.post1 is needed"
    )
    assert checks(done)["pebble"]["status"] == "failed"
    assert "constraints.txt" in checks(done)["pebble"]["hint"]
