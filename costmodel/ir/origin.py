"""Where a workload comes from: the input's own text, and what became of its operations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from costmodel.records import SourceLocation

__all__ = ["Origin"]


@dataclass(frozen=True)
class Origin:
    """The input beside a workload; no part of the workload, of its text or of its hash.

    ``place`` is where the function begins in the input and ``text`` the whole of that input, which
    the child process has parsed. Operations are numbered from 0 in textual order, those inside
    others included. ``sources`` gives, for an operation of the canonical text, the operations of
    ``text`` that it stands for: several where the input computes one thing several times, none
    for an operation that simplification made from nothing. Where the input was ``stablehlo``,
    ``text`` is what it became as linalg on tensors.
    """

    place: SourceLocation
    text: str
    function: str
    sources: Mapping[int, tuple[int, ...]]
    stablehlo: bool = False
