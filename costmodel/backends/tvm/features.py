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

__all__ = ["FEATURE_SET", "FeatureExtractor"]

FEATURE_SET = "metaschedule-per-store-1"


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
