"""A warning is a sentence for people, not a line of our sources."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

from costmodel.store import open_store
from tests.store import builders


def test_a_bad_row_is_warned_of_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with open_store(path) as store:
        store.add_workload(builders.workload())
        store.add_target(builders.target())
        store.add([builders.measurement()])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("UPDATE measurements SET samples = '[0.0]'")
    other.close()
    done = subprocess.run(
        [sys.executable, "-m", "costmodel.cli", "cache", "show", "--store", str(path)],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONWARNINGS": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"warning: left out what cannot be read in {path}: measurement ")
    assert line.endswith("`costmodel cache verify` lists it all")
