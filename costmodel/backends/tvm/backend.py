"""The TVM backend: TensorIR spaces, shared libraries, kernels loaded for timing."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from costmodel.backends.base import Backend, LoadedKernel, SearchSpace
from costmodel.backends.tvm.versions import versions
from costmodel.errors import BackendError, UnsupportedError
from costmodel.records import Schedule, Target, Workload
from costmodel.toolchain import INSTALL_HINT, find_compiler

__all__ = ["TVMBackend", "link", "reason_of"]


class TVMBackend:
    """Implements ``Backend`` with TVM's TensorIR for CPU targets."""

    name = "tvm"
    #: Imported once, before build and measuring workers are forked.
    worker_modules = (
        "costmodel.backends.tvm.without_torch",
        "costmodel.backends.tvm.replay",
        "costmodel.backends.tvm.pipeline",
    )

    @property
    def parts(self) -> tuple[Backend, ...]:
        return (self,)

    def versions(self) -> Mapping[str, str]:
        return versions()

    def space(self, workload: Workload, target: Target) -> SearchSpace:
        from costmodel.ir import check_tunable

        check_tunable(workload)
        if workload.script is not None:
            raise UnsupportedError(
                "the file has a transform script, and TVM runs none",
                hint="use --backend iree, or take the script out of the file",
            )
        _import_tvm()
        from costmodel.backends.tvm.space import TVMSpace

        return TVMSpace(workload, target)

    def build(self, workload: Workload, schedule: Schedule, target: Target, library: Path) -> None:
        _import_tvm()
        from tvm.s_tir.schedule.schedule import ScheduleError

        from costmodel.backends.tvm.knobs import InvalidKnobsError
        from costmodel.backends.tvm.pipeline import compile_module
        from costmodel.backends.tvm.replay import replay, tvm_target

        try:
            sch = replay(workload, schedule, target)
            executable = compile_module(sch.mod, tvm_target(target))
        except (InvalidKnobsError, ScheduleError, RuntimeError, TypeError, ValueError) as error:
            raise BackendError(f"TVM: {reason_of(error)}") from error
        executable.export_library(str(library), fcompile=link)

    def load(self, library: Path, workload: Workload, target: Target) -> LoadedKernel:
        _import_tvm()
        from costmodel.backends.tvm.kernel import TVMKernel

        return TVMKernel(library, target.threads)

    def file_names(self, schedule: Schedule) -> Mapping[str, str]:
        return {"library": "kernel.so", "ir": "kernel.tir.py"}

    def companions(
        self, workload: Workload, schedule: Schedule, target: Target
    ) -> Mapping[str, tuple[str, str]]:
        from costmodel.backends.tvm.snippet import tvm_snippet

        text = tvm_snippet(
            workload.function,
            self.file_names(schedule)["library"],
            workload.inputs,
            workload.outputs,
            target.threads,
        )
        return {"snippet": ("run_kernel.py", text)}

    def describe(self, workload: Workload, schedule: Schedule, target: Target) -> str:
        _import_tvm()
        from costmodel.backends.tvm.replay import replay

        return str(replay(workload, schedule, target).mod.script())


def _import_tvm() -> None:
    import costmodel.backends.tvm.without_torch  # noqa: F401


def link(output: str, objects: Sequence[str], **_: Any) -> None:
    """Link with the C driver alone: TVM's default asks for a C++ compiler.

    Raises BackendError where there is none, or it fails.
    """
    compiler = find_compiler()
    if compiler is None:
        raise BackendError("no C compiler was found to link with", hint=INSTALL_HINT)
    command = [compiler, "-shared", "-fPIC", "-o", output, *objects, "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BackendError(
            f"linking failed: {done.stderr.strip()[-500:]}",
            hint="is there room on the disk? `costmodel doctor` tries the compiler",
        )


def reason_of(error: BaseException) -> str:
    """The last line of what TVM says, which holds the reason."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1][:500] if lines else type(error).__name__
