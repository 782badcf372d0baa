"""Families over images and signals: convolutions, pooling, stored statistics."""

from __future__ import annotations

from activations import ACTIVATIONS, add
from drawing import CHANNELS, IMAGES, Draw, elementwise, epilogue, names_of
from mlir_text import Body, Value

__all__ = ["batchnorm", "conv1d", "conv2d", "depthwise", "pooling"]


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


def conv2d(draw: Draw) -> Value:
    """Padded or not, strided or dilated, in either layout, with an epilogue."""
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
    return epilogue(draw, y, channels=1 if nchw else -1)


def depthwise(draw: Draw) -> Value:
    """One filter a channel."""
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
    return epilogue(draw, y, channels=1 if nchw else -1)


def conv1d(draw: Draw) -> Value:
    """Of signals, as speech models begin with."""
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
    return epilogue(draw, y, channels=1 if ncw else -1)


def pooling(draw: Draw) -> Value:
    """Largest or mean of windows, or the mean of the whole image."""
    nchw, c = draw.chance(0.5), draw.of(CHANNELS)
    x, side = _image(draw, c, nchw, 112 if c < 200 else 28)
    if draw.chance(0.25):  # global average
        names = names_of(4)
        out = names[:2] if nchw else [names[0], names[3]]
        loops = list(zip(names, x.shape, strict=True))
        total = draw.f.generic([(x, names)], loops, add, out=out, dtype=draw.dtype, init=0.0)
        area = float(side * side)
        return elementwise(draw, [total], lambda b, e: b.op("arith.divf", e[0], b.constant(area)))
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
    return elementwise(draw, [y], lambda b, e: b.op("arith.divf", e[0], b.constant(area)))


def batchnorm(draw: Draw) -> Value:
    """Normalization by stored statistics, a figure a channel."""
    nchw, c = draw.chance(0.5), draw.of(CHANNELS)
    x, _ = _image(draw, c, nchw, 112 if c < 200 else 28)
    names = names_of(4)
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
