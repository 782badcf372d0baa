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
    worker_modules = ("costmodel.backends.iree.roots", "costmodel.backends.iree.scripted")

    @property
    def parts(self) -> tuple[Backend, ...]:
        return (self,)

    def versions(self) -> Mapping[str, str]:
        return versions()

    def space(self, workload: Workload, target: Target) -> SearchSpace:
        from costmodel.backends.iree.script_space import ScriptSpace
        from costmodel.backends.iree.space import IREESpace
        from costmodel.ir import check_tunable

        check_tunable(workload)
        if workload.script is not None:
            return ScriptSpace(workload, workload.script, target)
        return IREESpace(workload, target)

    def build(self, workload: Workload, schedule: Schedule, target: Target, library: Path) -> None:
        from costmodel.backends.iree.compiler import compile_text
        from costmodel.backends.iree.matching import tuning_spec
        from costmodel.backends.iree.roots import annotated
        from costmodel.backends.iree.schedules import parse_schedule
        from costmodel.backends.iree.script_schedules import is_script, parse_script
        from costmodel.backends.iree.scripted import transformed

        if is_script(schedule):
            program = transformed(parse_script(schedule), folder=library.parent)
            compile_text(program, library)
            return
        settings = parse_schedule(schedule)
        text, spec = annotated(workload.text, settings), tuning_spec(settings.matched)
        compile_text(text, library, flags=settings.arguments, spec=spec)

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
        """A file with a transform script is not written into: the function it makes is given."""
        from costmodel.backends.iree.release import release, release_script
        from costmodel.backends.iree.schedules import parse_schedule
        from costmodel.backends.iree.script_schedules import is_script, parse_script

        if is_script(schedule):
            return release_script(workload, parse_script(schedule), library=library, check=check)
        settings = parse_schedule(schedule)
        own = None if workload.script is not None else origin
        return release(workload, settings, origin=own, library=library, check=check)

    def file_names(self, schedule: Schedule) -> Mapping[str, str]:
        return {"library": "kernel.vmfb", "ir": "kernel.mlir"}

    def companions(
        self, workload: Workload, schedule: Schedule, target: Target
    ) -> Mapping[str, tuple[str, str]]:
        """The snippet, and what the program is compiled with to the same module.

        That is the flags and, where tilings are for what IREE makes of operations, a tuning spec,
        which the flags name as a file of the directory that the compiler is run in. Beside them, of
        a script, the file that it came from with every decision made.
        """
        from costmodel.backends.iree.compiler import COMPILE_FLAGS, SPEC_FLAG
        from costmodel.backends.iree.matching import SPEC, tuning_spec
        from costmodel.backends.iree.schedules import parse_schedule
        from costmodel.backends.iree.script_schedules import is_script, parse_script
        from costmodel.backends.iree.snippet import iree_snippet

        module = self.file_names(schedule)["library"]
        text = iree_snippet(workload.function, module, workload.inputs, target.threads)
        flags, files = list(COMPILE_FLAGS), {"snippet": ("run_kernel.py", text)}
        if is_script(schedule):
            from costmodel.ir.tune_fill import filled

            script = parse_script(schedule)
            files["script"] = ("script.mlir", filled(script.script, script.choices))
        else:
            settings = parse_schedule(schedule)
            flags += settings.arguments
            if spec := tuning_spec(settings.matched):
                flags.append(f"{SPEC_FLAG}={SPEC}")
                files["spec"] = (SPEC, spec)
        return files | {"flags": ("flags.txt", "".join(f"{flag}\n" for flag in flags))}

    def describe(self, workload: Workload, schedule: Schedule, target: Target) -> str:
        """The program with the tilings on its operations, as plain ``iree-compile`` takes it.

        Its function has the name that it had in the input.
        """
        from costmodel.backends.iree.roots import annotated
        from costmodel.backends.iree.schedules import parse_schedule
        from costmodel.backends.iree.script_schedules import is_script, parse_script
        from costmodel.backends.iree.scripted import transformed

        if is_script(schedule):
            settings = parse_script(schedule)
            return transformed(settings, function=workload.function, timeout_s=60.0)
        return annotated(workload.text, parse_schedule(schedule), function=workload.function)
