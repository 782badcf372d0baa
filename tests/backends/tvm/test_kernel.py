"""Loaded kernels run on threads that stay on cores of their own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import os, sys
from pathlib import Path
import numpy as np
from costmodel.backends import registry
from costmodel.ir import read_workload
from costmodel.measure.inputs import poisoned_outputs, random_inputs
from costmodel.target import host_target

workload = read_workload(sys.argv[1])
backend, target = registry.load("tvm"), host_target(2, measure=False)
library = Path(sys.argv[2])
backend.build(workload, backend.space(workload, target).default(), target, library)
kernel = backend.load(library, workload, target)
kernel.prepare(random_inputs(workload.inputs, 0), poisoned_outputs(workload.outputs))
before, threads = os.sched_getaffinity(0), set(os.listdir("/proc/self/task"))
kernel.run(1)
assert os.sched_getaffinity(0) == before, "the caller's cores have changed"
pool = {int(task) for task in set(os.listdir("/proc/self/task")) - threads}
print(*[",".join(map(str, sorted(os.sched_getaffinity(task)))) for task in pool])
"""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
@pytest.mark.parametrize(("bind", "pinned"), [("1", True), ("0", False)])
def test_each_thread_of_the_pool_has_a_core(
    tmp_path: pytest.TempPathFactory, bind: str, pinned: bool
) -> None:
    settings = {"TVM_NUM_THREADS": "2", "TVM_BIND_THREADS": bind}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "kernels/gpt2_row_max.mlir", f"{tmp_path}/kernel.so"],
        env=dict(os.environ) | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    allowed = sorted(os.sched_getaffinity(0))
    (worker,) = done.stdout.split()
    assert worker == (str(allowed[1]) if pinned else ",".join(map(str, allowed)))
