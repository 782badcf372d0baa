"""Random but plausible functions: what models consist of, over shapes of real models.

``generate(family, rng)`` writes one function of a family. Families are what a split holds out, so
two that share their heaviest operation are one family.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlir_text import Body, Function, Value

__all__ = ["FAMILIES", "generate"]

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

_LOW = -1.0e30


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


def _names(rank: int) -> list[str]:
    return [f"d{place}" for place in range(rank)]


def _map(draw: Draw, values: Sequence[Value], scalar: Callable[[Body, list[str]], str]) -> Value:
    """An elementwise operation; the later values are broadcast along the first one's last dims."""
    first = values[0]
    names = _names(first.rank)
    used = [(value, _broadcast(first, value, names)) for value in values]
    loops = list(zip(names, first.shape, strict=True))
    return draw.f.generic(used, loops, scalar, out=names, dtype=draw.dtype)


def _broadcast(first: Value, value: Value, names: list[str]) -> list[str]:
    if value.shape == first.shape:
        return names
    if value.shape == first.shape[: value.rank]:  # a figure a row
        return names[: value.rank]
    return names[first.rank - value.rank :]


def _reduce(draw: Draw, values: Sequence[Value], scalar: Callable[[Body, list[str]], str],
            init: float, keep: int) -> Value:  # fmt: skip
    """Reduce the dims after the first ``keep``."""
    first = values[0]
    names = _names(first.rank)
    used = [(value, _broadcast(first, value, names)) for value in values]
    loops = list(zip(names, first.shape, strict=True))
    return draw.f.generic(used, loops, scalar, out=names[:keep], dtype=draw.dtype, init=init)


# Scalar pieces -----------------------------------------------------------------------------------


def _gelu_erf(b: Body, x: str) -> str:
    inner = b.op("math.erf", b.op("arith.mulf", x, b.constant(0.70710678)))
    return b.op("arith.mulf", b.op("arith.mulf", x, b.constant(0.5)),
                b.op("arith.addf", inner, b.constant(1.0)))  # fmt: skip


def _gelu_tanh(b: Body, x: str) -> str:
    cube = b.op("arith.mulf", x, b.op("arith.mulf", x, x))
    inner = b.op("arith.addf", x, b.op("arith.mulf", cube, b.constant(0.044715)))
    tanh = b.op("math.tanh", b.op("arith.mulf", inner, b.constant(0.7978845)))
    half = b.op("arith.mulf", x, b.constant(0.5))
    return b.op("arith.mulf", half, b.op("arith.addf", tanh, b.constant(1.0)))


def _sigmoid(b: Body, x: str) -> str:
    one = b.constant(1.0)
    return b.op("arith.divf", one, b.op("arith.addf", one, b.op("math.exp", b.op("arith.negf", x))))


def _clamp(b: Body, x: str, low: float, high: float) -> str:
    up = b.op("arith.maximumf", x, b.constant(low))
    return b.op("arith.minimumf", up, b.constant(high))


def _hard_sigmoid(b: Body, x: str) -> str:
    shifted = b.op("arith.addf", x, b.constant(3.0))
    return b.op("arith.mulf", _clamp(b, shifted, 0.0, 6.0), b.constant(1 / 6))


def _exp(b: Body, x: str) -> str:
    """Bounded, so that no graph of these overflows."""
    return b.op("math.exp", b.op("arith.minimumf", x, b.constant(4.0)))


def _leaky(b: Body, x: str) -> str:
    positive = b.compare("ogt", x, b.constant(0.0))
    return b.select(positive, x, b.op("arith.mulf", x, b.constant(0.01)))


ACTIVATIONS: dict[str, Callable[[Body, str], str]] = {
    "relu": lambda b, x: b.op("arith.maximumf", x, b.constant(0.0)),
    "relu6": lambda b, x: _clamp(b, x, 0.0, 6.0),
    "sigmoid": _sigmoid,
    "silu": lambda b, x: b.op("arith.mulf", x, _sigmoid(b, x)),
    "hard_swish": lambda b, x: b.op("arith.mulf", x, _hard_sigmoid(b, x)),
    "gelu_erf": _gelu_erf,
    "gelu_tanh": _gelu_tanh,
    "tanh": lambda b, x: b.op("math.tanh", x),
    "exp": lambda b, x: _exp(b, x),
    "square": lambda b, x: b.op("arith.mulf", x, x),
    "abs": lambda b, x: b.op("math.absf", x),
    "sqrt": lambda b, x: b.op("math.sqrt", b.op("math.absf", x)),
    "softplus": lambda b, x: b.op("math.log1p", _exp(b, x)),
    "leaky_relu": _leaky,
}  # fmt: skip


def _epilogue(draw: Draw, x: Value, *, channels: int = -1) -> Value:
    """Bias, scale, activation, residual, some of them in one operation and some in their own."""
    f, rng = draw.f, draw.rng
    axis = channels % x.rank
    steps = [step for step in ("bias", "scale", "activation", "residual") if draw.chance(0.4)]
    names = _names(x.rank)
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


# Families ----------------------------------------------------------------------------------------


def _matmul(draw: Draw) -> Value:
    m, k, n = draw.of(TOKENS), draw.of(WIDTHS), draw.of([*WIDTHS, *CLASSES])
    a = draw.input(m, k)
    if draw.chance(0.35):
        return _epilogue(draw, _product(draw, a, draw.input(n, k), transposed=True))
    return _epilogue(draw, draw.f.named("matmul", [a, draw.input(k, n)], (m, n), draw.dtype))


def _product(draw: Draw, a: Value, b: Value, *, transposed: bool) -> Value:
    """A product of the last dims, with leading batch dims, as a generic."""
    batch = [f"b{place}" for place in range(a.rank - 2)]
    (m, k), n = a.shape[-2:], b.shape[-2] if transposed else b.shape[-1]
    loops = [*zip(batch, a.shape, strict=False), ("m", m), ("n", n), ("k", k)]
    right = [*batch, "n", "k"] if transposed else [*batch, "k", "n"]

    def scalar(body: Body, e: list[str]) -> str:
        return body.op("arith.addf", e[2], body.op("arith.mulf", e[0], e[1]))

    used = [(a, [*batch, "m", "k"]), (b, right)]
    return draw.f.generic(used, loops, scalar, out=[*batch, "m", "n"], dtype=draw.dtype, init=0.0)


def _mlp(draw: Draw) -> Value:
    m, k, n = draw.of(TOKENS, 256), draw.of(WIDTHS, 1024), draw.of(WIDTHS, 3072)
    x = draw.input(m, k)
    hidden = draw.f.named("matmul", [x, draw.input(k, n)], (m, n), draw.dtype)
    if draw.chance(0.4):  # gated, as in Llama
        gate = draw.f.named("matmul", [x, draw.input(k, n)], (m, n), draw.dtype)
        hidden = _map(draw, [hidden, gate], lambda b, e: b.op(
            "arith.mulf", e[0], ACTIVATIONS["silu"](b, e[1])))  # fmt: skip
    else:
        activation = draw.rng.choice(["gelu_erf", "gelu_tanh", "relu", "silu"])
        bias = draw.input(n)
        hidden = _map(draw, [hidden, bias], lambda b, e: ACTIVATIONS[activation](
            b, b.op("arith.addf", e[0], e[1])))  # fmt: skip
    if draw.chance(0.4):
        return hidden
    return _epilogue(draw, draw.f.named("matmul", [hidden, draw.input(n, k)], (m, k), draw.dtype))


def _batch_matmul(draw: Draw) -> Value:
    b, m, k, n = draw.of(HEADS), draw.of(TOKENS, 512), draw.of(HEAD_WIDTHS), draw.of(TOKENS, 512)
    if draw.chance(0.5):
        k, n = n, k
    left = draw.input(b, m, k)
    if draw.chance(0.5):
        x = _product(draw, left, draw.input(b, n, k), transposed=True)
    else:
        x = draw.f.named("batch_matmul", [left, draw.input(b, k, n)], (b, m, n), draw.dtype)
    scale = draw.rng.uniform(0.05, 1.0)
    if draw.chance(0.5):
        x = _map(draw, [x], lambda body, e: body.op("arith.mulf", e[0], body.constant(scale)))
    return x


def _matvec(draw: Draw) -> Value:
    k, n = draw.of(WIDTHS), draw.of([*WIDTHS, 8192, 11008])
    if draw.chance(0.5):
        x = draw.f.named("vecmat", [draw.input(k), draw.input(k, n)], (n,), draw.dtype)
    else:
        x = draw.f.named("matvec", [draw.input(n, k), draw.input(k)], (n,), draw.dtype)
    return _epilogue(draw, x)


def _int8(draw: Draw) -> Value:
    m, k, n = draw.of(TOKENS, 512), draw.of(WIDTHS, 3072), draw.of(WIDTHS, 3072)
    a, b = draw.input(m, k, dtype="i8"), draw.input(k, n, dtype="i8")
    x = draw.f.named("matmul", [a, b], (m, n), "i32")
    if draw.chance(0.3):
        return x
    names, scale = _names(2), draw.rng.uniform(1e-4, 1e-2)
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
    x = _product(draw, query, key, transposed=True)
    x = _map(draw, [x], lambda b, e: b.op("arith.mulf", e[0], b.constant(width**-0.5)))
    if draw.chance(0.4):
        mask = draw.input(q, keys)
        x = _map(draw, [x, mask], lambda b, e: b.op("arith.addf", e[0], e[1]))
    x = _softmax_of(draw, x)
    value = draw.input(heads, keys, width)
    return draw.f.named("batch_matmul", [x, value], (heads, q, width), draw.dtype)


def _maximum(b: Body, e: list[str]) -> str:
    return b.op("arith.maximumf", e[0], e[-1])


def _sum(b: Body, e: list[str]) -> str:
    return b.op("arith.addf", e[0], e[-1])


def _exp_sum(b: Body, e: list[str]) -> str:
    return b.op("arith.addf", e[2], b.op("math.exp", b.op("arith.subf", e[0], e[1])))


def _softmax_of(draw: Draw, x: Value) -> Value:
    keep = x.rank - 1
    low = _LOW if draw.dtype != "f16" else -6.0e4
    top = _reduce(draw, [x], _maximum, low, keep)
    x = _map(draw, [x, top], lambda b, e: b.op("math.exp", b.op("arith.subf", e[0], e[1])))
    total = _reduce(draw, [x], _sum, 0.0, keep)
    return _map(draw, [x, total], lambda b, e: b.op("arith.divf", e[0], e[1]))


def _rows(draw: Draw) -> Value:
    """A tensor whose last dim is to be reduced."""
    if draw.chance(0.35):
        return draw.input(draw.of(HEADS), draw.of(TOKENS, 256), draw.of(TOKENS, 512))
    return draw.input(draw.of(TOKENS), draw.of([*WIDTHS, *CLASSES]))


def _softmax(draw: Draw) -> Value:
    x = _rows(draw)
    if draw.chance(0.3):
        scale = draw.rng.uniform(0.05, 1.0)
        x = _map(draw, [x], lambda b, e: b.op("arith.mulf", e[0], b.constant(scale)))
    if draw.chance(0.25):  # logsumexp
        low = _LOW if draw.dtype != "f16" else -6.0e4
        top = _reduce(draw, [x], _maximum, low, x.rank - 1)
        total = _reduce(draw, [x, top], _exp_sum, 0.0, x.rank - 1)
        return _map(
            draw, [total, top], lambda b, e: b.op("arith.addf", b.op("math.log", e[0]), e[1])
        )
    return _softmax_of(draw, x)


def _norm(draw: Draw) -> Value:
    """Layer or RMS normalization, with residual, scale and shift as they come."""
    x = draw.input(draw.of(TOKENS), draw.of(WIDTHS))
    width = float(x.shape[-1])
    if draw.chance(0.35):
        x = _map(draw, [x, draw.input(*x.shape)], lambda b, e: b.op("arith.addf", e[0], e[1]))
    centred = x
    if draw.chance(0.6):
        total = _reduce(draw, [x], _sum, 0.0, 1)
        centred = _map(draw, [x, total], lambda b, e: b.op(
            "arith.subf", e[0], b.op("arith.divf", e[1], b.constant(width))))  # fmt: skip
    square = _reduce(draw, [centred], lambda b, e: b.op(
        "arith.addf", e[1], b.op("arith.mulf", e[0], e[0])), 0.0, 1)  # fmt: skip
    root = _map(draw, [square], lambda b, e: b.op("math.rsqrt", b.op(
        "arith.addf", b.op("arith.divf", e[0], b.constant(width)), b.constant(1e-5))))  # fmt: skip
    x = _map(draw, [centred, root], lambda b, e: b.op("arith.mulf", e[0], e[1]))
    scale = draw.input(x.shape[-1])
    if draw.chance(0.6):
        shift = draw.input(x.shape[-1])
        return _last_dim(draw, x, [scale, shift])
    return _last_dim(draw, x, [scale])


def _last_dim(draw: Draw, x: Value, others: Sequence[Value]) -> Value:
    names = _names(x.rank)
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
        return _reduce(draw, [x, draw.input(*x.shape)], lambda b, e: b.op(
            "arith.addf", e[2], b.op("arith.mulf", e[0], e[1])), 0.0, x.rank - 1)  # fmt: skip
    if draw.chance(0.3):  # of the columns
        names = _names(x.rank)
        loops = list(zip(names, x.shape, strict=True))
        return draw.f.generic([(x, names)], loops, _sum, out=names[1:], dtype=draw.dtype, init=0.0)
    if kind == "max":
        return _reduce(draw, [x], _maximum, -6.0e4, x.rank - 1)
    if kind == "norm":
        total = _reduce(draw, [x], lambda b, e: b.op(
            "arith.addf", e[1], b.op("arith.mulf", e[0], e[0])), 0.0, x.rank - 1)  # fmt: skip
        return _map(draw, [total], lambda b, e: b.op("math.sqrt", e[0]))
    total = _reduce(draw, [x], _sum, 0.0, x.rank - 1)
    if kind == "sum":
        return total
    count = float(x.shape[-1])
    return _map(draw, [total], lambda b, e: b.op("arith.divf", e[0], b.constant(count)))


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
            values.append(_map(draw, [x], lambda b, e, n=name: ACTIVATIONS[n](b, e[0])))
            continue
        op = draw.rng.choice(["arith.addf", "arith.mulf", "arith.subf", "arith.maximumf"])
        kind = draw.rng.random()
        if kind < 0.4 and len(values) > 1:
            other = draw.rng.choice(values)
        elif kind < 0.7:
            other = draw.input(shape[-1])
        else:
            other = draw.input(*shape)
        values.append(_map(draw, [x, other], lambda b, e, o=op: b.op(o, e[0], e[1])))
    return values[-1]


def _transpose(draw: Draw) -> Value:
    rank = draw.rng.choice([2, 3, 3, 4])
    if rank == 2:
        shape: tuple[int, ...] = (draw.of(TOKENS), draw.of(WIDTHS))
    elif rank == 3:
        shape = (draw.of(TOKENS, 512), draw.of(HEADS), draw.of(HEAD_WIDTHS))
    else:
        shape = (1, draw.of(CHANNELS, 256), draw.of(IMAGES, 64), draw.of(IMAGES, 64))
    x, names = draw.input(*shape), _names(rank)
    order = names[:]
    while order == names:
        draw.rng.shuffle(order)
    activation = ACTIVATIONS[draw.rng.choice(list(ACTIVATIONS))]
    keep = draw.chance(0.6)
    loops = [(name, dict(zip(names, shape, strict=True))[name]) for name in order]
    return draw.f.generic([(x, names)], loops, lambda b, e: (
        e[0] if keep else activation(b, e[0])), out=order, dtype=draw.dtype)  # fmt: skip


def _image(draw: Draw, channels: int, nchw: bool, limit: int) -> tuple[Value, int]:
    side = draw.of(IMAGES, limit)
    shape = (1, channels, side, side) if nchw else (1, side, side, channels)
    return draw.input(*shape), side


def _padded(draw: Draw, x: Value, pad: int, *, nchw: bool, value: float = 0.0) -> Value:
    if not pad:
        return x
    around = [0, 0, pad, pad] if nchw else [0, pad, pad, 0]
    shape = tuple(s + 2 * p for s, p in zip(x.shape, around, strict=True))
    out = Value("", shape, x.dtype)
    zero = draw.f.scalar(value, x.dtype)
    indices = ", ".join(f"%p{place}: index" for place in range(4))
    sizes = ", ".join(map(str, around))
    return draw.f.emit(
        f"tensor.pad {x.name} low[{sizes}] high[{sizes}] {{\n  ^bb0({indices}):\n"
        f"    tensor.yield {zero} : {x.dtype}\n  }} : {x.type} to {out.type}",
        shape,
        x.dtype,
    )


def _strides(stride: int, dilation: int = 1, dims: int = 2) -> str:
    return (
        f"strides = dense<{stride}> : tensor<{dims}xi64>, "
        f"dilations = dense<{dilation}> : tensor<{dims}xi64>"
    )


def _conv2d(draw: Draw) -> Value:
    nchw, kernel = draw.chance(0.5), draw.rng.choice([1, 1, 3, 3, 3, 5, 7])
    c, n = draw.of(CHANNELS, 512 if kernel > 1 else 1024), draw.of(CHANNELS[3:], 512)
    x, side = _image(draw, c, nchw, 64 if c * n > 4096 else 224)
    stride = draw.rng.choice([1, 1, 1, 2])
    dilation = 2 if kernel == 3 and stride == 1 and draw.chance(0.1) else 1
    reach = dilation * (kernel - 1) + 1
    pad = reach // 2 if draw.chance(0.8) else 0
    if side + 2 * pad < reach:
        pad = reach
    x = _padded(draw, x, pad, nchw=nchw)
    out = (side + 2 * pad - reach) // stride + 1
    if nchw:
        w = draw.input(n, c, kernel, kernel)
        shape, name = (1, n, out, out), "conv_2d_nchw_fchw"
    else:
        w = draw.input(kernel, kernel, c, n)
        shape, name = (1, out, out, n), "conv_2d_nhwc_hwcf"
    y = draw.f.named(name, [x, w], shape, draw.dtype, attributes=_strides(stride, dilation))
    return _epilogue(draw, y, channels=1 if nchw else -1)


def _depthwise(draw: Draw) -> Value:
    nchw, kernel = draw.chance(0.5), draw.rng.choice([3, 3, 3, 5, 7])
    c, stride = draw.of(CHANNELS[3:]), draw.rng.choice([1, 1, 2])
    x, side = _image(draw, c, nchw, 112 if c < 200 else 56)
    pad = kernel // 2 if draw.chance(0.85) or side < kernel else 0
    x = _padded(draw, x, pad, nchw=nchw)
    out = (side + 2 * pad - kernel) // stride + 1
    w = draw.input(c, kernel, kernel) if nchw else draw.input(kernel, kernel, c)
    shape = (1, c, out, out) if nchw else (1, out, out, c)
    name = "depthwise_conv_2d_nchw_chw" if nchw else "depthwise_conv_2d_nhwc_hwc"
    y = draw.f.named(name, [x, w], shape, draw.dtype, attributes=_strides(stride))
    return _epilogue(draw, y, channels=1 if nchw else -1)


def _conv1d(draw: Draw) -> Value:
    ncw, kernel = draw.chance(0.5), draw.rng.choice([2, 3, 3, 5, 8, 10])
    c, n, stride = draw.of(CHANNELS, 384), draw.of(CHANNELS[3:], 384), draw.rng.choice([1, 1, 2, 5])
    width = draw.of((64, 100, 128, 199, 256, 400, 512, 799, 1024, 1500))
    out = (width - kernel) // stride + 1
    if ncw:
        x, w = draw.input(1, c, width), draw.input(n, c, kernel)
        shape, name = (1, n, out), "conv_1d_ncw_fcw"
    else:
        x, w = draw.input(1, width, c), draw.input(kernel, c, n)
        shape, name = (1, out, n), "conv_1d_nwc_wcf"
    y = draw.f.named(name, [x, w], shape, draw.dtype, attributes=_strides(stride, dims=1))
    return _epilogue(draw, y, channels=1 if ncw else -1)


def _pooling(draw: Draw) -> Value:
    nchw, c = draw.chance(0.5), draw.of(CHANNELS)
    x, side = _image(draw, c, nchw, 112 if c < 200 else 28)
    if draw.chance(0.25):  # global average
        names = _names(4)
        out = names[:2] if nchw else [names[0], names[3]]
        loops = list(zip(names, x.shape, strict=True))
        total = draw.f.generic([(x, names)], loops, _sum, out=out, dtype=draw.dtype, init=0.0)
        area = float(side * side)
        return _map(draw, [total], lambda b, e: b.op("arith.divf", e[0], b.constant(area)))
    kernel, stride = draw.rng.choice([(2, 2), (3, 2), (3, 1), (5, 1)])
    kernel = min(kernel, side)
    largest = draw.chance(0.6)
    low = -6.0e4
    x = _padded(draw, x, kernel // 2 if draw.chance(0.5) else 0, nchw=nchw,
                value=low if largest else 0.0)  # fmt: skip
    side = x.shape[2]
    out_side = (side - kernel) // stride + 1
    window = draw.f.empty((kernel, kernel), draw.dtype)
    shape = (1, c, out_side, out_side) if nchw else (1, out_side, out_side, c)
    name = f"pooling_{'nchw' if nchw else 'nhwc'}_{'max' if largest else 'sum'}"
    y = draw.f.named(name, [x, window], shape, draw.dtype, attributes=_strides(stride),
                     init=low if largest else 0.0)  # fmt: skip
    if largest:
        return y
    area = float(kernel * kernel)
    return _map(draw, [y], lambda b, e: b.op("arith.divf", e[0], b.constant(area)))


def _batchnorm(draw: Draw) -> Value:
    """Normalization by stored statistics, a figure a channel."""
    nchw, c = draw.chance(0.5), draw.of(CHANNELS)
    x, _ = _image(draw, c, nchw, 112 if c < 200 else 28)
    names = _names(4)
    channel = [names[1] if nchw else names[3]]
    statistics = [draw.input(c) for _ in range(4)]
    relu = draw.chance(0.6)

    def scalar(b: Body, e: list[str]) -> str:
        centred = b.op("arith.subf", e[0], e[1])
        variance = b.op("arith.addf", b.op("math.absf", e[2]), b.constant(1e-5))
        unit = b.op("arith.mulf", centred, b.op("math.rsqrt", variance))
        value = b.op("arith.addf", b.op("arith.mulf", unit, e[3]), e[4])
        return ACTIVATIONS["relu"](b, value) if relu else value

    loops = list(zip(names, x.shape, strict=True))
    used = [(x, names), *((one, channel) for one in statistics)]
    return draw.f.generic(used, loops, scalar, out=names, dtype=draw.dtype)


def _rope(draw: Draw) -> Value:
    """Rotary embedding: halves of the head rotated by tables of cosines and sines."""
    tokens, heads, half = draw.of(TOKENS), draw.of(HEADS), draw.of(HEAD_WIDTHS) // 2
    first, second = draw.input(tokens, heads, half), draw.input(tokens, heads, half)
    cosine, sine = draw.input(tokens, half), draw.input(tokens, half)
    names = _names(3)
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
    names = _names(2)
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
    "conv2d": (_conv2d, 3.0),
    "depthwise": (_depthwise, 1.5),
    "conv1d": (_conv1d, 0.8),
    "pooling": (_pooling, 0.8),
    "batchnorm": (_batchnorm, 0.6),
    "rope": (_rope, 0.4),
    "embedding": (_embedding, 0.4),
}


def generate(family: str, rng: random.Random, name: str) -> str:
    """A function of the family, as MLIR text."""
    make, _ = FAMILIES[family]
    function = Function(name)
    draw = Draw(rng, function, rng.choice(FLOATS))
    return function.text(make(draw))
