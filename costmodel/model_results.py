"""What tuning a whole model gives back; units as in ``results``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from costmodel.results import TuneResult

__all__ = ["DispatchRecord", "ModelResult"]


@dataclass(frozen=True)
class DispatchRecord:
    """One distinct dispatch of a model.

    ``name`` says what it computes and ``count`` how often it runs in one run of the model.
    ``share`` is its part, all runs together, of the time that the dispatches take by default.
    ``default_us`` and ``tuned_us`` are latencies of the dispatch alone, measured in turns where it
    was tuned; ``tuned_us`` is None where it was not, and ``reason`` says why. ``obeyed`` says
    whether the compiler tiles it as asked for in the model; None where nothing is asked for.
    """

    workload: str
    name: str
    count: int
    share: float
    default_us: float | None
    tuned_us: float | None
    obeyed: bool | None
    trials: int
    reason: str = ""


@dataclass(frozen=True)
class ModelResult:
    """The outcome of ``costmodel.tune_model``.

    ``whole`` is the model tuned as one workload: its ``baseline_us`` and ``best_us`` are end to
    end. ``flags`` are those that the winner adds to the compiler's. ``max_error`` is the largest
    error of the winner against the results of the untuned model, relative as in the check of
    kernels. ``measured`` and ``failed`` count the trials of the model and of its dispatches.
    """

    whole: TuneResult
    dispatches: tuple[DispatchRecord, ...]
    flags: tuple[str, ...]
    max_error: float | None
    measured: int
    failed: Mapping[str, int]
    cached: int

    @property
    def before_us(self) -> float | None:
        """End-to-end latency of the untuned model."""
        return self.whole.baseline_us

    @property
    def after_us(self) -> float | None:
        """End-to-end latency of the tuned model."""
        return self.whole.best_us

    @property
    def speedup(self) -> float | None:
        return self.whole.speedup

    @property
    def artifacts(self) -> Mapping[str, str | None]:
        return self.whole.artifacts

    def to_json(self) -> dict[str, Any]:
        """The contract for scripts: these keys, no more and no fewer."""
        whole = self.whole.to_json()
        kept = ("workload", "function", "target", "backend", "noise_us", "speedup", "trials")
        return {
            "kind": "model",
            **{key: whole[key] for key in kept},
            "before_us": whole["baseline_us"],
            "after_us": whole["best_us"],
            "measured": self.measured,
            "cached": self.cached,
            "failed": dict(self.failed),
            "seconds": whole["seconds"],
            "flags": list(self.flags),
            "max_error": self.max_error,
            "dispatches": [asdict(one) for one in self.dispatches],
            "schedule": whole["schedule"],
            "artifacts": dict(self.whole.artifacts),
        }
