"""What the families draw from and write with: shapes of real models, and common operations."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from activations import ACTIVATIONS
from mlir_text import Body, Function, Value

__all__ = [
    "CHANNELS", "CLASSES", "FLOATS", "HEADS", "HEAD_WIDTHS", "IMAGES", "LOW", "TOKENS", "WIDTHS",
    "Draw", "elementwise", "epilogue", "names_of", "permuted", "product", "reduced", "reduced_rows",
    "transposed",
]  # fmt: skip

#: Widths of layers: MobileBERT, ViT-S, BERT, GPT-2, Llama and others, and odd ones.
WIDTHS = (
    32, 48, 64, 80, 96, 128, 160, 192, 256, 312, 320, 384, 512, 576, 640, 768, 896, 1024, 1152,
    1280, 1536, 1600, 2048, 2304, 2560, 3072, 4096,
)  # fmt: skip
#: Tokens: CLIP has 77, ViT 50 and 197, Swin 49, DeiT-distilled 198.
TOKENS = (1, 8, 16, 32, 49, 50, 64, 77, 100, 128, 144, 196, 197, 198, 256, 384, 512, 577, 1024)
HEADS, HEAD_WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16, 20), (16, 24, 32, 48, 64, 80, 96, 128)
IMAGES = (4, 7, 8, 10, 14, 16, 20, 28, 32, 40, 56, 64, 75, 80, 112, 150, 160, 224)
CHANNELS = (
    3, 8, 12, 16, 24, 32, 40, 48, 64, 72, 80, 96, 112, 116, 120, 128, 144, 160, 184, 192, 232, 240,
    256, 320, 384, 480, 512, 576, 672, 768, 960, 1024, 1280, 2048,
)  # fmt: skip
CLASSES = (2, 10, 100, 151, 1000, 8192)
FLOATS = ("f32", "f32", "f32", "f32", "f32", "f16", "bf16")

LOW = -1.0e30


@dataclass
class Draw:
    """What is drawn for one function."""

    rng: random.Random
    f: Function
    dtype: str

    def of(self, options: Sequence[int], limit: float = float("inf")) -> int:
        allowed = [option for option in options if option <= limit] or [min(options)]
        return self.rng.choice(allowed)

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def input(self, *shape: int, dtype: str | None = None) -> Value:
        return self.f.input(shape, dtype or self.dtype)


def names_of(rank: int) -> list[str]:
    """Of the loops of an operation."""
    return [f"d{place}" for place in range(rank)]


def elementwise(
    draw: Draw, values: Sequence[Value], scalar: Callable[[Body, list[str]], str]
) -> Value:
    """An elementwise operation; the later values are broadcast along the first one's last dims."""
    first = values[0]
    names = names_of(first.rank)
    used = [(value, _broadcast(first, value, names)) for value in values]
    loops = list(zip(names, first.shape, strict=True))
    return draw.f.generic(used, loops, scalar, out=names, dtype=draw.dtype)


def _broadcast(first: Value, value: Value, names: list[str]) -> list[str]:
    if value.shape == first.shape:
        return names
    if value.shape == first.shape[: value.rank]:  # a figure a row
        return names[: value.rank]
    return names[first.rank - value.rank :]


def reduced(draw: Draw, values: Sequence[Value], scalar: Callable[[Body, list[str]], str],
            init: float, keep: int) -> Value:  # fmt: skip
    """Reduce the dims after the first ``keep``."""
    first = values[0]
    names = names_of(first.rank)
    used = [(value, _broadcast(first, value, names)) for value in values]
    loops = list(zip(names, first.shape, strict=True))
    return draw.f.generic(used, loops, scalar, out=names[:keep], dtype=draw.dtype, init=init)


def reduced_rows(
    draw: Draw, x: Value, scalar: Callable[[Body, list[str]], str], init: float
) -> Value:
    """Reduce the first dim."""
    names = names_of(x.rank)
    loops = list(zip(names, x.shape, strict=True))
    return draw.f.generic([(x, names)], loops, scalar, out=names[1:], dtype=draw.dtype, init=init)


def product(draw: Draw, a: Value, b: Value, *, transposed: bool) -> Value:
    """A product of the last dims, with leading batch dims of ``a`` and maybe ``b``: a generic."""
    batch = [f"b{place}" for place in range(a.rank - 2)]
    (m, k), n = a.shape[-2:], b.shape[-2] if transposed else b.shape[-1]
    loops = [*zip(batch, a.shape, strict=False), ("m", m), ("n", n), ("k", k)]
    right = [*(batch if b.rank > 2 else []), *(["n", "k"] if transposed else ["k", "n"])]

    def scalar(body: Body, e: list[str]) -> str:
        return body.op("arith.addf", e[2], body.op("arith.mulf", e[0], e[1]))

    used = [(a, [*batch, "m", "k"]), (b, right)]
    return draw.f.generic(used, loops, scalar, out=[*batch, "m", "n"], dtype=draw.dtype, init=0.0)


def permuted(draw: Draw, names: list[str]) -> list[str]:
    """The loops in another order."""
    order = names[:]
    while order == names:
        draw.rng.shuffle(order)
    return order


def transposed(
    draw: Draw, x: Value, order: list[str], scalar: Callable[[Body, list[str]], str]
) -> Value:
    """The dims of ``x`` in the order of ``permuted``."""
    names = names_of(x.rank)
    extents = dict(zip(names, x.shape, strict=True))
    loops = [(name, extents[name]) for name in order]
    return draw.f.generic([(x, names)], loops, scalar, out=order, dtype=draw.dtype)


def epilogue(draw: Draw, x: Value, *, channels: int = -1) -> Value:
    """Bias, scale, activation, residual, some of them in one operation and some in their own."""
    f, rng = draw.f, draw.rng
    axis = channels % x.rank
    steps = [step for step in ("bias", "scale", "activation", "residual") if draw.chance(0.4)]
    names = names_of(x.rank)
    loops = list(zip(names, x.shape, strict=True))
    pending: list[tuple[str, Value | None]] = []
    for step in steps:
        other = None
        if step in ("bias", "scale"):
            other = draw.input(x.shape[axis])
        elif step == "residual":
            other = draw.input(*x.shape)
        pending.append((step, other))
    groups = [pending] if draw.chance(0.5) else [[one] for one in pending]
    for group in groups:
        if not group:
            continue
        used: list[tuple[Value, Sequence[str]]] = [(x, names)]
        for _, other in group:
            if other is not None:
                used.append((other, names if other.rank == x.rank else [names[axis]]))
        activation = ACTIVATIONS[rng.choice(list(ACTIVATIONS))]

        def scalar(b: Body, e: list[str], group=group, activation=activation) -> str:  # type: ignore[no-untyped-def]
            value, rest = e[0], iter(e[1:])
            for step, _ in group:
                if step == "activation":
                    value = activation(b, value)
                else:
                    name = "arith.mulf" if step == "scale" else "arith.addf"
                    value = b.op(name, value, next(rest))
            return value

        x = f.generic(used, loops, scalar, out=names, dtype=x.dtype)
    return x
