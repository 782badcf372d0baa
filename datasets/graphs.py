"""Random but plausible functions: what models consist of, over shapes of real models.

``generate(family, rng)`` writes one function of a family. Families are what a split holds out, so
two that share their heaviest operation are one family.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from activations import ACTIVATIONS, add, exp_sum, maximum
from drawing import (
    CHANNELS,
    CLASSES,
    FLOATS,
    HEAD_WIDTHS,
    HEADS,
    IMAGES,
    LOW,
    TOKENS,
    WIDTHS,
    Draw,
    elementwise,
    epilogue,
    names_of,
    permuted,
    product,
    reduced,
    reduced_rows,
    transposed,
)  # fmt: skip
from images import batchnorm, conv1d, conv2d, depthwise, pooling
from mlir_text import Body, Function, Value

__all__ = ["FAMILIES", "generate"]


def _matmul(draw: Draw) -> Value:
    m, k, n = draw.of(TOKENS), draw.of(WIDTHS), draw.of([*WIDTHS, *CLASSES])
    a = draw.input(m, k)
    if draw.chance(0.35):
        return epilogue(draw, product(draw, a, draw.input(n, k), transposed=True))
    return epilogue(draw, draw.f.named("matmul", [a, draw.input(k, n)], (m, n), draw.dtype))


def _mlp(draw: Draw) -> Value:
    m, k, n = draw.of(TOKENS, 256), draw.of(WIDTHS, 1024), draw.of(WIDTHS, 3072)
    x = draw.input(m, k)
    hidden = draw.f.named("matmul", [x, draw.input(k, n)], (m, n), draw.dtype)
    if draw.chance(0.4):  # gated, as in Llama
        gate = draw.f.named("matmul", [x, draw.input(k, n)], (m, n), draw.dtype)
        hidden = elementwise(draw, [hidden, gate], lambda b, e: b.op(
            "arith.mulf", e[0], ACTIVATIONS["silu"](b, e[1])))  # fmt: skip
    else:
        activation = draw.rng.choice(["gelu_erf", "gelu_tanh", "relu", "silu"])
        bias = draw.input(n)
        hidden = elementwise(draw, [hidden, bias], lambda b, e: ACTIVATIONS[activation](
            b, b.op("arith.addf", e[0], e[1])))  # fmt: skip
    if draw.chance(0.4):
        return hidden
    return epilogue(draw, draw.f.named("matmul", [hidden, draw.input(n, k)], (m, k), draw.dtype))


def _batch_matmul(draw: Draw) -> Value:
    b, m, k, n = draw.of(HEADS), draw.of(TOKENS, 512), draw.of(HEAD_WIDTHS), draw.of(TOKENS, 512)
    if draw.chance(0.5):
        k, n = n, k
    left = draw.input(b, m, k)
    if draw.chance(0.5):
        x = product(draw, left, draw.input(b, n, k), transposed=True)
    else:
        x = draw.f.named("batch_matmul", [left, draw.input(b, k, n)], (b, m, n), draw.dtype)
    scale = draw.rng.uniform(0.05, 1.0)
    if draw.chance(0.5):
        x = elementwise(
            draw, [x], lambda body, e: body.op("arith.mulf", e[0], body.constant(scale))
        )
    return x


def _matvec(draw: Draw) -> Value:
    k, n = draw.of(WIDTHS), draw.of([*WIDTHS, 8192, 11008])
    if draw.chance(0.5):
        x = draw.f.named("vecmat", [draw.input(k), draw.input(k, n)], (n,), draw.dtype)
    else:
        x = draw.f.named("matvec", [draw.input(n, k), draw.input(k)], (n,), draw.dtype)
    return epilogue(draw, x)


def _int8(draw: Draw) -> Value:
    m, k, n = draw.of(TOKENS, 512), draw.of(WIDTHS, 3072), draw.of(WIDTHS, 3072)
    a, b = draw.input(m, k, dtype="i8"), draw.input(k, n, dtype="i8")
    x = draw.f.named("matmul", [a, b], (m, n), "i32")
    if draw.chance(0.3):
        return x
    names, scale = names_of(2), draw.rng.uniform(1e-4, 1e-2)
    used: list[tuple[Value, Sequence[str]]] = [(x, names)]
    if draw.chance(0.6):
        used.append((draw.input(n, dtype="f32"), names[1:]))

    def scalar(body: Body, e: list[str]) -> str:
        value = body.op("arith.sitofp", e[0], suffix="i32 to f32")
        value = body.op("arith.mulf", value, body.constant(scale))
        return body.op("arith.addf", value, e[1]) if len(e) > 1 else value

    return draw.f.generic(used, [("d0", m), ("d1", n)], scalar, out=names, dtype="f32")


def _attention(draw: Draw) -> Value:
    heads, q, width = draw.of(HEADS, 12), draw.of(TOKENS, 256), draw.of(HEAD_WIDTHS)
    keys = q if draw.chance(0.7) else draw.of(TOKENS, 256)
    query, key = draw.input(heads, q, width), draw.input(heads, keys, width)
    x = product(draw, query, key, transposed=True)
    x = elementwise(draw, [x], lambda b, e: b.op("arith.mulf", e[0], b.constant(width**-0.5)))
    if draw.chance(0.4):
        mask = draw.input(q, keys)
        x = elementwise(draw, [x, mask], lambda b, e: b.op("arith.addf", e[0], e[1]))
    x = _softmax_of(draw, x)
    value = draw.input(heads, keys, width)
    return draw.f.named("batch_matmul", [x, value], (heads, q, width), draw.dtype)


def _softmax_of(draw: Draw, x: Value) -> Value:
    keep = x.rank - 1
    low = LOW if draw.dtype != "f16" else -6.0e4
    top = reduced(draw, [x], maximum, low, keep)
    x = elementwise(draw, [x, top], lambda b, e: b.op("math.exp", b.op("arith.subf", e[0], e[1])))
    total = reduced(draw, [x], add, 0.0, keep)
    return elementwise(draw, [x, total], lambda b, e: b.op("arith.divf", e[0], e[1]))


def _rows(draw: Draw) -> Value:
    """A tensor whose last dim is to be reduced."""
    if draw.chance(0.35):
        return draw.input(draw.of(HEADS), draw.of(TOKENS, 256), draw.of(TOKENS, 512))
    return draw.input(draw.of(TOKENS), draw.of([*WIDTHS, *CLASSES]))


def _softmax(draw: Draw) -> Value:
    x = _rows(draw)
    if draw.chance(0.3):
        scale = draw.rng.uniform(0.05, 1.0)
        x = elementwise(draw, [x], lambda b, e: b.op("arith.mulf", e[0], b.constant(scale)))
    if draw.chance(0.25):  # logsumexp
        low = LOW if draw.dtype != "f16" else -6.0e4
        top = reduced(draw, [x], maximum, low, x.rank - 1)
        total = reduced(draw, [x, top], exp_sum, 0.0, x.rank - 1)
        return elementwise(
            draw, [total, top], lambda b, e: b.op("arith.addf", b.op("math.log", e[0]), e[1])
        )
    return _softmax_of(draw, x)


def _norm(draw: Draw) -> Value:
    """Layer or RMS normalization, with residual, scale and shift as they come."""
    x = draw.input(draw.of(TOKENS), draw.of(WIDTHS))
    width = float(x.shape[-1])
    if draw.chance(0.35):
        x = elementwise(
            draw, [x, draw.input(*x.shape)], lambda b, e: b.op("arith.addf", e[0], e[1])
        )
    centred = x
    if draw.chance(0.6):
        total = reduced(draw, [x], add, 0.0, 1)
        centred = elementwise(draw, [x, total], lambda b, e: b.op(
            "arith.subf", e[0], b.op("arith.divf", e[1], b.constant(width))))  # fmt: skip
    square = reduced(draw, [centred], lambda b, e: b.op(
        "arith.addf", e[1], b.op("arith.mulf", e[0], e[0])), 0.0, 1)  # fmt: skip
    root = elementwise(draw, [square], lambda b, e: b.op("math.rsqrt", b.op(
        "arith.addf", b.op("arith.divf", e[0], b.constant(width)), b.constant(1e-5))))  # fmt: skip
    x = elementwise(draw, [centred, root], lambda b, e: b.op("arith.mulf", e[0], e[1]))
    scale = draw.input(x.shape[-1])
    if draw.chance(0.6):
        shift = draw.input(x.shape[-1])
        return _last_dim(draw, x, [scale, shift])
    return _last_dim(draw, x, [scale])


def _last_dim(draw: Draw, x: Value, others: Sequence[Value]) -> Value:
    names = names_of(x.rank)
    used = [(x, names), *((other, names[-1:]) for other in others)]

    def scalar(b: Body, e: list[str]) -> str:
        value = b.op("arith.mulf", e[0], e[1])
        return b.op("arith.addf", value, e[2]) if len(e) > 2 else value

    loops = list(zip(names, x.shape, strict=True))
    return draw.f.generic(used, loops, scalar, out=names, dtype=draw.dtype)


def _reduction(draw: Draw) -> Value:
    x = _rows(draw)
    kind = draw.rng.choice(["sum", "max", "mean", "norm", "dot"])
    if kind == "dot":
        return reduced(draw, [x, draw.input(*x.shape)], lambda b, e: b.op(
            "arith.addf", e[2], b.op("arith.mulf", e[0], e[1])), 0.0, x.rank - 1)  # fmt: skip
    if draw.chance(0.3):  # of the columns
        return reduced_rows(draw, x, add, 0.0)
    if kind == "max":
        return reduced(draw, [x], maximum, -6.0e4, x.rank - 1)
    if kind == "norm":
        total = reduced(draw, [x], lambda b, e: b.op(
            "arith.addf", e[1], b.op("arith.mulf", e[0], e[0])), 0.0, x.rank - 1)  # fmt: skip
        return elementwise(draw, [total], lambda b, e: b.op("math.sqrt", e[0]))
    total = reduced(draw, [x], add, 0.0, x.rank - 1)
    if kind == "sum":
        return total
    count = float(x.shape[-1])
    return elementwise(draw, [total], lambda b, e: b.op("arith.divf", e[0], b.constant(count)))


def _elementwise(draw: Draw) -> Value:
    """A random graph of elementwise operations with broadcasts."""
    if draw.chance(0.5):
        shape: tuple[int, ...] = (draw.of(TOKENS), draw.of(WIDTHS))
    else:
        shape = (draw.of(CHANNELS, 512), draw.of(IMAGES, 80), draw.of(IMAGES, 80))
    values = [draw.input(*shape)]
    for _ in range(draw.rng.randint(1, 5)):
        x = draw.rng.choice(values[-2:])
        if draw.chance(0.5):
            name = draw.rng.choice(list(ACTIVATIONS))
            values.append(elementwise(draw, [x], lambda b, e, n=name: ACTIVATIONS[n](b, e[0])))
            continue
        op = draw.rng.choice(["arith.addf", "arith.mulf", "arith.subf", "arith.maximumf"])
        kind = draw.rng.random()
        if kind < 0.4 and len(values) > 1:
            other = draw.rng.choice(values)
        elif kind < 0.7:
            other = draw.input(shape[-1])
        else:
            other = draw.input(*shape)
        values.append(elementwise(draw, [x, other], lambda b, e, o=op: b.op(o, e[0], e[1])))
    return values[-1]


def _transpose(draw: Draw) -> Value:
    rank = draw.rng.choice([2, 3, 3, 4])
    if rank == 2:
        shape: tuple[int, ...] = (draw.of(TOKENS), draw.of(WIDTHS))
    elif rank == 3:
        shape = (draw.of(TOKENS, 512), draw.of(HEADS), draw.of(HEAD_WIDTHS))
    else:
        shape = (1, draw.of(CHANNELS, 256), draw.of(IMAGES, 64), draw.of(IMAGES, 64))
    x, names = draw.input(*shape), names_of(rank)
    order = permuted(draw, names)
    activation = ACTIVATIONS[draw.rng.choice(list(ACTIVATIONS))]
    keep = draw.chance(0.6)
    return transposed(draw, x, order, lambda b, e: e[0] if keep else activation(b, e[0]))


def _rope(draw: Draw) -> Value:
    """Rotary embedding: halves of the head rotated by tables of cosines and sines."""
    tokens, heads, half = draw.of(TOKENS), draw.of(HEADS), draw.of(HEAD_WIDTHS) // 2
    first, second = draw.input(tokens, heads, half), draw.input(tokens, heads, half)
    cosine, sine = draw.input(tokens, half), draw.input(tokens, half)
    names = names_of(3)
    table = [names[0], names[2]]
    loops = list(zip(names, first.shape, strict=True))

    def scalar(b: Body, e: list[str]) -> str:
        return b.op("arith.subf", b.op("arith.mulf", e[0], e[2]), b.op("arith.mulf", e[1], e[3]))

    used = [(first, names), (second, names), (cosine, table), (sine, table)]
    return draw.f.generic(used, loops, scalar, out=names, dtype=draw.dtype)


def _embedding(draw: Draw) -> Value:
    """Rows of a table by index, with another table added as it comes."""
    tokens, width, rows = draw.of(TOKENS), draw.of(WIDTHS, 1024), draw.of((512, 1000, 2048, 8192))
    table = draw.input(rows, width)
    indices = draw.input(tokens, dtype="i32")
    names = names_of(2)
    used: list[tuple[Value, Sequence[str]]] = [(indices, names[:1])]
    if draw.chance(0.5):
        used.append((draw.input(tokens, width), names))

    def scalar(b: Body, e: list[str]) -> str:
        b.lines.append(f"%row = arith.index_cast {e[0]} : i32 to index")
        b.lines.append("%column = linalg.index 1 : index")
        b.lines.append(f"%found = tensor.extract {table.name}[%row, %column] : {table.type}")
        return b.op("arith.addf", "%found", e[1]) if len(e) > 1 else "%found"

    return draw.f.generic(used, [("d0", tokens), ("d1", width)], scalar, out=names,
                          dtype=draw.dtype)  # fmt: skip


FAMILIES: dict[str, tuple[Callable[[Draw], Value], float]] = {
    "matmul": (_matmul, 3.0),
    "mlp": (_mlp, 1.0),
    "batch_matmul": (_batch_matmul, 1.5),
    "matvec": (_matvec, 1.0),
    "int8": (_int8, 0.6),
    "attention": (_attention, 1.0),
    "softmax": (_softmax, 1.2),
    "norm": (_norm, 1.2),
    "reduction": (_reduction, 1.2),
    "elementwise": (_elementwise, 2.0),
    "transpose": (_transpose, 0.8),
    "conv2d": (conv2d, 3.0),
    "depthwise": (depthwise, 1.5),
    "conv1d": (conv1d, 0.8),
    "pooling": (pooling, 0.8),
    "batchnorm": (batchnorm, 0.6),
    "rope": (_rope, 0.4),
    "embedding": (_embedding, 0.4),
}


def generate(family: str, rng: random.Random, name: str) -> str:
    """A function of the family, as MLIR text."""
    make, _ = FAMILIES[family]
    function = Function(name)
    draw = Draw(rng, function, rng.choice(FLOATS))
    return function.text(make(draw))
