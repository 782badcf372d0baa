"""What a schedule's text looks like, by backend: known without any compiler, and of any version.

Whether a schedule that looks right is one of a workload's is its space's to say.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from costmodel.errors import UsageError
from costmodel.records import Schedule

__all__ = ["check_shape"]


def check_shape(schedule: Schedule) -> None:
    """Raise UsageError for a text that no version of the schedule's backend writes.

    Of a backend that is not among ours nothing is known, and nothing refused.
    """
    kinds = _KINDS.get(schedule.backend)
    if kinds is None:
        return
    try:
        data = json.loads(schedule.text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"this is no JSON: {error}") from error
    kind = data.get("kind") if isinstance(data, dict) else None
    if not isinstance(kind, str) or kind not in kinds:
        raise UsageError(
            f"this is no schedule of the backend {schedule.backend!r}",
            hint=f'it is a JSON object whose "kind" is one of: {", ".join(kinds)}',
        )
    for name, is_right in kinds[kind].items():
        if not is_right(data.get(name)):
            raise UsageError(
                f"this schedule of the backend {schedule.backend!r} is of kind {kind!r} and has "
                f"no valid {name!r}",
                hint="take schedules from rank, tune or a store",
            )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return type(value) is int


def _are_choices(value: Any) -> bool:
    """Whole numbers or texts by name."""
    return isinstance(value, dict) and all(type(one) in (int, str) for one in value.values())


def _are_flags(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_number, value))


def _are_tilings(value: Any) -> bool:
    """By operation or matcher."""
    return isinstance(value, dict) and all(map(_is_tiling, value.values()))


def _is_tiling(value: Any) -> bool:
    """A pipeline, and a list of sizes for each level."""
    return isinstance(value, dict) and all(
        _is_text(part) if name == "pipeline" else _are_numbers(part) for name, part in value.items()
    )


def _or_none(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or is_right(value)


def _is_trace(value: Any) -> bool:
    """Instructions, of four parts each, and decisions, which are an instruction's place each."""
    if not isinstance(value, list) or [type(part) for part in value] != [list, list]:
        return False
    instructions, decisions = value
    return all(
        isinstance(one, list) and len(one) == 4 and _is_text(one[0]) for one in instructions
    ) and all(isinstance(one, list) and len(one) == 2 and _is_number(one[0]) for one in decisions)


#: By backend, by kind: its fields, and what they hold.
_KINDS: Mapping[str, Mapping[str, Mapping[str, Callable[[Any], bool]]]] = {
    "tvm": {
        "default": {},
        "template": {"knobs": _are_choices},
        "trace": {"trace": _is_trace},
    },
    "iree": {
        "default": {},
        "iree": {
            "flags": _are_flags,
            "roots": _are_tilings,
            # Which the first versions did not have.
            "matched": _or_none(_are_tilings),
            "cuts": _or_none(_are_numbers),
        },
        "script": {"script": _is_text, "function": _is_text, "knobs": _are_choices},
    },
}
