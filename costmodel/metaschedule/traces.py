"""MetaSchedule's traces as our schedules, and back without trust."""

from __future__ import annotations

from typing import Any

from tvm import s_tir
from tvm.s_tir.schedule.trace import Trace

from costmodel.backends.tvm.texts import parse, plain, trace_text
from costmodel.errors import UsageError
from costmodel.records import Schedule

__all__ = ["is_trace", "schedule_of", "scheduled"]


def schedule_of(trace: Any, backend: str) -> Schedule:
    """A trace as a schedule of ``backend``."""
    return Schedule(backend, trace_text(plain(trace.as_json())))


def is_trace(schedule: Schedule) -> bool:
    """Whether the schedule is a trace. Raises UsageError for a text that is no schedule."""
    return bool(parse(schedule.text)["kind"] == "trace")


def scheduled(schedule: Schedule, module: Any) -> Any:
    """The module under a schedule that is a trace; TVM's ``Schedule``.

    Raises UsageError for what is no trace, or does not apply to this module.
    """
    data = parse(schedule.text)
    if data["kind"] != "trace":
        raise UsageError(f"the schedule is a {data['kind']}'s and no trace")
    sch = s_tir.Schedule(module, debug_mask="none", error_render_level="fast")
    try:
        Trace.apply_json_to_schedule(data["trace"], sch)
    except (RuntimeError, TypeError, ValueError, IndexError, KeyError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        reason = lines[-1][:300] if lines else type(error).__name__
        raise UsageError(f"the trace does not apply to this program: {reason}") from error
    return sch
