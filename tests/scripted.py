"""A backend whose kernels compute the right result and claim the latency of their schedule.

Everything of a run is real but the clock: spaces, worker processes, the check of results, the
store. So a run goes the same way each time, and its outcome is known beforehand.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from costmodel.backends.base import Features, Groups
from costmodel.errors import BackendError
from costmodel.records import Schedule, Target, Workload

WIDTH = 8
DEFAULT_US = 100.0
#: A valley over 60 schedules: the default is on its slope, the best in place 41.
VALLEY = (DEFAULT_US, *(20.0 + 2.0 * abs(place - 41) for place in range(1, 60)))


def kernel_text(rows: int = 16) -> str:
    """MLIR of a matrix product; other ``rows`` make another workload."""
    a, b, c = f"tensor<{rows}x24xf32>", "tensor<24x32xf32>", f"tensor<{rows}x32xf32>"
    return f"""func.func @product(%a: {a}, %b: {b}) -> {c} {{
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : {c}
  %init = linalg.fill ins(%zero : f32) outs(%empty : {c}) -> {c}
  %c = linalg.matmul ins(%a, %b : {a}, {b}) outs(%init : {c}) -> {c}
  return %c : {c}
}}
"""


def flops(rows: int = 16) -> int:
    return 2 * rows * 24 * 32


@dataclass(frozen=True)
class ListedSpace:
    """A search space that is a list, the default first; mutations are neighbours in it."""

    schedules: tuple[Schedule, ...]
    feature_set: str = "scripted-1"

    @property
    def parts(self) -> dict[str, ListedSpace]:
        return {self.schedules[0].backend: self}

    def default(self) -> Schedule:
        return self.schedules[0]

    def guesses(self) -> list[Schedule]:
        return []

    def sample(self, count: int, rng: random.Random) -> list[Schedule]:
        return rng.sample(self.schedules, min(count, len(self.schedules)))

    def mutate(self, schedule: Schedule, rng: random.Random) -> Schedule | None:
        place = self.schedules.index(schedule) + rng.choice((-1, 1))
        return self.schedules[place] if 0 <= place < len(self.schedules) else None

    def accepts(self, schedule: Schedule) -> bool:
        return schedule in self.schedules

    def groups(self, schedule: Schedule) -> Groups:
        return (("product",),)

    def features(self, schedules: Sequence[Schedule]) -> list[Features]:
        """The place in the list, which is all that there is to know, on two scales."""
        rows = []
        for schedule in schedules:
            row = np.zeros((1, WIDTH), dtype=np.float32)
            place = self.schedules.index(schedule)
            row[0, :2] = place, np.log1p(place)
            rows.append(row)
        return rows


@dataclass(frozen=True)
class ScriptedBackend:
    """``latencies_us`` of the schedules of each workload, by the rows of its first input."""

    latencies_us: Mapping[int, tuple[float, ...]]
    name: str = "scripted"
    #: Schedules (places in the list) whose kernel computes something else.
    wrong: frozenset[int] = frozenset()
    #: Schedules that cannot be built.
    broken: frozenset[int] = frozenset()
    toolchain: str = "1"

    @property
    def parts(self) -> tuple[ScriptedBackend, ...]:
        return (self,)

    def versions(self) -> Mapping[str, str]:
        return {"scripted": self.toolchain}

    def space(self, workload: Workload, target: Target) -> ListedSpace:
        count = len(self._latencies(workload))
        return ListedSpace(
            tuple(Schedule(self.name, json.dumps({"place": place})) for place in range(count))
        )

    def _latencies(self, workload: Workload) -> tuple[float, ...]:
        return self.latencies_us[workload.inputs[0].shape[0]]

    def build(self, workload: Workload, schedule: Schedule, target: Target, library: Path) -> None:
        place = json.loads(schedule.text)["place"]
        if place in self.broken:
            raise BackendError("this one breaks the compiler")
        facts = {"latency_us": self._latencies(workload)[place], "wrong": place in self.wrong}
        library.write_text(json.dumps(facts), encoding="utf-8")

    def load(self, library: Path, workload: Workload, target: Target) -> ScriptedKernel:
        return ScriptedKernel(**json.loads(library.read_text(encoding="utf-8")))

    def describe(self, workload: Workload, schedule: Schedule, target: Target) -> str:
        return f"a product, scheduled by {schedule.text}\n"

    def file_names(self, schedule: Schedule) -> Mapping[str, str]:
        return {"library": "kernel.so", "ir": "kernel.txt"}

    def companions(
        self, workload: Workload, schedule: Schedule, target: Target
    ) -> Mapping[str, tuple[str, str]]:
        return {}


@dataclass
class ScriptedKernel:
    latency_us: float
    wrong: bool
    _inputs: list[NDArray[Any]] = field(default_factory=list)
    _results: list[NDArray[Any]] = field(default_factory=list)

    def prepare(self, inputs: Sequence[NDArray[Any]], outputs: Sequence[NDArray[Any]]) -> None:
        self._inputs = [np.array(array) for array in inputs]

    def run(self, number: int) -> float:
        a, b = self._inputs
        self._results = [a @ b + (1.0 if self.wrong else 0.0)]
        return number * self.latency_us * 1e-6

    def results(self) -> list[NDArray[Any]]:
        return self._results


@dataclass
class Listener:
    """Writes down what it is told; ``react`` maps "phase:NAME", "trial:N" or "start" to a call."""

    react: Mapping[str, Callable[[], object]] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)
    results: list[Any] = field(default_factory=list)

    def _hear(self, what: str) -> None:
        self.heard.append(what)
        if what in self.react:
            self.react[what]()

    def on_phase(self, name: str) -> None:
        self._hear(f"phase:{name}")

    def on_start(self, start: Any) -> None:
        self._hear("start")

    def on_trial(self, trial: Any, best_us: float | None) -> None:
        self._hear(f"trial:{trial.index}")

    def on_end(self, result: Any) -> None:
        self.results.append(result)
        self._hear("end")
