"""A cost oracle and kernel autotuner for compilers.

>>> import costmodel
>>> result = costmodel.tune("kernels/matmul_bias_relu.mlir", trials=64)
>>> result.best_us, result.speedup

``tune``, ``predict`` and ``rank`` return the frozen dataclasses of ``costmodel.results``; every
error raised on purpose is a ``CostModelError``. Importing this package imports no compiler.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from costmodel.errors import (
    BackendError,
    CostModelError,
    InputError,
    MeasureError,
    ParseError,
    StoreError,
    UnsupportedError,
    UsageError,
)
from costmodel.model_results import DispatchRecord, ModelResult
from costmodel.results import (
    PredictResult,
    ProgressListener,
    RankedSchedule,
    RankResult,
    TrialRecord,
    TuneResult,
    TuneStart,
)

if TYPE_CHECKING:
    from costmodel.asking import predict, rank
    from costmodel.export import rebuild
    from costmodel.tuning import tune
    from costmodel.whole.tuning import tune_model

__all__ = [
    "BackendError",
    "CostModelError",
    "DispatchRecord",
    "InputError",
    "MeasureError",
    "ModelResult",
    "ParseError",
    "PredictResult",
    "ProgressListener",
    "RankResult",
    "RankedSchedule",
    "StoreError",
    "TrialRecord",
    "TuneResult",
    "TuneStart",
    "UnsupportedError",
    "UsageError",
    "__version__",
    "predict",
    "rank",
    "rebuild",
    "tune",
    "tune_model",
]

__version__ = "0.1.0"

#: Imported when first asked for, since they import compilers. Their module is not called
#: ``tune``: importing a submodule of that name would put the module in the function's place.
_LAZY = {
    "predict": "costmodel.asking",
    "rank": "costmodel.asking",
    "rebuild": "costmodel.export",
    "tune": "costmodel.tuning",
    "tune_model": "costmodel.whole.tuning",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
