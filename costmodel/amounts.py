"""Numbers with their units, as people read them."""

from __future__ import annotations

import math

__all__ = ["UNKNOWN", "counted", "duration", "latency", "number", "quantity"]

#: In place of a number that is not known.
UNKNOWN = "-"


def latency(us: float | None) -> str:
    """Three significant digits with the unit that suits: ``850 ns``, ``12.3 us``, ``1.88 ms``."""
    if us is None or not math.isfinite(us):
        return UNKNOWN
    for limit, factor, unit in ((1, 1e3, "ns"), (1e3, 1, "us"), (1e6, 1e-3, "ms")):
        if us < limit:
            return f"{number(us * factor)} {unit}"
    return f"{number(us * 1e-6)} s"


def quantity(value: float, unit: str, base: float = 1000.0) -> str:
    """``137438953472`` FLOP as ``137 GFLOP``; ``base`` 1024 gives KiB and MiB."""
    binary = "i" if base == 1024.0 else ""
    for prefix in ("", "K" if binary else "k", "M", "G", "T"):
        if abs(value) < base or prefix == "T":
            return f"{number(value)} {prefix}{binary if prefix else ''}{unit}"
        value /= base
    raise AssertionError("the last prefix always returns")


def number(value: float | None, digits: int = 3) -> str:
    """So many significant digits, never in scientific notation."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    return f"{value:.{max(0, digits - 1 - magnitude)}f}"


def counted(count: int, what: str) -> str:
    """``1 thread``, ``2 threads``."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def duration(seconds: float) -> str:
    """``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
