"""The process that asks the trained model: a line of JSON in, with a question, one out.

It reads the kernels of whoever wrote into the store: what kills it or takes too long costs a note
on a page (``costmodel.dashboard.predicted``), never the dashboard.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from costmodel.errors import CostModelError
from costmodel.records import Schedule, Target, Workload

if TYPE_CHECKING:
    from costmodel.models.transformer.model import Transformer

__all__ = ["answer", "main"]

Band = tuple[float, float, float]

_NO_MODEL = (
    "no trained model is in use here ($COSTMODEL_WEIGHTS switches it off, or the package brings "
    "none): name one with --weights"
)


def answer(question: Mapping[str, Any], weights: Path | None) -> dict[str, Any]:
    """``bands``: low, median, high (logarithms of us) or null a schedule; ``note``: what to know.

    The bounds span 90%. Without bands the note says why.
    """
    from costmodel.models.shipped import choose
    from costmodel.store.codec import target_from_json, workload_from_json

    try:
        workload = workload_from_json(question["workload"]["hash"], question["workload"])
        target = target_from_json(*question["target"])
        schedules = [Schedule(*each) for each in question["schedules"]]
        trained = choose(workload, target, {one.backend for one in schedules}, weights)
    except CostModelError as error:
        return {"bands": None, "note": error.message}
    if trained.model is None:
        return {"bands": None, "note": trained.reason or _NO_MODEL}
    bands = _bands(trained.model, workload, target, schedules)
    return {"bands": bands, "note": trained.reason}


def _bands(
    model: Transformer, workload: Workload, target: Target, schedules: Sequence[Schedule]
) -> list[Band | None]:
    """Of all together; where one is no schedule at all, of each by itself."""
    try:
        found = model.estimates(workload, target, schedules)
    except Exception:  # a stranger's text may break whatever reads it
        if len(schedules) == 1:
            return [None]
        return [band for one in schedules for band in _bands(model, workload, target, [one])]
    columns = (found.low.tolist(), found.log_us.tolist(), found.high.tolist())
    return list(zip(*columns, strict=True))


def main(weights: str, memory: str) -> None:
    """Answer lines until standard input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    replies = os.fdopen(os.dup(1), "wb")  # what compilers print must not be among the answers
    os.dup2(2, 1)
    os.environ["OMP_NUM_THREADS"] = "1"
    for line in sys.stdin.buffer:
        found = json.dumps(answer(json.loads(line), Path(weights) if weights else None))
        replies.write(found.encode() + b"\n")
        replies.flush()
