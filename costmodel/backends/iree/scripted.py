"""Running a transform script on its function, for IREE to compile what comes of it.

The interpreter is a program of its own, ``iree-opt``: a script that brings it down is a failed
candidate and no more.
"""

from __future__ import annotations

import re
import tempfile
from difflib import get_close_matches
from pathlib import Path

from iree.compiler import ir

from costmodel.backends.iree.compiler import binary, run_tool
from costmodel.backends.iree.schedules import LEVELS, PIPELINES, Tiling
from costmodel.backends.iree.script_schedules import ScriptSettings
from costmodel.errors import BackendError
from costmodel.ir import isolate, parse, walk
from costmodel.ir.resolve import resolved
from costmodel.ir.structured import is_structured, iteration_space

__all__ = ["transformed"]

_PASS = "--transform-interpreter=entry-point=__transform_main"
_SIZE = re.compile(rf"({'|'.join(LEVELS)})_(\d+)")


def transformed(
    settings: ScriptSettings,
    *,
    function: str = "main",
    folder: Path | None = None,
    timeout_s: float | None = None,
) -> str:
    """The script's function as the script leaves it, under the name ``function``.

    What the interpreter reads and writes is for that time in ``folder``; for ``timeout_s`` see
    ``compile_text``. Raises InputError where the script cannot be read or has no such knobs,
    BackendError, with the interpreter's message, where it fails.
    """
    script = resolved(settings.script, settings.function, settings.choices)
    before = _function_of(script, settings.function, function)
    after = _function_of(_interpreted(script, folder, timeout_s), settings.function, function)
    if after == before:
        raise BackendError(
            "the script leaves the function as it is, which the untuned default is measured with",
            hint="does what it matches occur in the function?",
        )
    return after


def _function_of(text: str, chosen: str, name: str) -> str:
    """The program without its script, tiled as it is annotated, its function renamed."""
    module = parse.parse_vetted(text, parse.new_context())
    function = isolate.choose(module, chosen)
    for op in list(module.body.operations):
        if op.operation.name == "transform.named_sequence":
            op.operation.erase()
    del module.operation.attributes["transform.with_named_sequence"]
    with module.context:
        for op in walk.operations(function):
            _tile(op)
        function.attributes["sym_name"] = ir.StringAttr.get(name)
    return str(module.operation.get_asm(use_local_scope=True, large_elements_limit=None))


def _interpreted(text: str, folder: Path | None, timeout_s: float | None) -> str:
    with tempfile.TemporaryDirectory(prefix=".costmodel-script-", dir=folder) as scratch:
        source, result = Path(scratch, "script.mlir"), Path(scratch, "output.mlir")
        source.write_text(text, encoding="utf-8")
        try:
            run_tool(
                binary("iree-opt"),
                [_PASS, "--mlir-print-op-on-diagnostic=false", str(source), "-o", str(result)],
                timeout_s=timeout_s,
                failure="the transform script failed",
            )
        except BackendError as error:
            error.message = error.message.replace(f"{source}:", "")
            raise
        return result.read_text(encoding="utf-8")


def _tile(op: ir.OpView) -> None:
    """Make a ``compilation_info`` of tile sizes that a script has annotated an operation with.

    ``distribution_0 = 64`` is the size of the first loop at the level ``distribution``; what is
    not said is 0. So whole numbers, which a knob can be, say what IREE wants as one attribute.
    """
    sizes = {name: match for name in op.attributes if (match := _SIZE.fullmatch(name))}
    for name in op.attributes:
        stem, _, place = name.rpartition("_")
        meant = get_close_matches(stem, LEVELS, 1, 0.8) if place.isdigit() else []
        if meant and name not in sizes:
            raise BackendError(f"{name} is no tile size: is {meant[0]}_{place} meant?")
    if not sizes:
        return
    if not is_structured(op):
        raise BackendError(f"{op.operation.name} has tile sizes, and no loops to tile")
    count = len(iteration_space(op))
    levels: dict[str, list[int]] = {}
    for name, match in sizes.items():
        value = op.attributes[name]
        if int(match[2]) >= count or not isinstance(value, ir.IntegerAttr) or value.value < 0:
            raise BackendError(
                f"{name} = {value} is no tile size of {op.operation.name}, which has {count} loops"
            )
        levels.setdefault(match[1], [0] * count)[int(match[2])] = value.value
        del op.attributes[name]
    ordered = {name: tuple(levels[name]) for name in LEVELS if name in levels}
    pipeline = PIPELINES[0]
    if "pipeline" in op.attributes:
        pipeline = ir.StringAttr(op.attributes["pipeline"]).value
        del op.attributes["pipeline"]
    info = Tiling(pipeline, ordered).attribute()
    op.attributes["compilation_info"] = ir.Attribute.parse(info)
