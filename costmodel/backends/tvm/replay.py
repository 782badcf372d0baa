"""From a schedule's text back to the scheduled TensorIR; what every process shares.

A schedule is one of three: ``default`` (what the backend does untuned), ``template`` (knobs of
``knobs.py``) or ``trace`` (a MetaSchedule trace). All are JSON, and replay without a search.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import tvm
from tvm import s_tir
from tvm.s_tir.schedule.trace import Trace

from costmodel.backends.tvm.axes import Machine
from costmodel.backends.tvm.knobs import InvalidKnobsError, Knobs, inlined, knobs_of
from costmodel.backends.tvm.lowering import lower
from costmodel.backends.tvm.program import Program
from costmodel.backends.tvm.template import schedule_noting
from costmodel.backends.tvm.texts import check_knobs, parse
from costmodel.errors import UsageError
from costmodel.records import Schedule, Target, Workload

__all__ = ["lowered", "machine_of", "replay", "tvm_target"]

#: Features that hypervisors are known to hide, as both LLVM and the kernel spell them.
_OPTIONAL_FEATURES = ("avx512f", "avx512bw", "avx512vl", "avx512dq", "avx2", "fma", "f16c")


#: The instruction sets that bring dot products, as the kernel spells them.
_DOT_FEATURES = {"bf16": "avx512_bf16", "i8": "avx512_vnni"}


def machine_of(target: Target) -> Machine:
    """What the knobs need to know of a target; 16-byte vectors where it tells no size."""
    dots = {kind for kind, feature in _DOT_FEATURES.items() if feature in target.features}
    return Machine(target.vector_bytes or 16, target.threads, frozenset(dots))


@lru_cache(maxsize=8)
def tvm_target(target: Target) -> tvm.target.Target:
    """LLVM's name of this processor, less what a hypervisor hides of it."""
    cpu = tvm.target.codegen.llvm_get_system_cpu()
    plain = tvm.target.Target({"kind": "llvm", "mcpu": cpu})
    hidden = [
        name
        for name in _OPTIONAL_FEATURES
        if target.features
        and name not in target.features
        and tvm.target.codegen.llvm_cpu_has_features(name, plain)
    ]
    config: dict[str, Any] = {"kind": "llvm", "mcpu": cpu, "num-cores": target.threads}
    if hidden:
        config["mattr"] = [f"-{name}" for name in hidden]
    return tvm.target.Target(config)


@lru_cache(maxsize=32)
def lowered(text: str) -> tuple[tvm.IRModule, Program | None]:
    """The workload's TensorIR module, and its blocks where they are all plain."""
    module = lower(Workload(text, "main", (), ()))
    return module, Program.of(module["main"])


def replay(workload: Workload, schedule: Schedule, target: Target) -> s_tir.Schedule:
    """The scheduled program.

    Raises UsageError for a text that is no schedule, and for one whose decisions do not apply to
    this workload on this target.
    """
    data = parse(schedule.text)
    module, program = lowered(workload.text)
    if data["kind"] == "trace":
        return _trace(module, data["trace"])
    if data["kind"] == "template":
        return _template(program, data["knobs"], machine_of(target))
    return _default(module, program)


def _template(program: Program | None, knobs: Knobs, machine: Machine) -> s_tir.Schedule:
    if program is None:
        raise UsageError("the schedule is a template's, and none applies to this workload")
    options = knobs_of(program, machine)
    check_knobs(knobs, options)
    try:
        return schedule_noting(program, knobs, machine, options)[0]
    except InvalidKnobsError as error:
        raise UsageError(f"the schedule's knobs exclude each other: {error}") from error


def _trace(module: tvm.IRModule, trace: list[Any]) -> s_tir.Schedule:
    sch = s_tir.Schedule(module, debug_mask="none", error_render_level="fast")
    try:
        Trace.apply_json_to_schedule(trace, sch)
    except (RuntimeError, TypeError, ValueError, IndexError, KeyError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        reason = lines[-1][:300] if lines else type(error).__name__
        raise UsageError(f"the schedule's trace does not apply here: {reason}") from error
    return sch


def _default(module: tvm.IRModule, program: Program | None) -> s_tir.Schedule:
    """Untuned: elementwise ops inlined, rows in parallel, the rest left to LLVM."""
    if program is None:
        return s_tir.Schedule(module, debug_mask="none", error_render_level="fast")
    program = inlined(program, {})
    func = tvm.IRModule({"main": program.function()})
    sch = s_tir.Schedule(func, debug_mask="none", error_render_level="fast")
    for block in program.blocks:
        loops = sch.get_loops(sch.get_sblock(block.name, "main"))
        rows = loops[: len(block.spatial)]
        if not block.reductions:
            rows = rows[:-1]
        if rows and prod(it.extent for it in block.iters) > 4096:
            sch.parallel(sch.fuse(*rows) if len(rows) > 1 else rows[0])
    return sch
