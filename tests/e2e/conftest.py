"""Running the command as a user does: another process, another directory, a store of its own.

Where only what it says is asked for, ``call`` and ``json`` run it in this process: compilers take
seconds to import.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.commands import HEARS_CTRL_C, call

#: Small enough to be tuned in seconds, with something to win.
KERNEL = """\
func.func @dense(%x: tensor<64x96xf32>, %w: tensor<96x80xf32>) -> tensor<64x80xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<64x80xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<64x80xf32>) -> tensor<64x80xf32>
  %product = linalg.matmul ins(%x, %w : tensor<64x96xf32>, tensor<96x80xf32>)
                           outs(%init : tensor<64x80xf32>) -> tensor<64x80xf32>
  return %product : tensor<64x80xf32>
}
"""
COMMAND = (sys.executable, "-m", "costmodel.cli")
TRIALS = 8


#: Has a command obey the permissions of files also as root, by giving up the capabilities with
#: which root reads and writes everything (capabilities(7)).
OBEYS_PERMISSIONS = (
    ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
)


@dataclass(frozen=True)
class Place:
    """A directory to work in: the kernel, a store and an output directory.

    What runs in a ``confined`` one is not above the permissions of files.
    """

    path: Path
    confined: bool = False
    #: Whether the package's weights answer.
    trained: bool = False
    #: Whether no command may run in the tests' own process, which has imported too much.
    apart: bool = False

    @property
    def kernel(self) -> Path:
        return self.path / "dense.mlir"

    @property
    def store(self) -> Path:
        return self.path / "store.sqlite"

    @property
    def out(self) -> Path:
        return self.path / "out"

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not self.trained or k != "COSTMODEL_WEIGHTS"}
        return {**kept, "COSTMODEL_STORE": str(self.store)}

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*(OBEYS_PERMISSIONS if self.confined else ()), *COMMAND, *map(str, arguments)],
            cwd=self.path, env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def call(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """The command in this process, which is not ``confined``."""
        assert not self.confined
        variables: dict[str, str | None] = {"COSTMODEL_STORE": str(self.store)}
        if self.trained:
            variables["COSTMODEL_WEIGHTS"] = None
        return call(*arguments, cwd=self.path, environment=variables)

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Without waiting, in a session of its own, so that what it leaves running is found."""
        return subprocess.Popen(
            [*HEARS_CTRL_C, *COMMAND, *map(str, arguments)],
            cwd=self.path, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def json(self, *arguments: str | Path) -> dict[str, Any]:
        """The object that a command prints; it must succeed and print nothing else."""
        done = (self.run if self.confined or self.apart else self.call)(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found

    def refused(self, *arguments: str | Path, process: bool = False) -> dict[str, Any]:
        """The error with which tuning ends that is refused, and writes nothing."""
        before = sorted(os.listdir(self.path))
        run = self.run if process or self.confined else self.call
        done = run("tune", *arguments, "--json", "--trials", "4", "--out", self.out)
        assert done.returncode == 2, done.stderr
        assert done.stderr.strip()
        assert "Traceback" not in done.stderr
        assert sorted(os.listdir(self.path)) == before, "something was written"
        error = json.loads(done.stdout)["error"]
        assert error["exit_status"] == 2
        assert error["message"]
        assert isinstance(error, dict)
        return error

    def measurements(self) -> int:
        from costmodel.store import open_store

        if not self.store.exists():
            return 0
        store = open_store(self.store, read_only=True)
        try:
            return sum(1 for _ in store.measurements())
        finally:
            store.close()


MakePlace = Callable[[], Place]


def _make(path: Path) -> Place:
    place = Place(path)
    place.kernel.write_text(KERNEL)
    return place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return _make(tmp_path)


@pytest.fixture
def trained(place: Place) -> Place:
    """A place where the package's weights answer, as for users."""
    return replace(place, trained=True)


@pytest.fixture
def restricted(place: Place) -> Place:
    """A place where permissions mean something to everybody."""
    return replace(place, confined=True)


@pytest.fixture(scope="session")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, dict[str, Any]]:
    """A place where the kernel was tuned, and what was printed; tests only read it."""
    place = replace(_make(tmp_path_factory.mktemp("tuned")), trained=True)
    done = place.run(
        "tune", place.kernel, "--trials", str(TRIALS), "--seed", "1", "--out", place.out, "--json"
    )
    assert done.returncode == 0, done.stderr
    return place, json.loads(done.stdout)
