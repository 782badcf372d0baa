"""Convolutions of one point as the matrix products that they are.

IREE folds the dimensions of extent one of a convolution and makes a matrix product of it, and
what was said of the operation is lost on the way. Said of the matrix product it is kept, and the
program is the one that IREE would have come to.
"""

from __future__ import annotations

from math import prod

from iree.compiler import ir

from costmodel.ir.analysis import Loop

__all__ = ["as_matmul", "is_pointwise", "matmul_loops"]

_NHWC, _NCHW = "linalg.conv_2d_nhwc_hwcf", "linalg.conv_2d_nchw_fchw"


def is_pointwise(op: ir.OpView) -> bool:
    """Whether an operation is a convolution of one point, without strides."""
    name = op.operation.name
    if name not in (_NHWC, _NCHW) or not len(op.results):
        return False
    image, filters = (op.operands[n].type.shape for n in range(2))
    if "strides" in op.attributes and any(int(stride) != 1 for stride in op.attributes["strides"]):
        return False
    if name == _NHWC:
        return list(filters[:2]) == [1, 1]
    return list(filters[2:]) == [1, 1] and image[0] == 1


def matmul_loops(op: ir.OpView) -> tuple[Loop, ...]:
    """The loops of the matrix product: rows, columns, and the reduction."""
    filters, result = op.operands[1].type.shape, op.results[0].type.shape
    if op.operation.name == _NHWC:
        extents = (prod(result[:3]), filters[3], filters[2])
    else:
        extents = (filters[0], prod(result[2:]), filters[1])
    kinds = ("parallel", "parallel", "reduction")
    return tuple(Loop(extent, kind) for extent, kind in zip(extents, kinds, strict=True))


def as_matmul(op: ir.OpView) -> ir.OpView:
    """Put the matrix product in the place of a convolution of one point; the new operation."""
    image, filters, init = op.operands
    result = op.results[0]
    rows, columns = [[0, 1, 2], [3]], [[0, 1], [2, 3]]
    first, second = (image, filters), (rows, rows)
    kept = rows
    if op.operation.name == _NCHW:
        first, second, kept = (filters, image), ([[0], [1, 2, 3]], columns), columns
    with ir.InsertionPoint(op), op.operation.location:
        operands = [_collapsed(value, groups) for value, groups in zip(first, second, strict=True)]
        flat = _collapsed(init, kept)
        product = _matmul(operands[0], operands[1], flat)
        expanded = _expanded(product.operation.results[0], result.type, kept)
    result.replace_all_uses_with(expanded)
    op.operation.erase()
    return product


def _collapsed(value: ir.Value, groups: list[list[int]]) -> ir.Value:
    shape = value.type.shape
    kind = ir.RankedTensorType.get(
        [prod(shape[axis] for axis in group) for group in groups], value.type.element_type
    )
    return ir.Operation.create(
        "tensor.collapse_shape", results=[kind], operands=[value],
        attributes={"reassociation": _reassociation(groups)},
    ).results[0]  # fmt: skip


def _expanded(value: ir.Value, kind: ir.Type, groups: list[list[int]]) -> ir.Value:
    attributes = {
        "reassociation": _reassociation(groups),
        "static_output_shape": ir.DenseI64ArrayAttr.get(list(kind.shape)),
    }
    return ir.Operation.create(
        "tensor.expand_shape", results=[kind], operands=[value], attributes=attributes
    ).results[0]


def _reassociation(groups: list[list[int]]) -> ir.ArrayAttr:
    i64 = ir.IntegerType.get_signless(64)
    return ir.ArrayAttr.get([
        ir.ArrayAttr.get([ir.IntegerAttr.get(i64, axis) for axis in group]) for group in groups
    ])  # fmt: skip


def _matmul(left: ir.Value, right: ir.Value, init: ir.Value) -> ir.OpView:
    from iree.compiler.dialects import linalg

    made = linalg.matmul(left, right, outs=[init])
    owner = made.owner if isinstance(made, ir.Value) else made
    return owner if isinstance(owner, ir.OpView) else owner.opview
