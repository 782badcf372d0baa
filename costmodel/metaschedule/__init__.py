"""Plug-ins for TVM's MetaSchedule: our cost model, store and workers under ``tune_tir``.

>>> from costmodel.metaschedule import StoreDatabase, OracleCostModel, WorkerBuilder, WorkerRunner
>>> database = StoreDatabase(target, "store.sqlite")
>>> tune_tir(mod, target, work_dir, 64, database=database, cost_model=OracleCostModel(database),
...          builder=WorkerBuilder(database), runner=WorkerRunner(database))

Everything hangs on the database: it knows which program a candidate is of, and on what. Importing
this package imports no compiler; the first of its names does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from costmodel.metaschedule.builder import WorkerBuilder
    from costmodel.metaschedule.cost_model import OracleCostModel
    from costmodel.metaschedule.database import StoreDatabase
    from costmodel.metaschedule.kernels import kernel_module
    from costmodel.metaschedule.runner import WorkerRunner
    from costmodel.metaschedule.targets import cpu_target

__all__ = [
    "OracleCostModel",
    "StoreDatabase",
    "WorkerBuilder",
    "WorkerRunner",
    "cpu_target",
    "kernel_module",
]

_LAZY = {
    "OracleCostModel": "costmodel.metaschedule.cost_model",
    "StoreDatabase": "costmodel.metaschedule.database",
    "WorkerBuilder": "costmodel.metaschedule.builder",
    "WorkerRunner": "costmodel.metaschedule.runner",
    "cpu_target": "costmodel.metaschedule.targets",
    "kernel_module": "costmodel.metaschedule.kernels",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import_module("costmodel.backends.tvm.without_torch")
    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
