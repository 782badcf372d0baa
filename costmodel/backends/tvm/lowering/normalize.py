"""From the canonical text to generics: named ops, softmax and element-wise ops on tensors."""

from __future__ import annotations

from typing import Any

from iree.compiler import ir, passmanager

from costmodel.errors import UnsupportedError
from costmodel.ir.parse import parse_trusted

__all__ = ["normalized"]

#: Softmax becomes four generics; ``use-fusion=false`` keeps it from fusing them into one nest.
_PIPELINE = (
    "builtin.module("
    "func.func(iree-codegen-decompose-softmax{use-fusion=false},convert-elementwise-to-linalg),"
    "linalg-generalize-named-ops,"
    "canonicalize,cse)"
)


def normalized(text: str) -> Any:
    """A module of trusted canonical text, all of its structured ops as ``linalg.generic``.

    Keep the module for as long as anything of it is used. Raises UnsupportedError.
    """
    module = parse_trusted(text)
    with module.context:
        try:
            passmanager.PassManager.parse(_PIPELINE).run(module.operation)
        except ir.MLIRError as error:
            raise UnsupportedError(
                f"MLIR cannot bring the function into generic form: {error}"
            ) from error
    return module
