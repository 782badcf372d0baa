"""From MLIR (linalg on tensors) to TensorIR, one structured block for each op."""

from costmodel.backends.tvm.lowering.function import lower

__all__ = ["lower"]
