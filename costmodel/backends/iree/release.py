"""The winner as a user gets it: the user's own module with the schedule on its operations.

Formatting is MLIR's, which drops comments; everything else of the input stays: its functions, the
names of its symbols, its attributes. Only what an earlier tuning wrote on the operations of the
tuned function goes, since the schedule was measured without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from iree.compiler import ir

from costmodel.backends.base import Release
from costmodel.backends.iree.compiler import compile_text
from costmodel.backends.iree.matching import tuning_spec
from costmodel.backends.iree.roots import annotate, annotated, configured_tilings
from costmodel.backends.iree.schedules import Settings, Tiling
from costmodel.backends.iree.script_schedules import ScriptSettings
from costmodel.backends.iree.scripted import transformed
from costmodel.errors import BackendError
from costmodel.ir import Origin, isolate, parse, walk
from costmodel.ir.structured import is_structured, iteration_space
from costmodel.records import Workload

__all__ = ["own_program", "release", "release_script"]

#: Seconds to compile a whole module, which may have more in it than the kernel.
_COMPILE_S = 300.0
#: What an earlier tuning may have written on operations.
_TUNED = ("compilation_info", "lowering_config")


def release(
    workload: Workload,
    settings: Settings,
    *,
    origin: Origin | None,
    library: Path,
    check: Callable[[Path], None],
) -> Release:
    """See ``costmodel.backends.base.Releases``."""
    notes: tuple[str, ...] = ()
    if origin is not None:
        try:
            program = own_program(workload, origin, settings)
            _compile(program, settings, library)
            check(library)
        except BackendError as error:
            reason = error.message.strip().splitlines()[0].rstrip(":")
            notes = (
                "the program is the function in canonical form, since the input as it stands "
                f"cannot carry the schedule: {reason}",
            )
        else:
            return Release(program, library, _others(origin, settings))
    program = annotated(workload.text, settings, function=workload.function)
    _compile(program, settings, library)
    check(library)
    return Release(program, library, notes)


def release_script(
    workload: Workload, script: ScriptSettings, *, library: Path, check: Callable[[Path], None]
) -> Release:
    """What a transform script makes of its function, and the library compiled from that."""
    program = transformed(script, function=workload.function, timeout_s=_COMPILE_S)
    compile_text(program, library, timeout_s=_COMPILE_S)
    check(library)
    return Release(program, library)


def _others(origin: Origin, settings: Settings) -> tuple[str, ...]:
    """A remark where what was decided for one function acts on others of the file, too."""
    if not settings.flags and not settings.matched:
        return ()
    functions = _functions(parse.parse_trusted(origin.text))
    others = [op.name.value for op in functions
              if op.regions[0].blocks and op.name.value != origin.function]  # fmt: skip
    if not others:
        return ()
    what = "flags and the tuning spec" if settings.matched else "flags"
    return (f"the {what} act on {', '.join(others)} as well, which nobody has checked",)


def _compile(program: str, settings: Settings, library: Path) -> None:
    spec = tuning_spec(settings.matched)
    compile_text(program, library, flags=settings.arguments, spec=spec, timeout_s=_COMPILE_S)


def own_program(workload: Workload, origin: Origin, settings: Settings) -> str:
    """The input's text with the settings on its operations.

    Raises BackendError where they cannot be put there, or the compiler does not obey them there
    as it does in the canonical form.
    """
    module = parse.parse_trusted(origin.text)
    _check_exported(module, origin.function)
    _strip(module, origin.function)
    stripped = _text(module)
    own = _translated(module, workload, origin, settings)
    annotate(module, own)
    program = _text(module)
    _check_obeyed(workload, settings, origin, stripped, own)
    return program


def _check_exported(module: ir.Module, function: str) -> None:
    """A private function is no part of the compiled module, so that nobody could call it."""
    for op in _functions(module):
        if op.name.value == function and isolate.is_private(op):
            raise BackendError(f"the function {function} is private there")


def _functions(module: ir.Module) -> Iterator[ir.OpView]:
    return (op for op in module.body.operations if op.operation.name == "func.func")


def _strip(module: ir.Module, function: str) -> None:
    for op in _functions(module):
        if op.name.value == function:
            for inner in walk.operations(op):
                for name in _TUNED:
                    if name in inner.attributes:
                        del inner.attributes[name]


def _text(module: ir.Module) -> str:
    return str(module.operation.get_asm(use_local_scope=True, large_elements_limit=None))


def _translated(
    module: ir.Module, workload: Workload, origin: Origin, settings: Settings
) -> Settings:
    """The settings by the positions of the input's operations, all that stand for one."""
    canonical = parse.parse_trusted(workload.text)
    ours, theirs = (list(walk.operations(one.operation)) for one in (canonical, module))

    def sources(place: int) -> list[int]:
        if place >= len(ours) or not is_structured(ours[place]):
            raise BackendError(f"operation {place} is none that can be tiled")
        loops = iteration_space(ours[place])
        found = [
            number
            for number in origin.sources.get(place, ())
            if is_structured(theirs[number]) and iteration_space(theirs[number]) == loops
        ]
        if not found:
            raise BackendError(f"no {ours[place].operation.name} of the input is tuned by itself")
        return found

    roots: dict[int, Tiling] = {
        number: tiling for place, tiling in settings.roots.items() for number in sources(place)
    }
    cuts = frozenset(number for place in settings.cuts for number in sources(place))
    return replace(settings, roots=roots, cuts=cuts)


def _check_obeyed(
    workload: Workload, settings: Settings, origin: Origin, text: str, own: Settings
) -> None:
    """Raise BackendError unless each tiling obeyed in the canonical form is obeyed in ``text``."""
    if not settings.tilings:
        return
    before = configured_tilings(workload.text, settings)
    after = configured_tilings(text, own)
    for place, tiling in settings.roots.items():
        if before.get(place) != tiling:
            continue
        if tiling not in [after.get(number) for number in origin.sources.get(place, ())]:
            raise BackendError("the compiler does not obey a tiling there")
    for matcher, tiling in settings.matched.items():
        if before.get(matcher) == tiling and after.get(matcher) != tiling:
            raise BackendError("the compiler makes other operations of it there")
