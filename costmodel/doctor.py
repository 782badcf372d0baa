"""Whether this machine can tune: what is installed, what the CPU can do, what is missing.

Everything that might crash (a compiler's shared library that does not load) is tried in a child
process, so that a broken installation is a finding and not the end of the examination.
"""

from __future__ import annotations

import enum
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from costmodel.errors import CostModelError, MeasureError
from costmodel.records import Target
from costmodel.toolchain import COMPILERS, INSTALL_HINT, find_compiler

__all__ = ["Check", "Diagnosis", "Status", "examine"]

DISTRIBUTION = "costmodel-oracle"
REINSTALL = "install again with the pins: pip install -c constraints.txt ."
#: Free space below which a run may not end well: a library is about 100 kB, a store grows slowly.
LEAST_FREE_BYTES = 256 << 20
IMPORT_TIMEOUT_S = 120.0
#: What a child process runs to see that a library does its work here.
TRIALS: Mapping[str, str] = {
    "TVM": "import tvm; assert tvm.runtime.enabled('llvm'), 'TVM was built without LLVM'",
    "IREE": "from iree.compiler import ir, passmanager; import iree.runtime; ir.Context()",
    "XGBoost": "import xgboost; xgboost.Booster()",
}


class Status(enum.StrEnum):
    """How a check ended; ``FAILED`` alone makes the machine unusable for tuning."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Check:
    """One finding: what was looked at, what was found, and what to do where that is not well."""

    name: str
    status: Status
    value: str
    hint: str | None = None


@dataclass(frozen=True)
class Diagnosis:
    """All findings; ``target`` has no rates where they were not or could not be measured."""

    versions: Mapping[str, str | None]
    target: Target
    checks: tuple[Check, ...]

    @property
    def usable(self) -> bool:
        return all(check.status is not Status.FAILED for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        return {
            "usable": self.usable,
            "versions": dict(self.versions),
            "target": asdict(self.target),
            "checks": [asdict(check) for check in self.checks],
        }


def examine(
    *, store: Path | None = None, threads: int | None = None, measure: bool = True
) -> Diagnosis:
    """Look at the installation, the machine and the store.

    With ``measure`` the CPU's peak FLOP/s and memory bandwidth are measured anew, for a few
    seconds, and kept for later runs; nothing else is changed. Raises UsageError for more threads
    than there are cores.
    """
    versions = {name: version for name, version, _ in _requirements()}
    checks = [_python(), *_packages(), *_imports(), _c_compiler(), _load(threads)]
    target, machine = _machine(threads, measure)
    checks += [machine, _store(store), _free_space(Path(tempfile.gettempdir()), "temporary files")]
    return Diagnosis({"python": platform.python_version(), **versions}, target, tuple(checks))


def _requirements() -> Iterator[tuple[str, str | None, Requirement]]:
    """Name, installed version (None: not installed) and requirement of what we depend on."""
    for text in metadata.requires(DISTRIBUTION) or ():
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            yield requirement.name, metadata.version(requirement.name), requirement
        except metadata.PackageNotFoundError:
            yield requirement.name, None, requirement


def _python() -> Check:
    found = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if platform.system() != "Linux":
        return Check("platform", Status.FAILED, found, "costmodel measures on Linux only")
    return Check("platform", Status.OK, found)


def _packages() -> Iterator[Check]:
    wrong = []
    for name, version, requirement in _requirements():
        if version is None:
            wrong.append(Check(name, Status.FAILED, "not installed", REINSTALL))
        elif not requirement.specifier.contains(version, prereleases=True):
            found = f"{version} is installed, {requirement.specifier} is needed"
            wrong.append(Check(name, Status.FAILED, found, REINSTALL))
    yield from wrong or [Check("packages", Status.OK, "all there, in versions that work together")]


def _imports() -> Iterator[Check]:
    for name, program in TRIALS.items():
        try:
            done = subprocess.run(
                [sys.executable, "-c", program],
                capture_output=True, text=True, timeout=IMPORT_TIMEOUT_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            yield Check(name, Status.FAILED, "takes for ever to load", REINSTALL)
            continue
        if done.returncode == 0:
            yield Check(name, Status.OK, "loads and works")
            continue
        last = (done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"])[-1]
        yield Check(name, Status.FAILED, last, REINSTALL)


def _c_compiler() -> Check:
    """A tuned kernel becomes a shared library by the system's C compiler, which links it."""
    compiler = find_compiler()
    if compiler is None:
        found = f"none on the PATH ({', '.join(COMPILERS)})"
        return Check("C compiler", Status.FAILED, found, INSTALL_HINT)
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory, "answer.c")
        source.write_text("#include <math.h>\ndouble answer(double x) { return floor(x); }\n")
        library = str(source.with_suffix(".so"))
        command = [compiler, "-shared", "-fPIC", "-o", library, str(source), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        found = f"{compiler} links no library: {last}"
        return Check("C compiler", Status.FAILED, found, INSTALL_HINT)
    return Check("C compiler", Status.OK, compiler)


def _load(threads: int | None) -> Check:
    """Other work on the cores makes every latency longer and noisier."""
    cores = len(os.sched_getaffinity(0))
    busy = os.getloadavg()[0]
    found = f"{busy:.1f} of {cores} cores busy over the last minute"
    if busy > max(1, cores - (threads or cores) + 0.5):
        return Check("load", Status.WARNING, found, "measure while nothing else runs")
    return Check("load", Status.OK, found)


def _machine(threads: int | None, measure: bool) -> tuple[Target, Check]:
    from costmodel.target import host_target

    try:
        target = host_target(threads, measure=measure, refresh=measure)
    except MeasureError as error:  # what the machine is can be told without its rates
        failure = Check("machine", Status.FAILED, error.message, error.hint)
        return host_target(threads, measure=False), failure
    found = f"{target.cpu}, {target.threads} threads, {8 * target.vector_bytes}-bit vectors"
    if target.vector_bytes < 32:
        hint = "kernels will be slow: a CPU with AVX2 or AVX-512 is what the tuner is made for"
        return target, Check("machine", Status.WARNING, found, hint)
    return target, Check("machine", Status.OK, found)


def _store(path: Path | None) -> Check:
    from costmodel.store import default_path, open_store

    place = default_path() if path is None else path
    if not place.exists():
        parent = next(parent for parent in place.absolute().parents if parent.exists())
        if not os.access(parent, os.W_OK):
            hint = "name another place with --store"
            return Check("store", Status.FAILED, f"{place} cannot be made in {parent}", hint)
        return Check("store", Status.OK, f"{place} (not there yet; the first run makes it)")
    try:
        store = open_store(place, read_only=True)
        try:
            count = sum(1 for _ in store.measurements())
        finally:
            store.close()
    except CostModelError as error:
        return Check("store", Status.FAILED, error.message, error.hint)
    found = f"{place}, {count} measurements"
    if not os.access(place, os.W_OK):
        return Check("store", Status.WARNING, f"{found}, read-only", "nothing can be added to it")
    return Check("store", Status.OK, found)


def _free_space(place: Path, use: str) -> Check:
    free = shutil.disk_usage(place).free
    found = f"{free >> 20} MiB free in {place} for {use}"
    if free < LEAST_FREE_BYTES:
        return Check("disk", Status.WARNING, found, "make room, or set TMPDIR to another disk")
    return Check("disk", Status.OK, found)
