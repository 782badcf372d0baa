"""What a workload does at the least: FLOPs, bytes moved, loop nest, arithmetic intensity."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Analysis", "Loop", "OpSummary"]


@dataclass(frozen=True)
class Loop:
    """One dimension of an op's iteration space."""

    extent: int
    kind: str  # "parallel" or "reduction"


@dataclass(frozen=True)
class OpSummary:
    """One structured op: its loop nest, its FLOPs (weighted by dialects/*.toml) and its bytes."""

    name: str
    loops: tuple[Loop, ...]
    flops: float
    bytes: int
    dtype: str


@dataclass(frozen=True)
class Analysis:
    """Totals over a function; ``bytes`` counts inputs, outputs and constants once (compulsory)."""

    flops: float
    bytes: int
    element_types: tuple[str, ...]
    ops: tuple[OpSummary, ...]
    #: FLOPs by the element type they are done in.
    flops_by_dtype: tuple[tuple[str, float], ...]

    @property
    def intensity(self) -> float:
        """Arithmetic intensity in FLOP per byte."""
        return self.flops / self.bytes if self.bytes else 0.0
