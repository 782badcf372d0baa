"""Mixtures: random chains of what functions consist of, like no model in particular.

What a model learns of families by their names does not help it on a family that it never saw. Here
elementwise expressions, broadcasts, reductions, products and transpositions follow each other as
they are drawn, so that only what they cost by themselves, and next to each other, is left to learn.
"""

from __future__ import annotations

import random
from math import prod

from activations import ACTIVATIONS, add, maximum
from drawing import (
    CHANNELS,
    FLOATS,
    HEAD_WIDTHS,
    HEADS,
    IMAGES,
    TOKENS,
    WIDTHS,
    Draw,
    elementwise,
    names_of,
    permuted,
    product,
    reduced,
    reduced_rows,
    transposed,
)
from mlir_text import Body, Function, Value

__all__ = ["mixture"]

#: Elements of a tensor, and operations of a product, at the most.
_ELEMENTS, _PRODUCTS = 1 << 22, 2e8
_BINARY = ("arith.addf", "arith.mulf", "arith.subf", "arith.maximumf", "arith.minimumf")


def mixture(rng: random.Random, name: str) -> str:
    """A function of two to seven operations, as MLIR text."""
    function = Function(name)
    draw = Draw(rng, function, rng.choice(FLOATS))
    values = [draw.input(*_shape(draw))]
    for _ in range(rng.randint(2, 7)):
        x = values[-1] if draw.chance(0.75) else rng.choice(values)
        step = rng.choices(
            (_expression, _joined, _reduction, _product, _transposition), (3.0, 3.0, 2.0, 1.0, 0.6)
        )[0]
        made = step(draw, x, values)
        if made is not None:
            values.append(made)
    results = [values[-1]]
    if len(values) > 2 and draw.chance(0.1):
        results.append(values[-2])
    return function.text(*results)


def _shape(draw: Draw) -> tuple[int, ...]:
    shape: tuple[int, ...] = ()
    while not shape or prod(shape) > _ELEMENTS:
        rank = draw.rng.choice((1, 2, 2, 2, 3, 3, 4))
        if rank == 1:
            shape = (draw.of(WIDTHS) * draw.rng.choice((1, 16, 64)),)
        elif rank == 2:
            shape = (draw.of(TOKENS), draw.of(WIDTHS))
        elif rank == 3:
            shape = (
                draw.of(HEADS),
                draw.of(TOKENS),
                draw.of(draw.rng.choice((HEAD_WIDTHS, TOKENS))),
            )
        else:
            shape = (1, draw.of(IMAGES), draw.of(IMAGES), draw.of(CHANNELS))
            if draw.chance(0.4):
                shape = (1, shape[3], *shape[1:3])
    return shape


def _expression(draw: Draw, x: Value, values: list[Value]) -> Value:
    """One to four scalar functions, one after the other, in one operation."""
    names = [draw.rng.choice(list(ACTIVATIONS)) for _ in range(draw.rng.choice((1, 1, 2, 3, 4)))]
    roots = draw.chance(0.25)

    def scalar(b: Body, e: list[str]) -> str:
        value = e[0]
        for name in names:
            value = ACTIVATIONS[name](b, value)
        if roots:
            value = b.op("math.rsqrt", b.op("arith.addf", b.op("math.absf", value),
                                            b.constant(0.01)))  # fmt: skip
        return value

    return elementwise(draw, [x], scalar)


def _joined(draw: Draw, x: Value, values: list[Value]) -> Value:
    """With another value, or with inputs: of the same shape, or broadcast along rows or columns."""
    fitting = [v for v in values if v is not x and _fits(v, x)]
    others = []
    for _ in range(draw.rng.choice((1, 1, 2))):
        if fitting and draw.chance(0.6):
            others.append(draw.rng.choice(fitting))
        elif draw.chance(0.5) or x.rank == 1:
            others.append(draw.input(*x.shape))
        elif draw.chance(0.6):
            others.append(draw.input(x.shape[-1]))
        else:
            others.append(draw.input(*x.shape[:-1]))
    ops = [draw.rng.choice(_BINARY) for _ in others]
    divides = draw.chance(0.15)
    name = draw.rng.choice(list(ACTIVATIONS)) if draw.chance(0.4) else None

    def scalar(b: Body, e: list[str]) -> str:
        value = e[0]
        for op, other in zip(ops, e[1:], strict=False):
            value = b.op(op, value, other)
        if divides:
            floor = b.op("arith.addf", b.op("math.absf", e[1]), b.constant(0.5))
            value = b.op("arith.divf", value, floor)
        return value if name is None else ACTIVATIONS[name](b, value)

    return elementwise(draw, [x, *others], scalar)


def _fits(value: Value, x: Value) -> bool:
    """Whether it can be broadcast to the shape of ``x``."""
    return value.dtype == x.dtype and (
        value.shape in (x.shape, x.shape[: value.rank], x.shape[x.rank - value.rank :])
        and 0 < value.rank <= x.rank
    )


def _reduction(draw: Draw, x: Value, values: list[Value]) -> Value | None:
    """Along the last dims or the first one: sums, largest, sums of squares or of functions."""
    if x.rank < 2:
        return None
    kind = draw.rng.choice(("sum", "max", "squares", "function"))
    name = draw.rng.choice(("exp", "abs", "sigmoid", "tanh"))

    def squares(b: Body, e: list[str]) -> str:
        return b.op("arith.addf", b.op("arith.mulf", e[0], e[0]), e[-1])

    def of_function(b: Body, e: list[str]) -> str:
        return b.op("arith.addf", ACTIVATIONS[name](b, e[0]), e[-1])

    scalar = {"sum": add, "max": maximum, "squares": squares, "function": of_function}[kind]
    init = -6.0e4 if kind == "max" else 0.0
    if draw.chance(0.2):
        return reduced_rows(draw, x, scalar, init)
    return reduced(draw, [x], scalar, init, x.rank - draw.rng.choice((1, 1, 1, 2)) or 1)


def _product(draw: Draw, x: Value, values: list[Value]) -> Value | None:
    """With a matrix of weights, along the last dim; named or generic."""
    if x.rank < 2 or x.dtype != draw.dtype:
        return None
    k, rows = x.shape[-1], prod(x.shape[:-1])
    allowed = [n for n in (*WIDTHS, *HEAD_WIDTHS) if rows * k * n <= _PRODUCTS]
    if not allowed:
        return None
    n = draw.rng.choice(allowed)
    if x.rank == 2 and draw.chance(0.5):
        return draw.f.named("matmul", [x, draw.input(k, n)], (x.shape[0], n), draw.dtype)
    turned = draw.chance(0.5)
    weights = draw.input(n, k) if turned else draw.input(k, n)
    return product(draw, x, weights, transposed=turned)


def _transposition(draw: Draw, x: Value, values: list[Value]) -> Value | None:
    if x.rank < 2:
        return None
    return transposed(draw, x, permuted(draw, names_of(x.rank)), lambda b, e: e[0])
