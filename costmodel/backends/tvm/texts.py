"""Schedules as JSON text: written, and read without trust.

Texts come from stores that others share, so nothing of one reaches TVM before it has been looked
at: TVM does not check a trace that it replays, and a damaged one may end the process. A forged one
could bring code of its own: an annotation of a loop can carry LLVM IR, which is linked into the
library. So traces are made of the instructions and annotations that the rules use, and no others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from costmodel.backends.tvm.knobs import Knobs, Option
from costmodel.errors import UsageError

__all__ = ["check_knobs", "default_text", "parse", "plain", "template_text", "trace_text"]

#: What each kind of schedule holds besides its kind: a field and its type in JSON.
_FIELDS: Mapping[str, Mapping[str, type]] = {
    "default": {},
    "template": {"knobs": dict},
    "trace": {"trace": list},
}

#: What MetaSchedule's rules and postprocessors for CPUs are made of.
_INSTRUCTIONS = frozenset({
    "AddUnitLoop", "Annotate", "CacheRead", "CacheWrite", "ComputeAt", "ComputeInline",
    "DecomposeReduction", "EnterPostproc", "Fuse", "GetChildBlocks", "GetConsumers", "GetLoops",
    "GetOutputBlocks", "GetProducers", "GetSBlock", "Parallel", "RFactor", "Reorder",
    "ReverseComputeAt", "ReverseComputeInline", "SampleCategorical", "SampleComputeLocation",
    "SamplePerfectTile", "Split", "Unannotate", "Unroll", "Vectorize",
})  # fmt: skip
_ANNOTATING = ("Annotate", "Unannotate")
_ANNOTATIONS = frozenset({
    "meta_schedule.parallel", "meta_schedule.random_compute_producer",
    "meta_schedule.tiling_structure", "meta_schedule.unroll_explicit",
    "meta_schedule.unroll_implicit", "meta_schedule.vectorize", "pragma_auto_unroll_max_step",
    "pragma_unroll_explicit",
})  # fmt: skip


def default_text() -> str:
    """The untuned default."""
    return json.dumps({"kind": "default"})


def template_text(knobs: Knobs) -> str:
    """A template's knobs, sorted, so that equal knobs make equal texts."""
    return json.dumps({"kind": "template", "knobs": dict(sorted(knobs.items()))})


def trace_text(trace: Any) -> str:
    """A MetaSchedule trace, as JSON values: instructions and decisions."""
    return json.dumps({"kind": "trace", "trace": trace}, separators=(",", ":"))


def plain(value: Any) -> Any:
    """FFI containers as plain JSON values."""
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if hasattr(value, "items"):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "__iter__"):
        return [plain(item) for item in value]
    return value.value  # IntImm and FloatImm


def parse(text: str) -> dict[str, Any]:
    """The object that a schedule's text holds, with its ``kind`` and that kind's field.

    Raises UsageError for what is not JSON, has no known kind or lacks what that kind needs.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _refused(f"is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise _refused("is not a JSON object")
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise _refused(f"is of kind {kind!r}; known are {', '.join(_FIELDS)}")
    for name, expected in _FIELDS[kind].items():
        if not isinstance(data.get(name), expected):
            raise _refused(f"is of kind {kind!r} and has no valid {name!r}")
    if kind == "trace":
        # To look for nulls takes as long as all else, and nearly no text has the word.
        _check_trace(data["trace"], nulls="null" in text)
    return data


def check_knobs(knobs: Mapping[str, Any], options: Mapping[str, tuple[Option, ...]]) -> None:
    """Raise UsageError for a knob that is not among ``options``, or has no such option."""
    for name, value in knobs.items():
        if name not in options:
            raise _refused(f"has a knob {name!r}, which this workload does not")
        # By type too: True equals 1, and 1.0 does.
        if type(value) not in (int, str) or value not in options[name]:
            listed = ", ".join(map(str, options[name]))
            raise _refused(f"sets {name!r} to {value!r}; there is {listed}")


def _check_trace(trace: list[Any], *, nulls: bool) -> None:
    if len(trace) != 2 or not all(isinstance(part, list) for part in trace):
        raise _refused("has a trace that is not a list of instructions and one of decisions")
    instructions, decisions = trace
    for instruction in instructions:
        if not _is_instruction(instruction) or (nulls and _lacks_an_argument(instruction)):
            raise _refused(f"has a trace with the instruction {str(instruction)[:80]}")
    for decision in decisions:
        if not _is_decision(decision, instructions):
            raise _refused(f"has a trace with the decision {str(decision)[:80]}")


def _is_instruction(value: Any) -> bool:
    """Name, inputs, attributes, outputs; by exact type, as JSON has them."""
    return (
        type(value) is list
        and len(value) == 4
        and type(value[0]) is str
        and type(value[1]) is type(value[2]) is type(value[3]) is list
        and _is_of_the_rules(value[0], value[2])
    )


def _lacks_an_argument(instruction: list[Any]) -> bool:
    """Whether there is a null that is not the one factor of a split that is left open."""
    name, inputs, attributes, _ = instruction
    return _has_null(inputs[:1] if name == "Split" else inputs) or _has_null(attributes)


def _is_of_the_rules(name: str, attributes: list[Any]) -> bool:
    """Whether the rules use the instruction, and the key if it is an annotation's."""
    if name in _ANNOTATING:
        return len(attributes) == 1 and str(attributes[0]) in _ANNOTATIONS
    return name in _INSTRUCTIONS


def _is_decision(value: Any, instructions: list[Any]) -> bool:
    """The place of the instruction that it belongs to, and the value.

    TVM writes a decision to its place without looking whether there is one, and divides by the
    factors of a tile.
    """
    plain = isinstance(value, list) and len(value) == 2 and type(value[0]) is int
    if not plain or not 0 <= value[0] < len(instructions) or _has_null(value[1]):
        return False
    if instructions[value[0]][0] != "SamplePerfectTile":
        return True
    factors = value[1] if isinstance(value[1], list) else [None]
    return all(type(factor) is int and factor > 0 for factor in factors)


def _has_null(value: Any) -> bool:
    """TVM reads these values through pointers that it does not check for null."""
    return value is None or (isinstance(value, list) and any(map(_has_null, value)))


def _refused(what: str) -> UsageError:
    return UsageError(
        f"the schedule {what}",
        hint="take schedules from this version's space of the same workload and target",
    )
