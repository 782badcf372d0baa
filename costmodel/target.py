"""This machine as a Target: what it is, read from the system, and what it can do, measured."""

from __future__ import annotations

import json
import logging
import os
import platform
import re
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import platformdirs

from costmodel.errors import UsageError
from costmodel.measure.cores import physical_count, usable_cores
from costmodel.measure.roofline import Rates, measure_rates, program_source
from costmodel.records import Target, digest

__all__ = ["TARGETS", "host_target", "llvm_cpu_name", "parse_target"]

#: What ``parse_target`` knows.
TARGETS: tuple[str, ...] = ("cpu",)

_CPUINFO = Path("/proc/cpuinfo")
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")

#: Features that decide which instructions a compiler may use. The rest (virtualization, timers,
#: mitigations) changes with kernels, and must not make another target of the same machine.
_ISA_FEATURES = re.compile(
    r"sse|ssse|pni$|avx|fma|f16c|bmi|abm$|popcnt|amx|gfni|vaes|vpclmul|sha_ni|movbe|adx|aes$"
    r"|fp$|fphp|asimd|neon|sve|sme($|[0-9_])|bf16|i8mm|atomics|crc32|vfpv4"
)

_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

_log = logging.getLogger(__name__)


def parse_target(spec: str, *, threads: int | None = None, measure: bool = True) -> Target:
    """The target that a command line names. Raises UsageError, which lists what there is."""
    if spec == "cpu":
        return host_target(threads, measure=measure)
    raise UsageError(
        f"no target is called {spec!r}", hint=f"there is: {', '.join(TARGETS)} (this machine)"
    )


def host_target(
    threads: int | None = None, *, measure: bool = True, refresh: bool = False
) -> Target:
    """This machine with ``threads`` threads, by default one for each physical core.

    Cores that may be used are counted by affinity and control-group limits. Rates are measured
    once and kept in the user's cache directory; ``refresh`` measures them again, ``measure=False``
    leaves them out where none are kept. Raises UsageError for a number of threads that the cores
    cannot carry, MeasureError where rates cannot be measured.
    """
    cores = usable_cores()
    count = physical_count(cores) if threads is None else threads
    if not 1 <= count <= len(cores):
        raise UsageError(f"{count} threads are asked of {len(cores)} usable cores")
    facts = _read_cpuinfo()
    features = tuple(sorted(filter(_ISA_FEATURES.match, facts["features"].split())))
    target = Target(
        kind="cpu",
        arch=platform.machine(),
        cpu=facts["name"],
        features=features,
        threads=count,
        cache_bytes=cache_sizes(_CACHES),
        vector_bytes=_vector_bytes(features),
    )
    kept = None if refresh else _load_rates(_rates_path(target))
    if kept is None and not measure:
        return target
    rates = kept or _measured_rates(target, cores[:count])
    return replace(target, peak_flops=dict(rates.peak_flops), bandwidth=rates.bandwidth)


@cache
def llvm_cpu_name() -> str:
    """LLVM's name of this machine's CPU ("znver4"), for a compiler's ``mcpu``; imports TVM."""
    from tvm.target import codegen

    return str(codegen.llvm_get_system_cpu())


def _read_cpuinfo(path: Path = _CPUINFO) -> dict[str, str]:
    """``name`` and ``features`` of the first processor; without a file, what ``platform`` knows."""
    try:
        first = path.read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    except OSError:
        first = ""
    pairs = [line.partition(":") for line in first.splitlines()]
    facts = {key.strip(): value.strip() for key, _, value in pairs}
    name = facts.get("model name") or platform.processor() or platform.machine()
    # Clouds cut the model's name short; these numbers say which microarchitecture it is.
    identity = [
        facts[key]
        for key in ("vendor_id", "cpu family", "model", "CPU implementer", "CPU part")
        if key in facts
    ]
    if identity:
        name = f"{name} ({' '.join(identity)})"
    return {"name": name, "features": facts.get("flags") or facts.get("Features") or ""}


def cache_sizes(folder: Path) -> tuple[int, ...]:
    """Bytes of the data and unified caches, level 1 first; empty where the system does not say."""
    sizes: dict[int, int] = {}
    for index in folder.glob("index*"):
        try:
            kind, level, size = (
                (index / name).read_text().strip() for name in ("type", "level", "size")
            )
            if kind != "Instruction":
                sizes[int(level)] = int(size.rstrip("KMG")) * _UNITS.get(size[-1:], 1)
        except (OSError, ValueError):  # a virtual machine may leave any of them out
            continue
    return tuple(sizes[level] for level in sorted(sizes))


def _vector_bytes(features: tuple[str, ...]) -> int:
    """Width of a vector register; 16 (SSE2, NEON) unless a feature says more."""
    if "avx512f" in features:
        return 64
    return 32 if "avx" in features else 16


def _rates_path(target: Target) -> Path:
    key = digest({"target": target.hash, "program": program_source()})
    return platformdirs.user_cache_path("costmodel") / f"rates-{key[:32]}.json"


def _measured_rates(target: Target, cores: tuple[int, ...]) -> Rates:
    """Rates of now, kept for later runs."""
    rates = measure_rates(cores, largest_cache=max(target.cache_bytes, default=0))
    _save_rates(_rates_path(target), rates)
    return rates


def _load_rates(path: Path) -> Rates | None:
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        peak: Mapping[str, float] = {name: float(rate) for name, rate in saved["peak"].items()}
        return Rates(peak, float(saved["bandwidth"])) if "f32" in peak else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        _log.warning("rates in %s cannot be used: %s", path, error)
        return None


def _save_rates(path: Path, rates: Rates) -> None:
    text = json.dumps({"peak": dict(rates.peak_flops), "bandwidth": rates.bandwidth})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=".rates-", delete=False, encoding="utf-8"
        ) as file:
            file.write(text)
        os.replace(file.name, path)  # so that nobody reads half of it
    except OSError as error:
        _log.warning("rates cannot be kept in %s: %s", path.parent, error)
