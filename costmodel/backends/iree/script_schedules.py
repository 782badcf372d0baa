"""Schedules that are a transform script with its decisions, as JSON.

``{"kind": "script", "script": TEXT, "function": NAME, "knobs": {NAME: VALUE}}`` holds the user's
whole file in a normal form, so that it can be replayed without the file. ``knobs`` has the
decisions that count and no others: a whole number, or an MLIR attribute as text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from costmodel.backends.iree.schedules import NAME
from costmodel.errors import UsageError
from costmodel.records import Schedule

__all__ = ["ScriptSettings", "is_script", "parse_script", "value_of"]

_FIELDS = {"kind", "script", "function", "knobs"}
_WHOLE = re.compile(r"(-?\d+) : i64")


@dataclass(frozen=True)
class ScriptSettings:
    """A script, the function that it runs on, and its decisions as MLIR attributes."""

    script: str
    function: str
    choices: Mapping[str, str]

    def schedule(self) -> Schedule:
        """Equal settings make equal texts."""
        data = {
            "kind": "script",
            "script": self.script,
            "function": self.function,
            "knobs": {name: value_of(text) for name, text in sorted(self.choices.items())},
        }
        return Schedule(NAME, json.dumps(data))


def is_script(schedule: Schedule) -> bool:
    """Whether a schedule says that it is a script; no more of it is read."""
    if '"script"' not in schedule.text and "\\u" not in schedule.text:
        return False  # as nearly all: to read JSON twice would take as long as all else
    try:
        data = json.loads(schedule.text)
    except (ValueError, RecursionError):
        return False
    return schedule.backend == NAME and isinstance(data, dict) and data.get("kind") == "script"


def parse_script(schedule: Schedule) -> ScriptSettings:
    """Read a schedule without trust: stores are shared.

    Raises UsageError for what is no schedule of a script. Whether the script can be read, and
    has these knobs, is seen when it is run.
    """
    data = json.loads(schedule.text) if is_script(schedule) else {}
    if set(data) != _FIELDS or not isinstance(data["knobs"], dict):
        raise UsageError("the schedule is no script with function and knobs")
    if not all(isinstance(data[name], str) for name in ("script", "function")):
        raise UsageError("the schedule's script and function are no text")
    if not all(type(value) in (int, str) for value in data["knobs"].values()):
        raise UsageError("the schedule has a knob whose value is neither a number nor text")
    choices = {
        name: f"{value} : i64" if isinstance(value, int) else value
        for name, value in data["knobs"].items()
    }
    return ScriptSettings(data["script"], data["function"], choices)


def value_of(attribute: str) -> int | str:
    """How a schedule writes an MLIR attribute: whole numbers of 64 bits as such."""
    whole = _WHOLE.fullmatch(attribute)
    return attribute if whole is None else int(whole[1])
