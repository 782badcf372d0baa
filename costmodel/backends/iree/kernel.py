"""A module that IREE compiled, in this process: another compiler's result, and a fair rival."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from costmodel.backends.iree.device import as_caller, local_task_device
from costmodel.dtypes import NUMPY_DTYPES
from costmodel.errors import BackendError
from costmodel.records import TensorType, Workload

__all__ = ["IREEKernel"]


class IREEKernel:
    """A module that ``compile_text`` wrote, ready to run: a LoadedKernel.

    IREE allocates its results anew for every call, as for any of its users, so ``outputs`` of
    ``prepare`` is not used. Timing covers the call into the virtual machine until the results
    are complete, on inputs that are on the device already. Raises BackendError on what the
    runtime refuses.
    """

    def __init__(self, vmfb: Path, workload: Workload, *, threads: int) -> None:
        import iree.runtime as rt

        # Results may point into the module (constants), so they must be dropped before it:
        # attributes are released in the order in which they were set.
        self._results: Any = None
        self._inputs: Any = None
        self._types = workload.outputs
        self._input_types = workload.inputs
        self._device = local_task_device(threads)
        try:
            instance = rt.VmInstance()
            module = rt.VmModule.copy_buffer(instance, vmfb.read_bytes())
            hal = rt.create_hal_module(instance, self._device)
            self._context = rt.VmContext(instance, [hal, module])
            self._function = _function(module, workload.function)
        except (RuntimeError, ValueError, KeyError, OSError) as error:
            raise BackendError(f"IREE could not load {vmfb.name}: {error}") from error
        if self._function is None:
            raise BackendError(f"{vmfb.name} has no function {workload.function}")
        arguments, results = _abi(self._function.reflection["iree.abi.declaration"])
        if len(arguments) != len(self._input_types) or len(results) != len(self._types):
            raise BackendError(f"{vmfb.name} was compiled from another workload")
        self._argument_is_scalar = arguments
        self._result_is_scalar = results

    def prepare(self, inputs: Sequence[NDArray[Any]], outputs: Sequence[NDArray[Any]]) -> None:
        """Upload the inputs; ``outputs`` is ignored."""
        import iree.runtime as rt

        for place, (array, type_) in enumerate(zip(inputs, self._input_types, strict=True)):
            if array.shape != type_.shape or array.dtype != NUMPY_DTYPES[type_.dtype]:
                got = "x".join([*map(str, array.shape), str(array.dtype)])
                raise BackendError(f"input {place} has shape and type {got}, expected {type_}")
        self._results = None
        self._inputs = rt.VmVariantList(len(inputs))
        for array, type_, scalar in zip(
            inputs, self._input_types, self._argument_is_scalar, strict=True
        ):
            if not scalar:
                self._inputs.push_ref(self._upload(array, type_))
            elif type_.dtype in ("f64", "f32", "f16", "bf16"):
                self._inputs.push_float(float(array))
            else:
                self._inputs.push_int(int(array))

    def _upload(self, array: NDArray[Any], type_: TensorType) -> Any:
        import iree.runtime as rt

        dtype = NUMPY_DTYPES[type_.dtype]
        # ascontiguousarray would turn a 0-d array into one of shape (1,).
        data = np.asarray(array, dtype=dtype, order="C")
        return self._device.allocator.allocate_buffer_copy(
            memory_type=rt.MemoryType.DEVICE_LOCAL,
            allowed_usage=rt.BufferUsage.DEFAULT,
            device=self._device,
            buffer=data,
            element_type=rt.dtypes.map_dtype_to_hal_element_type(dtype),
        )

    def run(self, number: int) -> float:
        """Call the function ``number`` times; seconds for all of them."""
        if self._inputs is None:
            raise BackendError("run was called before prepare")
        return as_caller(self._run, number)

    def _run(self, number: int) -> float:
        from iree.runtime import VmVariantList

        invoke, function, inputs = self._context.invoke, self._function, self._inputs
        count = len(self._types)
        results: Any = None
        self._results = None
        try:
            start = time.perf_counter()
            for _ in range(number):
                results = None  # lets the allocator reuse the memory, which is warm
                results = VmVariantList(count)
                invoke(function, inputs, results)
            elapsed = time.perf_counter() - start
        except (RuntimeError, ValueError) as error:
            raise BackendError(f"IREE could not run the function: {error}") from error
        self._results = results
        return elapsed

    def results(self) -> list[NDArray[Any]]:
        """Copies of the results of the last call."""
        if self._results is None:
            raise BackendError("results were asked for before a run")
        return [
            self._download(place, type_, scalar)
            for place, (type_, scalar) in enumerate(
                zip(self._types, self._result_is_scalar, strict=True)
            )
        ]

    def _download(self, place: int, type_: TensorType, scalar: bool) -> NDArray[Any]:
        import iree.runtime as rt

        dtype = NUMPY_DTYPES[type_.dtype]
        if scalar:
            value = self._results.get_variant(place)
            # A narrow integer comes back in the virtual machine's i32.
            return np.array(value).astype(dtype)
        view = self._results.get_as_object(place, rt.HalBufferView)
        host = rt.DeviceArray(self._device, view).to_host()
        return np.array(host, copy=True).astype(dtype, copy=False).reshape(type_.shape)


def _function(module: Any, name: str) -> Any:
    """The function of that name, as in the input's own module, or ``main``, as in canonical form.

    None where there is neither.
    """
    return next((found for one in (name, "main") if (found := _lookup(module, one))), None)


def _lookup(module: Any, name: str) -> Any:
    try:
        return module.lookup_function(name)
    except (ValueError, KeyError):
        return None


def _abi(declaration: str) -> tuple[list[bool], list[bool]]:
    """Which arguments and which results are scalars, from IREE's own summary of a function.

    The summary reads ``sync func @f(%input0: tensor<2xf32>, %input1: f32) -> (%output0: f32)``.
    """
    arguments, _, results = declaration.partition(" -> ")
    return _scalars(arguments), _scalars(results)


def _scalars(values: str) -> list[bool]:
    names = values[values.find("(") + 1 : values.rfind(")")].split("%")[1:]
    return ["tensor<" not in name for name in names]
