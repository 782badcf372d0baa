"""From a schedule's text back to the scheduled TensorIR; what every process shares.

A schedule is one of three: ``default`` (what the backend does untuned), ``template`` (knobs of
``knobs.py``) or ``trace`` (a MetaSchedule trace). All are JSON, and replay without a search.
"""

from __future__ import annotations

import json
from functools import lru_cache
from math import prod
from typing import Any

import tvm
from tvm import s_tir
from tvm.s_tir.schedule.trace import Trace

from costmodel.backends.tvm.knobs import Knobs, Machine, inlined
from costmodel.backends.tvm.lowering import lower
from costmodel.backends.tvm.program import Program
from costmodel.backends.tvm.template import schedule as apply_template
from costmodel.records import Schedule, Target, Workload

__all__ = ["default_text", "machine_of", "replay", "template_text", "trace_text", "tvm_target"]


#: Features that hypervisors are known to hide, as both LLVM and the kernel spell them.
_OPTIONAL_FEATURES = ("avx512f", "avx512bw", "avx512vl", "avx512dq", "avx2", "fma", "f16c")


def machine_of(target: Target) -> Machine:
    return Machine(target.vector_bytes or 16, target.threads)


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


def default_text() -> str:
    return json.dumps({"kind": "default"})


def template_text(knobs: Knobs) -> str:
    return json.dumps({"kind": "template", "knobs": dict(sorted(knobs.items()))})


def trace_text(trace: Any) -> str:
    return json.dumps({"kind": "trace", "trace": trace}, separators=(",", ":"))


def replay(workload: Workload, schedule: Schedule, target: Target) -> s_tir.Schedule:
    """The scheduled program.

    Raises ValueError for a text of no known kind, InvalidKnobsError or TVM's ScheduleError for
    decisions that do not apply to this workload.
    """
    module, program = lowered(workload.text)
    data = json.loads(schedule.text)
    kind = data.get("kind")
    if kind == "template" and program is not None:
        return apply_template(program, data["knobs"], machine_of(target))
    if kind == "trace":
        sch = s_tir.Schedule(module, debug_mask="none", error_render_level="fast")
        Trace.apply_json_to_schedule(data["trace"], sch)
        return sch
    if kind == "default":
        return _default(module, program)
    raise ValueError(f"a schedule of kind {kind!r} cannot be replayed here")


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
