"""Records for the tests of the store: valid ones, each argument optional."""

import itertools
import uuid
from typing import Any

import numpy as np
from numpy.typing import NDArray

from costmodel.backends.registry import load
from costmodel.records import (
    Environment,
    Measurement,
    Outcome,
    Schedule,
    Target,
    TensorType,
    TimingPolicy,
    Workload,
)

_clock = itertools.count(1_700_000_000)


def workload(name: str = "f") -> Workload:
    return Workload(
        text=f'module {{ "{name}" }}',
        function=name,
        inputs=(TensorType((4, 8), "f32"), TensorType((), "i64", index_limit=4)),
        outputs=(TensorType((4,), "bf16"),),
    )


def target(cpu: str = "test-cpu", **rates: Any) -> Target:
    return Target(
        kind="cpu", arch="x86_64", cpu=cpu, features=("avx2", "fma"), threads=2,
        cache_bytes=(32768, 1048576), vector_bytes=32,
        **({"peak_flops": {"f32": 1.5e11}, "bandwidth": 2e10} | rates),
    )  # fmt: skip


def schedule(tile: int = 8, backend: str = "tvm") -> Schedule:
    return Schedule(backend, f'{{"kind":"template","knobs":{{"tile":{tile}}}}}')


def environment(version: str = "1.0") -> Environment:
    return Environment({"tvm": version}, {"host": "test", "load": 0.5, "flags": ["a", None]})


def installed(backend: str) -> Environment:
    """Of what is measured by the compilers that are installed."""
    return Environment(dict(load(backend).versions()), {})


def measurement(*samples: float, **changes: Any) -> Measurement:
    """Of ``workload()`` on ``target()``, OK, each later than the one before."""
    fields: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "workload": workload().hash,
        "schedule": schedule(),
        "target": target().hash,
        "environment": environment(),
        "policy": TimingPolicy(),
        "outcome": Outcome.OK,
        "samples_us": samples or (10.0, 11.5, 12.0),
        "timestamp": float(next(_clock)),
        "build_seconds": 0.25,
        "run_seconds": 0.125,
        "max_error": 1e-6,
    }
    return Measurement(**(fields | changes))


def failure(outcome: Outcome, **changes: Any) -> Measurement:
    return measurement(**({"outcome": outcome, "samples_us": (), "error": "it failed"} | changes))


def features(seed: int, stores: int = 3, width: int = 5) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((stores, width)).astype(np.float32)
