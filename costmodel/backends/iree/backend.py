"""The IREE backend: the same MLIR with other tilings and flags, compiled by IREE for CPUs."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from costmodel.backends.base import LoadedKernel, SearchSpace
from costmodel.records import Schedule, Target, Workload

__all__ = ["IREEBackend"]

#: Bumped whenever the meaning of a schedule's text changes.
SPACE_VERSION = "1"


class IREEBackend:
    """Implements ``Backend`` with IREE's compiler and its ``local-task`` runtime."""

    name = "iree"
    #: Imported once, before build and measuring workers are forked; the runtime starts threads.
    worker_modules = ("costmodel.backends.iree.roots",)

    def versions(self) -> Mapping[str, str]:
        return {
            "costmodel-iree-space": SPACE_VERSION,
            "iree-base-compiler": version("iree-base-compiler"),
            "iree-base-runtime": version("iree-base-runtime"),
        }

    def space(self, workload: Workload, target: Target) -> SearchSpace:
        from costmodel.backends.iree.space import IREESpace
        from costmodel.ir import check_tunable

        check_tunable(workload)
        return IREESpace(workload, target)

    def build(self, workload: Workload, schedule: Schedule, target: Target, library: Path) -> None:
        from costmodel.backends.iree.compiler import compile_text
        from costmodel.backends.iree.roots import annotated
        from costmodel.backends.iree.schedules import parse_schedule

        settings = parse_schedule(schedule)
        compile_text(annotated(workload.text, settings), library, flags=settings.arguments)

    def load(self, library: Path, workload: Workload, target: Target) -> LoadedKernel:
        from costmodel.backends.iree.kernel import IREEKernel

        return IREEKernel(library, workload, threads=target.threads)

    def describe(self, workload: Workload, schedule: Schedule, target: Target) -> str:
        """The program as IREE compiles it, below the flags."""
        from costmodel.backends.iree.compiler import COMPILE_FLAGS
        from costmodel.backends.iree.roots import annotated
        from costmodel.backends.iree.schedules import parse_schedule

        settings = parse_schedule(schedule)
        flags = " ".join([*COMPILE_FLAGS, *settings.arguments])
        return f"// iree-compile {flags}\n{annotated(workload.text, settings)}"
