"""Peak FLOP/s and memory bandwidth of this machine, measured by a small C program.

C and not generated kernels, since peak rates should be those of the machine and not of the
compiler that is being tuned. A program of its own, since code for the native instruction set ends
the process with SIGILL where a machine claims more than it can do.
"""

from __future__ import annotations

import json
import math
import platform
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from costmodel.errors import MeasureError
from costmodel.toolchain import INSTALL_HINT, find_compiler

__all__ = ["Rates", "measure_rates", "program_source"]

_TIMEOUT_S = 60.0

#: A type for which the machine has no instructions of its own runs at the rate of another.
_FALLBACKS: Mapping[str, str] = {"f16": "f32", "bf16": "f32", "i8": "i32", "i1": "i8"}

#: Bounds of one of the triad's arrays: well over the caches, and quick to fault in.
_MIN_ARRAY_BYTES = 32 << 20
_MAX_ARRAY_BYTES = 256 << 20


@dataclass(frozen=True)
class Rates:
    """``peak_flops`` by element type and ``bandwidth`` in bytes/s, of all threads together."""

    peak_flops: Mapping[str, float]
    bandwidth: float

    def __post_init__(self) -> None:
        for rate in (*self.peak_flops.values(), self.bandwidth):
            if not (math.isfinite(rate) and rate > 0):
                raise ValueError(f"{rate} is no rate")


@cache
def program_source() -> str:
    """The C program's text: its change makes rates that were measured before out of date."""
    return resources.files("costmodel.measure").joinpath("roofline.c").read_text("utf-8")


def measure_rates(cores: Sequence[int], *, largest_cache: int) -> Rates:
    """Measure with one thread on each of ``cores``, which takes about 2 s on a quiet machine.

    ``largest_cache`` (bytes) sizes the arrays. Raises MeasureError without a C compiler, or where
    the program fails.
    """
    array_bytes = min(max(2 * largest_cache, _MIN_ARRAY_BYTES), _MAX_ARRAY_BYTES)
    with tempfile.TemporaryDirectory(prefix="costmodel-") as folder:
        program = Path(folder, "roofline")
        _run([_compiler(), *_flags(), "-x", "c", "-", "-o", str(program)], program_source())
        answer = json.loads(_run([str(program), str(array_bytes), *map(str, cores)]))
    bandwidth = float(answer.pop("bandwidth"))
    rates = {name: float(rate) for name, rate in answer.items()}
    for name, other in _FALLBACKS.items():
        rates.setdefault(name, rates[other])
    return Rates(rates, bandwidth)


def _compiler() -> str:
    found = find_compiler()
    if found is None:
        raise MeasureError(
            "no C compiler was found, so that the machine's peak rates cannot be measured",
            hint=INSTALL_HINT,
        )
    return found


def _flags() -> list[str]:
    x86 = platform.machine() in ("x86_64", "AMD64", "i686")
    native = "-march=native" if x86 else "-mcpu=native"
    return ["-O3", native, "-ffp-contract=fast", "-pthread"]


def _run(command: Sequence[str], stdin: str = "") -> str:
    name = Path(command[0]).name
    try:
        result = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
        )
    except subprocess.CalledProcessError as error:
        text = f"{name} failed with status {error.returncode}: {error.stderr.strip()[:2000]}"
        raise MeasureError(f"peak rates cannot be measured: {text}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MeasureError(f"peak rates cannot be measured: {name}: {error}") from error
    return result.stdout
