"""A small real backend: C compiled by the system's compiler, which does what a schedule asks.

A schedule's text is JSON with a ``kind`` (below) and a number that makes schedules differ. The
workload is a 64x64x64 matmul in f32. This is how faults are injected: nothing here pretends.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from costmodel.errors import BackendError, UsageError
from costmodel.ir.analysis import Analysis, Loop, OpSummary
from costmodel.records import Schedule, Target, TensorType, Workload

SIZE = 64
MATMUL = """
module {
  func.func @main(%a: tensor<64x64xf32>, %b: tensor<64x64xf32>) -> tensor<64x64xf32> {
    %zero = arith.constant 0.0 : f32
    %empty = tensor.empty() : tensor<64x64xf32>
    %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<64x64xf32>) -> tensor<64x64xf32>
    %c = linalg.matmul ins(%a, %b : tensor<64x64xf32>, tensor<64x64xf32>)
                       outs(%init : tensor<64x64xf32>) -> tensor<64x64xf32>
    return %c : tensor<64x64xf32>
  }
}
"""
TENSOR = TensorType((SIZE, SIZE), "f32")
WORKLOAD = Workload(MATMUL, "main", (TENSOR, TENSOR), (TENSOR,))
LOOPS = (Loop(SIZE, "parallel"), Loop(SIZE, "parallel"), Loop(SIZE, "reduction"))
FLOPS = 2.0 * SIZE**3
ANALYSIS = Analysis(
    FLOPS, 3 * TENSOR.bytes, ("f32",),
    (OpSummary("linalg.matmul", LOOPS, FLOPS, 3 * TENSOR.bytes, "f32"),), (("f32", FLOPS),),
)  # fmt: skip

SOURCE = """
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define N 64
static int runs = 0;
static void matmul(const float *a, const float *b, float *c) {
  memset(c, 0, N * N * sizeof(float));
  for (int i = 0; i < N; i++)
    for (int k = 0; k < N; k++)
      for (int j = 0; j < N; j++)
        c[i * N + j] += a[i * N + k] * b[k * N + j];
}
void kernel(const float *a, const float *b, float *c) {
  runs++;
  (void)runs;
  BODY
}
"""

#: What a kernel of each kind does when it is run.
BODIES: Mapping[str, str] = {
    "fast": "matmul(a, b, c);",
    "slow": "for (int i = 0; i < 400; i++) matmul(a, b, c);",
    "segfault": "*(volatile int *)8 = 1;",
    "abort": "abort();",
    "exit": "_exit(3);",
    "hang": "for (;;) { *(volatile int *)&runs; }",
    # The first does not touch what it gets and complains, the other the other way round.
    "allocate": "while (malloc(8 << 20)); perror(\"malloc\"); abort();",
    "touch": "for (;;) memset(malloc(8 << 20), 1, 8 << 20);",
    "wrong": "matmul(a, b, c); c[5 * N + 7] += 1.0f;",
    # Right on the inputs that come first, wrong on any other.
    "moody": "static float first; if (runs == 1) first = a[0];"
    " matmul(a, b, c); if (a[0] != first) c[3] += 1.0f;",
    "unwritten": "(void)a; (void)b; (void)c;",
    "late_segfault": "matmul(a, b, c); if (runs > 2) *(volatile int *)8 = 1;",
    "damage": "matmul(a, b, c); if (runs > 2) setenv(\"DAMAGED\", \"1\", 1);",
    "victim": "matmul(a, b, c); if (getenv(\"DAMAGED\")) abort();",
    "suicide_once": "matmul(a, b, c); if (access(getenv(\"MARK\"), F_OK))"
    " { fclose(fopen(getenv(\"MARK\"), \"w\")); raise(SIGKILL); }",
    "stray": "if (!fork()) { setsid(); execlp(\"sleep\", \"sleep\", \"987\", NULL); } pause();",
    "uncompilable": "this is not C;",
}  # fmt: skip


def schedule(kind: str, number: int = 0) -> Schedule:
    return Schedule("c", json.dumps({"kind": kind, "number": number}))


def kind_of(item: Schedule) -> str:
    return str(json.loads(item.text)["kind"])


@dataclass(frozen=True)
class CSpace:
    """Of a search space only what the reference's fallback needs."""

    def default(self) -> Schedule:
        return schedule("fast", -1)


@dataclass(frozen=True)
class CBackend:
    name: str = "c"

    def versions(self) -> Mapping[str, str]:
        return {"c": platform.libc_ver()[1]}

    def space(self, workload: Workload, target: Target) -> CSpace:
        return CSpace()

    def build(self, workload: Workload, item: Schedule, target: Target, library: Path) -> None:
        kind = kind_of(item)
        if kind in _BUILD_FAULTS:
            _BUILD_FAULTS[kind]()
        source = SOURCE.replace("BODY", BODIES[kind])
        result = subprocess.run(
            ["cc", "-O1", "-x", "c", "-", "-shared", "-fPIC", "-o", str(library)],
            input=source, text=True, capture_output=True, check=False,
        )  # fmt: skip
        if result.returncode:
            raise BackendError(result.stderr)

    def load(self, library: Path, workload: Workload, target: Target) -> CKernel:
        return CKernel(ctypes.CDLL(str(library)))

    @property
    def parts(self) -> tuple[CBackend, ...]:
        return (self,)

    def file_names(self, item: Schedule) -> dict[str, str]:
        return {"library": "kernel.so", "ir": "kernel.c"}

    def companions(self, workload: Workload, item: Schedule, target: Target) -> dict[str, Any]:
        return {}

    def describe(self, workload: Workload, item: Schedule, target: Target) -> str:
        return BODIES[kind_of(item)]


class CKernel:
    def __init__(self, library: ctypes.CDLL) -> None:
        self._kernel = library.kernel
        self._arrays: list[NDArray[Any]] = []
        self._pointers: list[ctypes.c_void_p] = []

    def prepare(self, inputs: Sequence[NDArray[Any]], outputs: Sequence[NDArray[Any]]) -> None:
        self._arrays = [np.array(array, order="C") for array in (*inputs, *outputs)]
        self._pointers = [ctypes.c_void_p(array.ctypes.data) for array in self._arrays]

    def run(self, number: int) -> float:
        started = time.perf_counter()
        for _ in range(number):
            self._kernel(*self._pointers)
        return time.perf_counter() - started

    def results(self) -> list[NDArray[Any]]:
        return [self._arrays[-1].copy()]


def _crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _hang() -> None:
    # A native wait that no Python signal handler interrupts, in a child as well as here.
    subprocess.Popen(["sleep", "986"])
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
    ctypes.CDLL(None).pause()


def _allocate() -> None:
    kept = []
    while True:
        kept.append(bytearray(8 << 20))


def _fill_disk() -> None:
    with open("/dev/full", "wb") as file:
        file.write(b"x")


def _refuse() -> None:
    raise UsageError("tile of 7 does not divide 64")


def _surprise() -> None:
    raise KeyError("unexpected")


_BUILD_FAULTS = {
    "build_crash": _crash,
    "build_exit": lambda: os._exit(7),
    "build_hang": _hang,
    "build_allocate": _allocate,
    "disk_full": _fill_disk,
    "invalid": _refuse,
    "surprise": _surprise,
}
