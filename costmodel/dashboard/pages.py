"""The pages: each asks the store anew and gives plain values to its template."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from cachetools import LRUCache

from costmodel.dashboard.comparing import baseline, compare, steps
from costmodel.dashboard.predicted import MOST, Model, Predicted
from costmodel.dashboard.reading import Pair, Reader, Subject, TargetRow, WorkloadRow, reading
from costmodel.dashboard.runs import GAP_S, Run, find_runs
from costmodel.errors import UsageError

if TYPE_CHECKING:
    from costmodel.records import Measurement

__all__ = ["Board", "Page", "Plot", "View"]

_T = TypeVar("_T")
_Query = Mapping[str, str]

#: Rows of the tables: workloads on targets, runs, schedules (and in their plot), errors of a kind.
_PAIRS, _RUNS, _SCHEDULES, _DRAWN, _ERRORS = 50, 100, 50, 20, 5
#: The most measurements of a workload on a target that are read for a page, the newest ones.
_MEASUREMENTS = 10_000
_PLOTS = 64
#: What is kept of the best of a workload on a target, and of all its measurements.
_BESTS, _SUBJECTS = 5000, 8


@dataclass(frozen=True)
class Page:
    """A template with its values; looked at again by itself after ``again_s`` seconds."""

    template: str
    values: Mapping[str, Any]
    again_s: int | None = None


@dataclass(frozen=True)
class Plot:
    """A picture as SVG."""

    svg: bytes


@dataclass(frozen=True)
class View:
    """A workload on a target with all that was measured of them."""

    workload: WorkloadRow
    targets: Mapping[str, TargetRow]
    pairs: list[Pair]
    target: str | None
    subject: Subject
    state: object
    best: tuple[float, Measurement] | None

    @property
    def of(self) -> dict[str, str]:
        """What names it in an address."""
        return {"workload": self.workload.hash, "target": self.target or ""}


class Memory:
    """What was worked out and still holds, since the store has not changed in what it is about."""

    def __init__(self, size: int) -> None:
        self._kept: LRUCache[object, tuple[object, Any]] = LRUCache(size)
        self._lock = threading.Lock()

    def recall(self, key: object, state: object, make: Callable[[], _T]) -> _T:
        """What ``make`` gave for ``key`` in this ``state``, or gives now."""
        with self._lock:
            found = self._kept.get(key)
        if found is not None and found[0] == state:
            value: _T = found[1]
            return value
        value = make()
        with self._lock:
            self._kept[key] = (state, value)
        return value


class Board:
    """Answers for one store; belongs to one event loop."""

    def __init__(self, path: Path, model: Model, *, patience_s: float) -> None:
        """A page waits ``patience_s`` seconds for the trained model, then is looked at again."""
        self.path = path
        self._model, self._patience_s = model, patience_s
        self._plots: LRUCache[object, bytes] = LRUCache(_PLOTS)
        self._small, self._large = Memory(_BESTS), Memory(_SUBJECTS)

    async def overview(self, query: _Query) -> Page:
        """Counts, the best of each workload on each target, and the latest run's picture."""
        return Page(
            "board_overview.html", await self._read(lambda r: _overview(r, self._small, query))
        )

    async def runs(self, query: _Query) -> Page:
        """What was measured together, the newest first."""
        return Page("board_runs.html", await self._read(lambda r: _runs(r, self._small, query)))

    async def failures(self, query: _Query) -> Page:
        """Failures by kind, with the newest errors."""
        return Page("board_failures.html", await self._read(lambda r: _failures(r, query)))

    async def targets(self, query: _Query) -> Page:
        """The devices, and what is known of them."""
        values = await self._read(lambda r: {"targets": list(r.targets().values())})
        return Page("board_targets.html", values)

    async def workload(self, query: _Query) -> Page:
        """A workload's schedules compared, and its best latency over time."""
        view = await self._view(query)
        compared = await asyncio.to_thread(compare, view.subject.measurements)
        counted = [one for one in compared if one.median_us is not None]
        base = baseline(compared)
        shown = compared if "all" in query else compared[:_SCHEDULES]
        values = {
            "view": view, "compared": shown, "all": len(compared), "counted": len(counted),
            "drawn": min(_DRAWN, len(counted)), "baseline": base,
            "backends": len({one.schedule.backend for one in counted}),
        }  # fmt: skip
        return Page("board_workload.html", values)

    async def predicted(self, query: _Query) -> Page:
        """Predicted against measured."""
        view = await self._view(query)
        found, why = await self._predicted(view)
        values = {"view": view, "predicted": found, "why": why, "most": MOST}
        waits = found is None and not why
        return Page("board_predicted.html", values, again_s=2 if waits else None)

    async def _predicted(self, view: View) -> tuple[Predicted | None, str]:
        """What the model says, or why it cannot be asked; neither while it is being asked."""
        target = view.targets.get(view.target or "")
        if view.workload.workload is None or target is None or target.target is None:
            return None, "the workload or the target cannot be read: `costmodel cache verify`"
        compared = await asyncio.to_thread(compare, view.subject.measurements)
        found = await self._model.ask(
            view.state, view.workload.workload, target.target, compared,
            patience_s=self._patience_s,
        )  # fmt: skip
        return found, ""

    async def plot_best(self, query: _Query) -> Plot:
        """Best latency over time."""
        view = await self._view(query)

        def draw() -> bytes:
            from costmodel.dashboard.figures import best_over_time

            base = baseline(compare(view.subject.measurements))
            return best_over_time(
                steps(view.subject.measurements), base.median_us if base else None
            )

        return await self._plot(("best", view.of.items(), view.state), draw)

    async def plot_schedules(self, query: _Query) -> Plot:
        """The fastest schedules."""
        view = await self._view(query)

        def draw() -> bytes:
            from costmodel.dashboard.figures import schedules

            compared = compare(view.subject.measurements)
            fastest = [one for one in compared if one.median_us is not None][:_DRAWN]
            base = baseline(compared)
            return schedules(fastest, base.median_us if base else None)

        return await self._plot(("schedules", view.of.items(), view.state), draw)

    async def plot_predicted(self, query: _Query) -> Plot:
        """Predicted against measured."""
        view = await self._view(query)
        found, why = await self._predicted(view)
        if found is None or not found.points:
            raise UsageError(why or "the trained model has not answered yet")

        def draw() -> bytes:
            from costmodel.dashboard.figures import predicted_measured

            return predicted_measured(found)

        return await self._plot(("predicted", found), draw)

    async def plot_failures(self, query: _Query) -> Plot:
        """Failures by kind."""
        kinds = await self._read(lambda r: r.failure_kinds(query.get("workload")))
        if not kinds:
            raise UsageError("nothing has failed")

        def draw() -> bytes:
            from costmodel.dashboard.figures import failures

            return failures(kinds)

        return await self._plot(("failures", str(kinds)), draw)

    async def _plot(self, key: tuple[object, ...], draw: Callable[[], bytes]) -> Plot:
        """The picture, drawn once for each state of what it shows."""
        named = str(key)
        if named not in self._plots:
            self._plots[named] = await asyncio.to_thread(draw)
        return Plot(self._plots[named])

    async def _view(self, query: _Query) -> View:
        return await self._read(lambda reader: _view(reader, self._large, query))

    async def _read(self, ask: Callable[[Reader], _T]) -> _T:
        def read() -> _T:
            with reading(self.path) as reader:
                return ask(reader)

        return await asyncio.to_thread(read)

    def close(self) -> None:
        """End what was started for the pages."""
        self._model.close()


def _overview(reader: Reader, memory: Memory, query: _Query) -> dict[str, Any]:
    stats, pairs = reader.stats(), reader.count_pairs()
    page = min(_number(query, "page", 1), max(1, -(-pairs // _PAIRS)))
    rows = []
    for pair in reader.pairs(limit=_PAIRS, offset=(page - 1) * _PAIRS):
        found = _best(reader, memory, pair)
        rows.append({"pair": pair, "best_us": found and found[0],
                     "backend": found and found[1].schedule.backend})  # fmt: skip
    runs = _all_runs(reader, memory, None)
    failed = stats["measurements"] - stats["by_outcome"].get("ok", 0)
    return {
        "stats": stats, "rows": rows, "workloads": reader.workloads(), "targets": reader.targets(),
        "runs": runs[:5], "run_count": len(runs), "failed": failed, "page": page,
        "pages": -(-pairs // _PAIRS), "gap": GAP_S,
        "latest": rows[0]["pair"] if rows and page == 1 else None,
    }  # fmt: skip


def _best(reader: Reader, memory: Memory, pair: Pair) -> tuple[float, Measurement] | None:
    return memory.recall(
        (pair.workload, pair.target),
        (pair.measurements, pair.last),
        lambda: reader.best(pair.workload, pair.target),
    )


def _all_runs(reader: Reader, memory: Memory, workload: str | None) -> list[Run]:
    return memory.recall(
        ("runs", workload), reader.extent(), lambda: find_runs(reader.parts(workload, GAP_S))
    )


def _runs(reader: Reader, memory: Memory, query: _Query) -> dict[str, Any]:
    workload = query.get("workload")
    runs = _all_runs(reader, memory, workload)
    pages = max(1, -(-len(runs) // _RUNS))
    page = min(_number(query, "page", 1), pages)
    return {
        "runs": runs[(page - 1) * _RUNS : page * _RUNS], "run_count": len(runs), "page": page,
        "pages": pages, "workloads": reader.workloads(), "targets": reader.targets(),
        "gap": GAP_S, "workload": workload,
        "more": urlencode({"workload": workload}) if workload else "",
    }  # fmt: skip


def _failures(reader: Reader, query: _Query) -> dict[str, Any]:
    workload = query.get("workload")
    kinds, pairs = reader.failure_kinds(workload), reader.pairs(workload=workload, limit=-1)
    return {
        "kinds": [
            {"kind": kind, "newest": reader.failures(kind.outcome, workload, limit=_ERRORS)}
            for kind in kinds
        ],
        "failed": sum(kind.count for kind in kinds),
        "most": _ERRORS,
        "measurements": sum(pair.measurements for pair in pairs),
        "workloads": reader.workloads(), "targets": reader.targets(), "workload": workload,
        "plot": f"/plot/failures.svg?{urlencode({'workload': workload} if workload else {})}",
    }  # fmt: skip


def _view(reader: Reader, memory: Memory, query: _Query) -> View:
    """Raises UsageError for a workload or target that the store does not have."""
    hash = query.get("workload", "")
    row = reader.workload(hash)
    if row is None:
        raise UsageError(
            f"the store has no workload {hash[:64]!r}", hint="the overview lists those that it has"
        )
    pairs = sorted(
        reader.pairs(workload=hash, limit=-1), key=lambda pair: (-pair.measurements, pair.target)
    )
    target = query.get("target") or (pairs[0].target if pairs else None)
    if target is not None and target not in {pair.target for pair in pairs}:
        raise UsageError(
            f"this workload was not measured on a target {target[:64]!r}",
            hint="its own page lists the targets",
        )
    targets = reader.targets()
    if target is None:
        return View(row, targets, pairs, None, Subject((), 0, 0), None, None)
    state = reader.state(hash, target)
    subject, best = memory.recall(
        (hash, target), state,
        lambda: (reader.subject(hash, target, limit=_MEASUREMENTS), reader.best(hash, target)),
    )  # fmt: skip
    return View(row, targets, pairs, target, subject, state, best)


def _number(query: _Query, name: str, least: int) -> int:
    text = query.get(name, "")
    return max(least, int(text)) if text.isascii() and text.isdigit() and len(text) < 9 else least
