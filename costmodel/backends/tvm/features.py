"""Per-store features of scheduled programs, as MetaSchedule extracts them.

One row for each store to a buffer: arithmetic, loop annotations, bytes touched and reused at each
loop, and the arithmetic-intensity curve (Zheng et al., "Ansor", OSDI 2020, appendix B).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import tvm
from tvm import s_tir

from costmodel.backends.base import Features
from costmodel.backends.tvm.versions import versions
from costmodel.records import Environment, Target

__all__ = ["FeatureExtractor", "feature_set"]

_LAYOUT = "metaschedule-per-store-1"


def feature_set(target: Target, toolchain: str | None = None) -> str:
    """The name of the features of programs that a toolchain, by default this, makes for ``target``.

    A schedule's text is another program under other versions, and on a target with other vectors
    or threads; stores are merged, and hold one row for each text and name.
    """
    if toolchain is None:
        toolchain = Environment(dict(versions()), {}).toolchain
    return f"{_LAYOUT}/{toolchain[:16]}/{target.hash[:16]}"


class FeatureExtractor:
    """Extracts float32 features of shape (stores, 164) from schedules of one target."""

    def __init__(self, module: tvm.IRModule, target: tvm.target.Target) -> None:
        self._module = module
        self._target = target

    @cached_property
    def _parts(self) -> tuple[Any, Any, Any]:
        from costmodel.backends.tvm.metaschedule import MetaScheduleSpace

        context = MetaScheduleSpace(self._module, self._target).context
        from tvm.s_tir import meta_schedule as ms

        extractor = ms.feature_extractor.PerStoreFeature()
        return context, extractor, ms.MeasureCandidate

    def __call__(self, schedules: Sequence[s_tir.Schedule]) -> list[Features]:
        context, extractor, candidate = self._parts
        found = extractor.extract_from(context, [candidate(sch, []) for sch in schedules])
        return [np.asarray(item.numpy(), dtype=np.float32) for item in found]
