"""Predict and rank: answers from the cost model and the store, without a measurement."""

from __future__ import annotations

import json
import math
import os
import random
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from costmodel.models.roofline import bound_us, predict_workload
from costmodel.records import Prediction, Schedule
from costmodel.results import PredictResult, RankedSchedule, RankResult, Untuned
from costmodel.session import Session, open_session, store_path
from costmodel.store import open_store
from costmodel.tally import Tally

if TYPE_CHECKING:
    from costmodel.models.transformer.inference import Estimates

__all__ = ["draw", "expect", "in_order", "predict", "rank"]

#: Times that schedules which came twice are replaced; a small space has no more of them.
_DRAWS = 4
_AS_IT_STANDS = "loops as they stand are not tuned: the roofline says what the machine allows"
_UNTOLD = "the trained model has not learned what tuning finds: the roofline says it in its place"


def predict(
    source: str | os.PathLike[str],
    *,
    function: str | None = None,
    target: str = "cpu",
    backend: str = "auto",
    threads: int | None = None,
    store: str | os.PathLike[str] | None = None,
    weights: str | os.PathLike[str] | None = None,
) -> PredictResult:
    """What a kernel is expected to cost, untuned and once it is tuned; nothing is run.

    The trained model predicts both, that of the package or of the folder ``weights``. Where it does
    not know the target, the tuned latency follows from the kernel's operations and bytes and from
    the machine's rates, as ``tune`` or ``doctor`` measured them; before that they are assumed, and
    the interval is wider. ``source`` is a path or MLIR text. ``store`` (a path) may know a measured
    latency already, which is given beside the prediction and does not change it. Raises InputError
    for input that cannot be used.
    """
    session = open_session(
        source, function=function, target=target, backend=backend, threads=threads,
        tunable=False, measure=False, weights=weights,
    )  # fmt: skip
    with open_store(store_path(store), read_only=True) as opened:
        return expect(session, session.stored(opened).best_us)


def rank(
    source: str | os.PathLike[str],
    *,
    n: int = 256,
    seed: int = 0,
    function: str | None = None,
    target: str = "cpu",
    backend: str = "auto",
    threads: int | None = None,
    store: str | os.PathLike[str] | None = None,
    weights: str | os.PathLike[str] | None = None,
) -> RankResult:
    """Up to ``n`` schedules of a kernel, the fastest first; nothing is measured.

    The untuned default is among them, then what an expert would try, then random ones. The
    trained model ranks, that of the package or of the folder ``weights``, corrected by what
    ``store`` (a path) knows of this kernel; where it does not know the target, XGBoost does,
    started from what the store knows of other kernels. A schedule that was measured has its place
    by that. Raises InputError for input that cannot be used.
    """
    started = time.monotonic()
    session = open_session(
        source, function=function, target=target, backend=backend, threads=threads, measure=False,
        weights=weights,
    )  # fmt: skip
    with open_store(store_path(store), read_only=True) as opened:
        tally = session.tally(opened)
        model = session.model(opened, seed, own=tally)
    schedules = draw(session, n, seed)
    features = session.space.features(schedules)
    queries = [session.query(*pair) for pair in zip(schedules, features, strict=True)]
    return RankResult(
        workload=session.workload.hash,
        function=session.workload.function,
        target=session.target_name,
        backend=backend,
        model=model.name,
        notes=(session.trained.reason,) if session.trained.reason else (),
        schedules=_ranked(schedules, model.predict(queries), tally),
        seconds=time.monotonic() - started,
    )


def expect(session: Session, measured_us: float | None) -> PredictResult:
    """As ``predict``, of a session; ``measured_us`` is the best that is known."""
    prediction = predict_workload(session.analysis, session.target)
    (low, high), model, latency_us = prediction.interval(), "roofline", prediction.latency_us
    untuned, found, note = _trained(session)
    if found is not None:
        model = "transformer"
        low, latency_us, high = (
            math.exp(each[1]) for each in (found.low, found.log_us, found.high)
        )
    return PredictResult(
        workload=session.workload.hash,
        function=session.workload.function,
        target=session.target_name,
        backend=session.backend.name,
        model=model,
        latency_us=latency_us,
        low_us=low,
        high_us=high,
        roofline_us=bound_us(session.analysis, session.target),
        flops=session.analysis.flops,
        bytes=session.analysis.bytes,
        intensity=session.analysis.intensity,
        measured_us=measured_us,
        untuned=untuned,
        notes=(note,) if note else (),
    )


def _trained(session: Session) -> tuple[Untuned | None, Estimates | None, str]:
    """What the trained model says of the compiler's default and of tuning, or why it does not.

    Of loops on memrefs, which TVM makes as they stand and nobody tunes, the first alone.
    """
    from costmodel.models.shipped import choose

    trained = choose(session.workload, session.target, set(), session.weights)
    if trained.model is None:
        return None, None, trained.reason
    tunable = bool(session.workload.outputs)
    compiler = "iree" if tunable else "tvm"
    found = trained.model.wholes(session.workload, session.target, compiler)
    untuned = Untuned(
        compiler=compiler,
        latency_us=math.exp(found.log_us[0]),
        low_us=math.exp(found.low[0]),
        high_us=math.exp(found.high[0]),
        vector_registers=int(found.registers[0]),
        spills=float(found.spills[0]),
        instructions=float(found.instructions[0]),
        code_bytes=float(found.code_bytes[0]),
        vector_share=float(found.vector_share[0]),
        utilization=float(found.utilization[0]),
    )
    if tunable and trained.model.tells_tuned:
        return untuned, found, trained.reason
    note = _UNTOLD if tunable else _AS_IT_STANDS
    return untuned, None, "; ".join(filter(None, (trained.reason, note)))


def draw(session: Session, count: int, seed: int) -> list[Schedule]:
    """The default, the guesses and random samples; each once."""
    space, rng = session.space, random.Random(seed)
    found = {one.hash: one for one in [space.default(), *space.guesses()][:count]}
    for _ in range(_DRAWS):
        for one in space.sample(count - len(found), rng):
            found.setdefault(one.hash, one)
        if len(found) == count:
            break
    return list(found.values())


def in_order(
    schedules: Sequence[Schedule], predictions: Sequence[Prediction], tally: Tally
) -> list[int]:
    """Places of schedules, the fastest first: as it was measured, else as it is predicted."""

    def expected(place: int) -> tuple[float, str]:
        measured_us = tally.latency_us(schedules[place])
        known = math.isfinite(measured_us)
        return measured_us if known else predictions[place].latency_us, schedules[place].hash

    return sorted(range(len(schedules)), key=expected)


def _ranked(
    schedules: Sequence[Schedule], predictions: Sequence[Prediction], tally: Tally
) -> tuple[RankedSchedule, ...]:
    ranked = []
    for rank, place in enumerate(in_order(schedules, predictions, tally), start=1):
        schedule, prediction = schedules[place], predictions[place]
        low, high = prediction.interval()
        measured = tally.latency_us(schedule)
        ranked.append(
            RankedSchedule(
                rank=rank,
                backend=schedule.backend,
                schedule_hash=schedule.hash,
                predicted_us=prediction.latency_us,
                low_us=low,
                high_us=high,
                measured_us=measured if math.isfinite(measured) else None,
                schedule=json.loads(schedule.text),
            )
        )
    return tuple(ranked)
