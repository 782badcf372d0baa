"""The IREE backend: the same MLIR with other tilings and flags, compiled by IREE for CPUs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from costmodel.backends.base import Backend, LoadedKernel, Release, SearchSpace
from costmodel.backends.iree.versions import versions
from costmodel.ir.origin import Origin
from costmodel.records import Schedule, Target, Workload

__all__ = ["IREEBackend"]


class IREEBackend:
    """Implements ``Backend`` with IREE's compiler and its ``local-task`` runtime."""

    name = "iree"
    #: Imported once, before build and measuring workers are forked; the runtime starts threads.
    worker_modules = ("costmodel.backends.iree.roots",)

    @property
    def parts(self) -> tuple[Backend, ...]:
        return (self,)

    def versions(self) -> Mapping[str, str]:
        return versions()

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

    def release(
        self,
        workload: Workload,
        schedule: Schedule,
        *,
        origin: Origin | None,
        library: Path,
        check: Callable[[Path], None],
    ) -> Release:
        from costmodel.backends.iree.release import release
        from costmodel.backends.iree.schedules import parse_schedule

        settings = parse_schedule(schedule)
        return release(workload, settings, origin=origin, library=library, check=check)

    def file_names(self, schedule: Schedule) -> Mapping[str, str]:
        return {"library": "kernel.vmfb", "ir": "kernel.mlir"}

    def companions(
        self, workload: Workload, schedule: Schedule, target: Target
    ) -> Mapping[str, tuple[str, str]]:
        """The snippet, and the flags with which the program is compiled to the same module."""
        from costmodel.backends.iree.compiler import COMPILE_FLAGS
        from costmodel.backends.iree.schedules import parse_schedule
        from costmodel.backends.iree.snippet import iree_snippet

        module = self.file_names(schedule)["library"]
        text = iree_snippet(workload.function, module, workload.inputs, target.threads)
        flags = [*COMPILE_FLAGS, *parse_schedule(schedule).arguments]
        return {
            "snippet": ("run_kernel.py", text),
            "flags": ("flags.txt", "".join(f"{flag}\n" for flag in flags)),
        }

    def describe(self, workload: Workload, schedule: Schedule, target: Target) -> str:
        """The program with the tilings on its operations, as plain ``iree-compile`` takes it.

        Its function has the name that it had in the input.
        """
        from costmodel.backends.iree.roots import annotated
        from costmodel.backends.iree.schedules import parse_schedule

        return annotated(workload.text, parse_schedule(schedule), function=workload.function)
