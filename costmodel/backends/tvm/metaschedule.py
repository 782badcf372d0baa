"""MetaSchedule's own space of a workload: its rules, its sampling and its mutations.

Method: Shao et al., "Tensor Program Optimization with Probabilistic Programs" (NeurIPS 2022),
sections 4 and 5. TVM's ``TuneContext`` parses every hardware intrinsic when it is made, which
takes seconds and which CPU targets do not use: an empty module stands in for them.
"""

from __future__ import annotations

import random
import sys
import types
from functools import cached_property
from typing import Any

import tvm
from tvm import s_tir
from tvm.s_tir.schedule.schedule import ScheduleError
from tvm.s_tir.schedule.trace import Trace

__all__ = ["MetaScheduleSpace"]

_MAX_SEED = 2**31 - 2
_TRIES = 4


class MetaScheduleSpace:
    """Traces of MetaSchedule's rules for a module on a target."""

    def __init__(self, module: tvm.IRModule, target: tvm.target.Target, seed: int = 1) -> None:
        self._module = module
        self._target = target
        self._seed = seed

    @cached_property
    def context(self) -> Any:
        sys.modules.setdefault(
            "tvm.s_tir.tensor_intrin", types.ModuleType("tvm.s_tir.tensor_intrin")
        )
        from tvm.s_tir import meta_schedule as ms

        space = ms.space_generator.PostOrderApply(
            sch_rules="llvm", postprocs="llvm", mutator_probs="llvm"
        )
        return ms.TuneContext(
            mod=self._module, target=self._target, space_generator=space, num_threads=1,
            rand_state=self._seed,
        )  # fmt: skip

    @cached_property
    def designs(self) -> list[Trace]:
        """One trace a way to structure the program; empty where MetaSchedule finds none."""
        try:
            return [sch.trace for sch in self.context.generate_design_space()]
        except (ScheduleError, RuntimeError, TypeError, ValueError):
            # Its rules do not take every program; the templates still do.
            return []

    def sample(self, rng: random.Random) -> s_tir.Schedule | None:
        """A random schedule with fresh decisions, or None where every try was invalid."""
        for _ in range(_TRIES if self.designs else 0):
            design = rng.choice(self.designs)
            undecided = Trace(list(design.insts), {})
            sch = self._apply(undecided, rng)
            if sch is not None:
                return sch
        return None

    def mutate(self, trace_json: Any, rng: random.Random) -> s_tir.Schedule | None:
        """A schedule that differs from the trace in one decision, or None."""
        from tvm.s_tir.meta_schedule import _ffi_api

        sch = s_tir.Schedule(self._module, debug_mask="none", error_render_level="fast")
        Trace.apply_json_to_schedule(trace_json, sch)
        probabilities = self.context.space_generator.mutator_probs
        mutators = sorted(probabilities.items(), key=lambda item: str(item[0]))
        weights = [float(weight) for _, weight in mutators]
        for _ in range(_TRIES):
            mutator = rng.choices([m for m, _ in mutators], weights)[0]
            trace = _ffi_api.MutatorApply(mutator, sch.trace, rng.randint(1, _MAX_SEED))
            if trace is None:
                continue
            other = self._apply(trace, rng)
            if other is not None:
                return other
        return None

    def _apply(self, trace: Trace, rng: random.Random) -> s_tir.Schedule | None:
        sch = s_tir.Schedule(
            self._module, seed=rng.randint(1, _MAX_SEED), debug_mask="none",
            error_render_level="fast",
        )  # fmt: skip
        try:
            trace.apply_to_schedule(sch, remove_postproc=True)
            sch.enter_postproc()
            for post in self.context.space_generator.postprocs:
                if not post.apply(sch):
                    return None
        except (ScheduleError, RuntimeError, TypeError, ValueError):
            return None
        return sch
