"""Functions made from MLIR, which the trained model reads and ``costmodel tune`` knows."""

from __future__ import annotations

import json
import os
from typing import Any

import tvm

from costmodel.backends.tvm.backend import TVMBackend
from costmodel.backends.tvm.replay import lowered
from costmodel.errors import UnsupportedError
from costmodel.ir import analyze, check_tunable, read_located
from costmodel.measure.check import compute_dtype, reduction_length
from costmodel.metaschedule.programs import ATTRIBUTE, Program, main_function, script_of
from costmodel.records import SourceLocation, Target, TimingPolicy, Workload
from costmodel.session import Session
from costmodel.store.codec import types_to_json, workload_from_json

__all__ = ["kernel_module", "read_kernel"]


def kernel_module(source: str | os.PathLike[str], *, function: str | None = None) -> Any:
    """The TensorIR module (``tvm.IRModule``) of a kernel in MLIR: a path, or the text itself.

    Its records have the key that ``costmodel tune`` gives them on ``cpu_target()``, so that each
    finds what the other measured. Raises InputError and its kinds for what cannot be tuned.
    """
    workload, _ = read_located(source, function=function, tunable=True)
    check_tunable(workload)
    fields = {
        "text": workload.text,
        "function": workload.function,
        "inputs": types_to_json(workload.inputs),
        "outputs": types_to_json(workload.outputs),
    }
    marked = _lowered(workload).with_attr(ATTRIBUTE, json.dumps(fields))
    return tvm.IRModule({"main": marked})


def read_kernel(mod: Any, target: Target, policy: TimingPolicy) -> Program | None:
    """The program of a module of ``kernel_module``; None where it is not one.

    Raises UnsupportedError where the function is no longer what its mark says.
    """
    func = main_function(mod)
    marked = func.attrs.get(ATTRIBUTE) if func.attrs else None
    if marked is None:
        return None
    fields = json.loads(str(marked))
    workload = workload_from_json(Workload(fields["text"], "", (), ()).hash, fields)
    if script_of(_lowered(workload)) != script_of(func):
        raise UnsupportedError(
            "the function was made from a kernel in MLIR and has been changed since",
            hint=f"take the attribute {ATTRIBUTE!r} off it, to tune it as it is now",
        )
    analysis = analyze(workload)
    session = Session(
        SourceLocation(workload.function), workload, analysis, target, TVMBackend(), policy
    )
    order = tuple(range(len(workload.inputs) + len(workload.outputs)))
    length, dtype = reduction_length(analysis), compute_dtype(analysis)
    return Program(workload, mod, order, length, dtype, session)


def _lowered(workload: Workload) -> Any:
    return lowered(workload.text)[0]["main"]
