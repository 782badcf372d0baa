"""IREE as the reference: another compiler's result for the same MLIR, and a fair rival in time."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from costmodel.errors import BackendError
from costmodel.measure.inputs import NUMPY_DTYPES
from costmodel.measure.local_task import local_task_device
from costmodel.records import TensorType, Workload

__all__ = ["COMPILE_FLAGS", "ReferenceKernel", "compile_reference"]

#: What a user of IREE would pass for this machine. Doubles stay doubles: by default IREE
#: computes f64 in f32, which would make it a reference for something else.
COMPILE_FLAGS: tuple[str, ...] = (
    "--iree-hal-target-device=local",
    "--iree-hal-local-target-device-backends=llvm-cpu",
    "--iree-llvmcpu-target-cpu=host",
    "--iree-input-demote-f64-to-f32=false",
)


def compile_reference(
    workload: Workload, vmfb: Path, *, timeout_s: float = 60.0, flags: Sequence[str] = ()
) -> None:
    """Compile the workload's text with IREE for this CPU; ``vmfb`` appears only when complete.

    The compiler runs as a process group of its own, which is killed as a whole after
    ``timeout_s``: it crashes or runs for minutes on some inputs. ``flags`` are added to
    COMPILE_FLAGS. Raises BackendError with the compiler's message.
    """
    with tempfile.TemporaryDirectory(prefix=f".{vmfb.name}.", dir=vmfb.parent) as scratch:
        source, module = Path(scratch, "input.mlir"), Path(scratch, "output.vmfb")
        source.write_text(workload.text, encoding="utf-8")
        _compile([*COMPILE_FLAGS, *flags, str(source), "-o", str(module)], timeout_s)
        module.replace(vmfb)


def _compile(arguments: Sequence[str], timeout_s: float) -> None:
    process = subprocess.Popen(
        [_compiler(), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        _, diagnostics = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise BackendError(f"IREE did not compile the function in {timeout_s:g} s") from None
    finally:
        _end(process)
    if process.returncode == 0:
        return
    if process.returncode < 0:
        name = signal.Signals(-process.returncode).name
        raise BackendError(f"IREE's compiler crashed ({name})\n{_shortened(diagnostics)}".rstrip())
    raise BackendError(f"IREE did not compile the function:\n{_shortened(diagnostics)}")


def _end(process: subprocess.Popen[str]) -> None:
    """Kill what is left of the process group (the linker is a child) and reap the compiler."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stderr is not None:
        process.stderr.close()


def _shortened(diagnostics: str, lines: int = 12) -> str:
    kept = diagnostics.strip().splitlines()
    return "\n".join(kept[:lines] + (["..."] if len(kept) > lines else []))


@cache
def _compiler() -> str:
    """The compiler's binary: its console script would outlive a killed parent."""
    spec = importlib.util.find_spec("iree.compiler")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        binary = Path(folder, "_mlir_libs", "iree-compile")
        if binary.is_file():
            return str(binary)
    raise BackendError("IREE's compiler was not found", hint="pip install iree-base-compiler")


class ReferenceKernel:
    """A module that ``compile_reference`` wrote, ready to run: a LoadedKernel.

    IREE allocates its results anew for every call, as for any of its users, so ``outputs`` of
    ``prepare`` is not used. Timing covers the call into the virtual machine until the results
    are complete, on inputs that are on the device already. Raises BackendError on what the
    runtime refuses.
    """

    def __init__(
        self, vmfb: Path, workload: Workload, *, threads: int, function: str = "main"
    ) -> None:
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
            self._function = module.lookup_function(function)
        except (RuntimeError, ValueError, KeyError, OSError) as error:
            raise BackendError(f"IREE could not load {vmfb.name}: {error}") from error
        if self._function is None:
            raise BackendError(f"{vmfb.name} has no function {function}")
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
        from iree.runtime import VmVariantList

        if self._inputs is None:
            raise BackendError("run was called before prepare")
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


def _abi(declaration: str) -> tuple[list[bool], list[bool]]:
    """Which arguments and which results are scalars, from IREE's own summary of a function.

    The summary reads ``sync func @f(%input0: tensor<2xf32>, %input1: f32) -> (%output0: f32)``.
    """
    arguments, _, results = declaration.partition(" -> ")
    return _scalars(arguments), _scalars(results)


def _scalars(values: str) -> list[bool]:
    names = values[values.find("(") + 1 : values.rfind(")")].split("%")[1:]
    return ["tensor<" not in name for name in names]
