"""What our workers do for MetaSchedule; each function runs in a worker process."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from costmodel.backends.base import LoadedKernel
from costmodel.backends.tvm.backend import TVMBackend, link, reason_of
from costmodel.errors import BackendError
from costmodel.measure.machine_code import read_machine_code
from costmodel.measure.tasks import Built, Context
from costmodel.measure.worker import Report
from costmodel.records import Target, Workload

__all__ = ["ModuleBackend", "Order", "build_module"]


@dataclass(frozen=True)
class ModuleBackend(TVMBackend):
    """TVM's backend for functions that take their arguments in an order of their own."""

    order: tuple[int, ...] = ()

    def load(self, library: Path, workload: Workload, target: Target) -> LoadedKernel:
        from costmodel.backends.tvm.kernel import TVMKernel

        return TVMKernel(library, target.threads, self.order)


@dataclass(frozen=True)
class Order:
    """A module to compile, both it and the target as JSON.

    ``ours`` asks for the lowering that ``costmodel tune`` uses, else it is MetaSchedule's own.
    """

    module: str
    target: str
    library: Path
    ours: bool


def build_module(context: Context, report: Report, order: Order) -> Built:
    """Compile a module, and look at its code. Raises BackendError with the compiler's reason."""
    import tvm
    from tvm.s_tir.transform import RemoveWeightLayoutRewriteBlock

    from costmodel.backends.tvm.pipeline import compile_module

    started = time.perf_counter()
    try:
        module = tvm.ir.load_json(order.module)
        target = tvm.target.Target(json.loads(order.target))
        if order.ours:
            executable = compile_module(module, target)
        else:
            module = RemoveWeightLayoutRewriteBlock(skip_tensor_rewrite=True)(module)
            executable = tvm.compile(module, target)
    except (RuntimeError, TypeError, ValueError) as error:
        raise BackendError(f"TVM: {reason_of(error)}") from error
    executable.export_library(str(order.library), fcompile=link)
    return Built(time.perf_counter() - started, read_machine_code(order.library))
