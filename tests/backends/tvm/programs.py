"""Random small functions as MLIR text: the material of the TVM backend's property tests.

Every family is a strategy of texts. The shapes are small and mostly odd or prime, since what
goes wrong in tiling is what does not divide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from costmodel.records import TensorType

#: What sums of products of an element type are kept in.
WIDE = {"f64": "f64", "f32": "f32", "f16": "f32", "bf16": "f32", "i8": "i32", "i32": "i32"}
_LOWEST = {
    "f64": "0xFFF0000000000000", "f32": "0xFF800000", "f16": "0xFC00",
    "i8": "-128", "i32": "-2147483648",
}  # fmt: skip
_HIGHEST = {
    "f64": "0x7FF0000000000000", "f32": "0x7F800000", "f16": "0x7C00",
    "i8": "127", "i32": "2147483647",
}  # fmt: skip
_NAMES = ("i", "j", "k", "l", "p", "q", "r")


@dataclass(frozen=True)
class Value:
    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def type(self) -> str:
        return f"tensor<{TensorType(self.shape, self.dtype)}>"


class Function:
    """Writes one ``@main``."""

    def __init__(self) -> None:
        self._arguments: list[Value] = []
        self._lines: list[str] = []
        self._count = 0

    def argument(self, shape: Sequence[int], dtype: str) -> Value:
        value = self._value(shape, dtype)
        self._arguments.append(value)
        return value

    def filled(self, literal: str, shape: Sequence[int], dtype: str) -> Value:
        scalar, empty, full = self._name(), self._value(shape, dtype), self._value(shape, dtype)
        self._lines += [
            f"{scalar} = arith.constant {literal} : {dtype}",
            f"{empty.name} = tensor.empty() : {empty.type}",
            f"{full.name} = linalg.fill ins({scalar} : {dtype}) outs({empty.name} : {empty.type})"
            f" -> {full.type}",
        ]
        return full

    def op(self, name: str, inputs: Sequence[Value], init: Value, attributes: str = "") -> Value:
        """A named op of linalg."""
        result = self._value(init.shape, init.dtype)
        self._lines.append(
            f"{result.name} = linalg.{name} {attributes} {_operands('ins', inputs)}"
            f" {_operands('outs', [init])} -> {result.type}"
        )
        return result

    def generic(
        self, loops: str, reads: Sequence[tuple[Value, str]], init: tuple[Value, str], body: str
    ) -> Value:
        """An op over the axes named in ``loops`` (upper case reduces).

        Operands come with the axes that index them. The body reads them as ``%a``, ``%b``, ... and
        the result so far as ``%o``, and gives ``%y``; ``T`` stands for the result's element type.
        """
        target, where = init
        result = self._value(target.shape, target.dtype)
        axes = ", ".join(loops.lower())
        maps = [f"affine_map<({axes}) -> ({', '.join(at.lower())})>" for at in (*_at(reads), where)]
        kinds = ", ".join('"reduction"' if axis.isupper() else '"parallel"' for axis in loops)
        block = [f"%{'abcdefg'[n]}: {value.dtype}" for n, (value, _) in enumerate(reads)]
        inputs = [value for value, _ in reads]
        self._lines.append(
            f"{result.name} = linalg.generic {{indexing_maps = [{', '.join(maps)}],"
            f" iterator_types = [{kinds}]}}"
            f" {_operands('ins', inputs) if inputs else ''} {_operands('outs', [target])} {{\n"
            f"^bb0({', '.join([*block, f'%o: {target.dtype}'])}):\n"
            + body.replace(": T", f": {target.dtype}").replace("to T", f"to {target.dtype}")
            + f"\nlinalg.yield %y : {target.dtype}\n}} -> {result.type}"
        )
        return result

    def map(self, reads: Sequence[tuple[Value, str]], loops: str, like: Value, body: str) -> Value:
        """Elementwise, to a fresh tensor of ``like``'s shape and type."""
        empty = self._value(like.shape, like.dtype)
        self._lines.append(f"{empty.name} = tensor.empty() : {empty.type}")
        return self.generic(loops, reads, (empty, loops), body)

    def padded(self, value: Value, low: Sequence[int], high: Sequence[int], literal: str) -> Value:
        scalar = self._name()
        pairs = zip(value.shape, low, high, strict=True)
        result = self._value([extent + a + b for extent, a, b in pairs], value.dtype)
        indices = ", ".join(f"%at{n}: index" for n in range(len(low)))
        self._lines += [
            f"{scalar} = arith.constant {literal} : {value.dtype}",
            f"{result.name} = tensor.pad {value.name} low{list(low)} high{list(high)} {{\n"
            f"^bb0({indices}):\ntensor.yield {scalar} : {value.dtype}\n"
            f"}} : {value.type} to {result.type}",
        ]
        return result

    def text(self, *results: Value) -> str:
        arguments = ", ".join(f"{value.name}: {value.type}" for value in self._arguments)
        names = ", ".join(value.name for value in results)
        types = ", ".join(value.type for value in results)
        lines = "\n".join(self._lines)
        return (
            f"func.func @main({arguments}) -> ({types}) {{\n{lines}\nreturn {names} : {types}\n}}"
        )

    def _name(self) -> str:
        self._count += 1
        return f"%v{self._count}"

    def _value(self, shape: Sequence[int], dtype: str) -> Value:
        return Value(self._name(), tuple(shape), dtype)


def _at(reads: Sequence[tuple[Value, str]]) -> list[str]:
    return [at for _, at in reads]


def _operands(kind: str, values: Sequence[Value]) -> str:
    names = ", ".join(value.name for value in values)
    return f"{kind}({names} : {', '.join(value.type for value in values)})"


def zero(dtype: str) -> str:
    return "0.0" if dtype[0] in "fb" else "0"


def arith(op: str, dtype: str) -> str:
    """``add`` as ``arith.addf`` or ``arith.addi``."""
    return f"arith.{op}{'f' if dtype[0] in 'fb' else 'i'}"


def widened(operand: str, dtype: str, wide: str) -> tuple[str, str]:
    """A line that converts ``%operand`` where that is needed, and the name of what it gives."""
    if dtype == wide:
        return "", f"%{operand}"
    op = "arith.extf" if dtype[0] in "fb" else "arith.extsi"
    return f"%{operand}w = {op} %{operand} : {dtype} to {wide}\n", f"%{operand}w"


#: Extents of an axis: 1, primes, register widths and their neighbours.
extents = st.sampled_from((1, 2, 3, 5, 7, 8, 11, 13, 16, 17, 24, 31, 32, 33, 37, 48, 53, 64, 67))
element_types = st.sampled_from(("f32", "f32", "f64", "f16", "bf16", "i8", "i32"))
_EPILOGUES = (
    "none", "bias", "relu", "both", "residual", "expensive", "row_sums", "rows", "onto", "spread",
    "twice",
)  # fmt: skip


def _contraction(f: Function, lhs: tuple[Value, str], rhs: tuple[Value, str], loops: str,
                 init: tuple[Value, str]) -> Value:  # fmt: skip
    dtype, wide = lhs[0].dtype, init[0].dtype
    first, a = widened("a", dtype, wide)
    second, b = widened("b", dtype, wide)
    body = f"{first}{second}%p = {arith('mul', wide)} {a}, {b} : T\n"
    return f.generic(loops, [lhs, rhs], init, f"{body}%y = {arith('add', wide)} %o, %p : T")


def _epilogue(f: Function, kind: str, c: Value, axes: str, lhs: tuple[Value, str]) -> list[Value]:
    """What follows a contraction ``c``; all but ``none`` put an elementwise op behind it."""
    wide, last = c.dtype, axes[-1]
    add = f"%y = {arith('add', wide)} %a, %b : T"
    reads = [(c, axes)]
    if kind == "bias":
        return [f.map([*reads, (f.argument(c.shape[-1:], wide), last)], axes, c, add)]
    if kind == "residual":
        return [f.map([*reads, (f.argument(c.shape, wide), axes)], axes, c, add)]
    if kind in ("relu", "both"):
        op = "arith.maximumf" if wide[0] == "f" else "arith.maxsi"
        body = f"%z = arith.constant {zero(wide)} : T\n%y = {op} %a, %z : T"
        clipped = f.map(reads, axes, c, body)
        return [c, clipped] if kind == "both" else [clipped]
    if kind == "expensive" and wide[0] == "f":
        body = "%t = math.tanh %a : T\n%y = arith.mulf %t, %a : T"
        return [f.map(reads, axes, c, body)]
    if kind == "row_sums":
        # What quantized kernels do: another reduction of an operand, read by the epilogue.
        value, at = lhs
        rows = "".join(axis for axis in at if axis != "k")
        loops = "".join(axis.upper() if axis == "k" else axis for axis in at)
        shape = [extent for extent, axis in zip(value.shape, at, strict=True) if axis != "k"]
        widen, a = widened("a", value.dtype, wide)
        start = f.filled(zero(wide), shape, wide)
        body = f"{widen}%y = {arith('add', wide)} %o, {a} : T"
        sums = f.generic(loops, [lhs], (start, rows), body)
        return [f.map([*reads, (sums, rows)], axes, c, f"%y = {arith('sub', wide)} %a, %b : T")]
    if kind == "rows":
        start = f.filled(zero(wide), c.shape[:-1], wide)
        loops = axes[:-1] + last.upper()
        body = f"%y = {arith('add', wide)} %o, %a : T"
        return [f.generic(loops, reads, (start, axes[:-1]), body), c]
    return [c]


@st.composite
def matmuls(draw: st.DrawFn) -> str:
    """Batched or not, operands transposed or not, with what follows."""
    m, n, k, batch = draw(extents), draw(extents), draw(extents), draw(st.sampled_from((0, 0, 3)))
    dtype, kind = draw(element_types), draw(st.sampled_from(_EPILOGUES))
    wide = draw(st.sampled_from((WIDE[dtype], dtype))) if dtype == "f16" else WIDE[dtype]
    extent = {"i": m, "j": n, "k": k, "b": batch}
    front = "b" if batch else ""
    left = front + draw(st.sampled_from(("ik", "ki")))
    right = draw(st.sampled_from((front, ""))) + draw(st.sampled_from(("kj", "jk")))
    axes = f"{front}ij"
    f = Function()
    lhs = f.argument([extent[axis] for axis in left], dtype)
    rhs = f.argument([extent[axis] for axis in right], dtype)
    shape = [extent[axis] for axis in axes]
    init = f.argument(shape, wide) if kind == "onto" else f.filled(zero(wide), shape, wide)
    if kind in ("spread", "twice"):
        # The sum starts from a bias that an op before it has spread over the rows.
        bias = f.argument(shape[-1:], wide)
        init = f.map([(bias, "j")], axes, init, f"%y = {arith('add', wide)} %a, %a : T")
    product = _contraction(f, (lhs, left), (rhs, right), f"{axes}K", (init, axes))
    if kind == "twice":
        product = f.map([(product, axes), (init, axes)], axes, product,
                        f"%y = {arith('mul', wide)} %a, %b : T")  # fmt: skip
    results = _epilogue(f, kind, product, axes, (lhs, left))
    return f.text(*results)


def convolution(layout: str, *, stride: int, pad: int) -> str:
    """A 3x3 convolution of 8 channels to 16 filters, on 9x9 points."""
    shapes = {"n": 1, "c": 8, "f": 16, "h": 9, "w": 9}
    image, kernel = layout.split("_")
    f = Function()
    x = f.argument([shapes[axis] for axis in image], "f32")
    border = [pad if axis in "hw" else 0 for axis in image]
    x = f.padded(x, border, border, "0.0") if pad else x
    weights = f.argument([3 if axis in "hw" else shapes[axis] for axis in kernel], "f32")
    points = (9 + 2 * pad - 3) // stride + 1
    out = {"n": 1, "c": 16, "h": points, "w": points}
    init = f.filled("0.0", [out[axis] for axis in image], "f32")
    attributes = f"{{strides = dense<{stride}> : tensor<2xi64>}}"
    return f.text(f.op(f"conv_2d_{layout}", [x, weights], init, attributes))


@st.composite
def convolutions(draw: st.DrawFn) -> str:
    """2-D convolutions of both layouts and depthwise ones: strided, dilated, padded."""
    layout = draw(st.sampled_from(("nchw_fchw", "nhwc_hwcf", "nchw_chw", "nhwc_hwc")))
    stride, dilation = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    window, pad = draw(st.sampled_from((1, 3))), draw(st.integers(0, 1))
    c, filters = draw(st.sampled_from((1, 3, 4, 16, 19))), draw(st.sampled_from((2, 5, 16, 33)))
    out_h, out_w = draw(st.integers(1, 7)), draw(st.sampled_from((1, 4, 7, 14, 17)))
    dtype = draw(st.sampled_from(("f32", "f32", "f64")))
    reach = dilation * (window - 1) + 1
    h, w = ((extent - 1) * stride + reach for extent in (out_h, out_w))
    pad = pad if min(h, w) > 2 * pad else 0
    depthwise = layout.endswith(("_chw", "_hwc"))
    shapes = {"n": 1, "c": c, "f": filters, "h": h - 2 * pad, "w": w - 2 * pad}
    image, kernel = layout.split("_")
    f = Function()
    x = f.argument([shapes[axis] for axis in image], dtype)
    if pad:
        border = [pad if axis in "hw" else 0 for axis in image]
        x = f.padded(x, border, border, zero(dtype))
    weights = f.argument([window if axis in "hw" else shapes[axis] for axis in kernel], dtype)
    out = {"n": 1, "c": c if depthwise else filters, "h": out_h, "w": out_w}
    init = f.filled(zero(dtype), [out[axis] for axis in image], dtype)
    attributes = (
        f"{{strides = dense<{stride}> : tensor<2xi64>,"
        f" dilations = dense<{dilation}> : tensor<2xi64>}}"
    )
    name = f"{'depthwise_' if depthwise else ''}conv_2d_{layout}"
    y = f.op(name, [x, weights], init, attributes)
    if draw(st.booleans()):
        bias = f.argument([out["c"]], dtype)
        axes = "".join(image)
        y = f.map([(y, axes), (bias, "c")], axes, y, "%s = arith.addf %a, %b : T\n"
                  "%z = arith.constant 0.0 : T\n%y = arith.maximumf %s, %z : T")  # fmt: skip
    return f.text(y)


@st.composite
def poolings(draw: st.DrawFn) -> str:
    """Maxima and sums over windows, either layout; padded by the least value as models do."""
    layout, kind = draw(st.sampled_from(("nchw", "nhwc"))), draw(st.sampled_from(("max", "sum")))
    c, window = draw(st.sampled_from((1, 5, 16, 21))), draw(st.integers(1, 3))
    stride, pad = draw(st.integers(1, 2)), draw(st.integers(0, 1))
    h, w = draw(st.integers(4, 11)), draw(st.sampled_from((4, 9, 19, 34)))
    dtype = draw(st.sampled_from(("f32", "f64")))
    literal = _LOWEST[dtype] if kind == "max" else "0.0"
    shape = {"n": 1, "c": c, "h": h, "w": w}
    f = Function()
    x = f.argument([shape[axis] for axis in layout], dtype)
    border = [pad if axis in "hw" else 0 for axis in layout]
    x = f.padded(x, border, border, literal) if pad else x
    out = shape | {axis: (shape[axis] + 2 * pad - window) // stride + 1 for axis in "hw"}
    init = f.filled(literal, [out[axis] for axis in layout], dtype)
    size = f.filled("0.0", (window, window), dtype)
    attributes = f"{{strides = dense<{stride}> : tensor<2xi64>}}"
    return f.text(f.op(f"pooling_{layout}_{kind}", [x, size], init, attributes))


_REDUCTIONS = {
    "add": ("addf", "addi"), "mul": ("mulf", "muli"), "max": ("maximumf", "maxsi"),
    "min": ("minimumf", "minsi"), "maxnum": ("maxnumf", "maxsi"), "minnum": ("minnumf", "minsi"),
}  # fmt: skip


@st.composite
def reductions(draw: st.DrawFn) -> str:
    """One or two reductions of a tensor's rows, columns or everything, of any length."""
    dtype = draw(st.sampled_from(("f32", "f32", "f64", "f16", "i8", "i32")))
    rows, length = draw(st.sampled_from((1, 3, 8))), draw(st.integers(1, 150))
    kinds = draw(st.lists(st.sampled_from(sorted(_REDUCTIONS)), min_size=1, max_size=2))
    loops, kept = draw(st.sampled_from((("iJ", "i"), ("iJ", "i"), ("Ij", "j"), ("IJ", ""))))
    axes = loops.lower()
    extent = {"i": rows, "j": length}
    f = Function()
    x = f.argument([rows, length], dtype)
    results = []
    for kind in kinds:
        op = f"arith.{_REDUCTIONS[kind][dtype[0] == 'i']}"
        start = {"add": zero(dtype), "mul": "1.0" if dtype[0] == "f" else "1"}.get(
            kind, (_LOWEST if kind.startswith("max") else _HIGHEST)[dtype]
        )
        shape = [extent[axis] for axis in kept]
        # From an argument, too: the initial value must then count once and not once a lane.
        given = draw(st.booleans()) and shape != []
        init = f.argument(shape, dtype) if given else f.filled(start, shape, dtype)
        term = "%a"
        body = ""
        if op == "arith.mulf":
            # Near one: a product of many normal numbers leaves the range of its type.
            body = (
                "%c = arith.constant 0.01 : T\n%one = arith.constant 1.0 : T\n"
                "%s = arith.mulf %a, %c : T\n%t = arith.addf %s, %one : T\n"
            )
            term = "%t"
        pair = draw(st.sampled_from((f"{term}, %o", f"%o, {term}")))
        results.append(f.generic(loops, [(x, axes)], (init, kept), f"{body}%y = {op} {pair} : T"))
    return f.text(*results)


@st.composite
def sums(draw: st.DrawFn) -> str:
    """Sums of products over some axes of three, next to each other or not: norms, means, dots."""
    loops = draw(st.sampled_from(("iJK", "ijK", "IjK", "IJK", "iJk", "Ijk", "IJk")))
    axes, kept = loops.lower(), "".join(axis for axis in loops if axis.islower())
    lengths = (draw(st.sampled_from((1, 3, 6))), draw(st.integers(1, 17)), draw(st.integers(1, 40)))
    extent = dict(zip(axes, lengths, strict=True))
    dtype = draw(st.sampled_from(("f32", "f32", "f64", "f16", "i32")))
    other = draw(st.sampled_from(("k", "j", "jk", "ijk", "ikj", "i")))
    f = Function()
    x = f.argument(lengths, dtype)
    y = f.argument([extent[axis] for axis in other], dtype)
    start = f.filled(zero(dtype), [extent[axis] for axis in kept], dtype)
    body = f"%p = {arith('mul', dtype)} %a, %b : T\n%y = {arith('add', dtype)} %p, %o : T"
    total = f.generic(loops, [(x, axes), (y, other)], (start, kept), body)
    if kept and draw(st.booleans()):
        # The sums are read where the summands are, as in a normalization.
        body = f"%y = {arith('sub', dtype)} %a, %b : T"
        return f.text(f.map([(x, axes), (total, kept)], axes, x, body))
    return f.text(total)


@st.composite
def gathers(draw: st.DrawFn) -> str:
    """Rows of a table, by an input that holds their numbers, and their sums."""
    rows, count = draw(st.integers(1, 9)), draw(st.integers(1, 12))
    width = draw(st.sampled_from((1, 7, 16, 33, 50)))
    f = Function()
    table, numbers = f.argument([rows, width], "f32"), f.argument([count], "i32")
    like = f.argument([count, width], "f32")
    body = (
        "%at = arith.index_cast %a : i32 to index\n%column = linalg.index 1 : index\n"
        f"%row = tensor.extract {table.name}[%at, %column] : {table.type}\n"
        "%y = arith.addf %row, %b : T"
    )
    found = f.map([(numbers, "i"), (like, "ij")], "ij", like, body)
    loops, kept = draw(st.sampled_from((("ij", "ij"), ("iJ", "i"), ("Ij", "j"))))
    if loops == "ij":
        return f.text(f.map([(found, "ij")], "ij", like, "%y = arith.mulf %a, %a : T"))
    start = f.filled("0.0", [{"i": count, "j": width}[axis] for axis in kept], "f32")
    total = f.generic(loops, [(found, "ij")], (start, kept), "%y = arith.addf %a, %o : T")
    return f.text(total, found) if draw(st.booleans()) else f.text(total)


@st.composite
def normalizations(draw: st.DrawFn) -> str:
    """Softmax, layer normalization and normalization by the largest size: rows of any length."""
    kind = draw(st.sampled_from(("softmax", "named", "layernorm", "largest")))
    rows, length = draw(st.sampled_from((1, 5, 16))), draw(st.integers(1, 130))
    dtype = draw(st.sampled_from(("f32", "f32", "f64")))
    f = Function()
    x = f.argument([rows, length], dtype)
    if kind == "named":
        empty = f.filled("0.0", [rows, length], dtype)
        return f.text(f.op("softmax dimension(1)", [x], empty))

    def over_rows(value: Value, literal: str, body: str) -> Value:
        return f.generic("iJ", [(value, "ij")], (f.filled(literal, [rows], dtype), "i"), body)

    if kind == "softmax":
        largest = over_rows(x, _LOWEST[dtype], "%y = arith.maximumf %a, %o : T")
        e = f.map([(x, "ij"), (largest, "i")], "ij", x,
                  "%d = arith.subf %a, %b : T\n%y = math.exp %d : T")  # fmt: skip
        total = over_rows(e, "0.0", "%y = arith.addf %a, %o : T")
        return f.text(f.map([(e, "ij"), (total, "i")], "ij", x, "%y = arith.divf %a, %b : T"))
    if kind == "largest":
        size = over_rows(x, "0.0", "%s = math.absf %a : T\n%y = arith.maximumf %s, %o : T")
        return f.text(f.map([(x, "ij"), (size, "i")], "ij", x, "%y = arith.divf %a, %b : T"))
    count = f"%n = arith.constant {float(length)} : T\n"
    total = over_rows(x, "0.0", "%y = arith.addf %a, %o : T")
    mean = f.map([(total, "i")], "i", total, f"{count}%y = arith.divf %a, %n : T")
    centred = f.map([(x, "ij"), (mean, "i")], "ij", x, "%y = arith.subf %a, %b : T")
    squares = over_rows(centred, "0.0", "%s = arith.mulf %a, %a : T\n%y = arith.addf %s, %o : T")
    gain = f.argument([length], dtype)
    body = (
        f"{count}%v = arith.divf %b, %n : T\n%e = arith.constant 1.0e-5 : T\n"
        "%w = arith.addf %v, %e : T\n%r = math.rsqrt %w : T\n"
        "%s = arith.mulf %a, %r : T\n%y = arith.mulf %s, %c : T"
    )
    return f.text(f.map([(centred, "ij"), (squares, "i"), (gain, "j")], "ij", x, body))


@st.composite
def maps(draw: st.DrawFn) -> str:
    """Elementwise chains through transposed and broadcast operands, some of several results."""
    m, n = draw(extents), draw(extents)
    dtype = draw(st.sampled_from(("f32", "f16", "i8")))
    op = arith("add", dtype)
    f = Function()
    x, y = f.argument([m, n], dtype), f.argument([n, m], dtype)
    first = f.map([(x, "ij"), (y, "ji")], "ij", x, f"%y = {op} %a, %b : T")
    second = f.map([(first, "ji"), (f.argument([n], dtype), "i")], "ij", y, f"%y = {op} %a, %b : T")
    if dtype == "f32":
        second = f.map([(second, "ij")], "ij", y, "%y = math.exp %a : T")
    third = f.map([(second, "ij"), (second, "ij")], "ij", y, f"%y = {op} %a, %b : T")
    return f.text(*draw(st.sampled_from(((third,), (third, first), (second, third)))))


FAMILIES = {
    "matmuls": matmuls(),
    "convolutions": convolutions(),
    "poolings": poolings(),
    "reductions": reductions(),
    "sums": sums(),
    "gathers": gathers(),
    "normalizations": normalizations(),
    "maps": maps(),
}
