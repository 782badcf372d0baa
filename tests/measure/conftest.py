from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle
import psutil
import pytest

from costmodel.ir.sandbox import shared
from costmodel.measure.cores import usable_cores
from costmodel.measure.measurer import Measurer
from costmodel.records import Target, TimingPolicy

#: Short enough to wait for in a test, long enough for a busy machine.
POLICY = TimingPolicy(
    min_samples=3,
    max_samples=5,
    budget_s=0.05,
    build_timeout_s=5.0,
    run_timeout_s=2.0,
    memory_bytes=1 << 30,
)


@pytest.fixture(scope="session")
def c() -> Iterator[ModuleType]:
    """The module c_backend, in a way that worker processes can unpickle its classes."""
    name = "c_backend"
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    cloudpickle.register_pickle_by_value(module)
    yield module
    cloudpickle.unregister_pickle_by_value(module)
    del sys.modules[name]


@pytest.fixture
def make_measurer(c: ModuleType, tmp_path: Path) -> Iterator[Callable[..., Measurer]]:
    """Makes Measurers of the C backend; asserts at the end that they left nothing behind."""
    shared().close()  # the process that reads MLIR is none of theirs
    with ExitStack() as stack:

        def make(**options: Any) -> Measurer:
            threads = options.pop("threads", 1)
            target = Target("cpu", platform.machine(), "test", (), threads, (), 16)
            return stack.enter_context(
                Measurer(
                    options.pop("backend", c.CBackend()),
                    options.pop("workload", c.WORKLOAD),
                    target,
                    options.pop("policy", POLICY),
                    analysis=c.ANALYSIS,
                    builders=options.pop("builders", len(usable_cores())),
                    threads=threads,
                    seed=1,
                    directory=tmp_path,
                    **options,
                )
            )

        yield make
    assert list(tmp_path.glob("measure-*")) == []
    assert psutil.Process().children(recursive=True) == []
