"""Loop-level functions: generated graphs as affine and scf loops on memrefs, variously transformed.

MLIR's own passes make the loops, and then, as drawn: fuse them, tile them, unroll them, forward
stores to loads, make the outermost parallel, lower affine to scf.
"""

from __future__ import annotations

import random

from iree.compiler import ir, passmanager

__all__ = ["to_loops"]

_BUFFERS = (
    "linalg-generalize-named-ops,one-shot-bufferize{bufferize-function-boundaries=1 "
    "function-boundary-type-conversion=identity-layout-map},"
    "buffer-results-to-out-params{modify-public-functions=1}"
)
_LOOPS = "func.func(convert-linalg-to-affine-loops)"


def to_loops(text: str, rng: random.Random) -> str | None:
    """The function of ``text`` (linalg on tensors) as loops; None where a pass refuses it."""
    passes = [_BUFFERS, _LOOPS, "canonicalize", "cse"]
    if rng.random() < 0.4:
        passes.append("func.func(affine-loop-fusion)")
    if rng.random() < 0.4:
        passes.append(f"func.func(affine-loop-tile{{tile-size={rng.choice((4, 8, 16, 32, 64))}}})")
    if rng.random() < 0.5:
        passes.append("func.func(affine-scalrep)")
    if rng.random() < 0.3:
        passes.append(f"func.func(affine-loop-unroll{{unroll-factor={rng.choice((2, 4, 8))}}})")
    elif rng.random() < 0.5:
        passes.append("func.func(affine-parallelize{max-nested=1})")
    if rng.random() < 0.35:
        passes.append("lower-affine")
    passes += ["canonicalize", "cse"]
    context = ir.Context()
    try:
        module = ir.Module.parse(text, context)
        with context:
            passmanager.PassManager.parse(f"builtin.module({','.join(passes)})").run(
                module.operation
            )
    except ir.MLIRError:
        return None
    return str(module)
