"""Write ``kernels/models/mobilenet_like.mlir``: a small MobileNet-v2, linalg on tensors.

Batch normalization is folded into the convolutions' weights and biases, which are arguments;
the layout is NCHW, as PyTorch exports it. No library is needed.

    python datasets/make_mobilenet_like.py kernels/models/mobilenet_like.mlir
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

#: Expansion, output channels, repetitions and stride of the stages (Sandler et al., "MobileNetV2:
#: Inverted Residuals and Linear Bottlenecks", 2018, table 2, shortened).
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 2, 2), (6, 64, 2, 2), (6, 96, 1, 1))
STEM, HEAD, CLASSES = 32, 320, 100


def tensor(*shape: int) -> str:
    """The type of a tensor of f32."""
    return f"tensor<{'x'.join(map(str, shape))}xf32>"


@dataclass
class Builder:
    """Text of a function that grows operation by operation."""

    arguments: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    count: int = 0

    def weight(self, *shape: int) -> str:
        """One more argument."""
        self.arguments.append(f"%w{len(self.arguments)}: {tensor(*shape)}")
        return self.arguments[-1].partition(":")[0]

    def put(self, text: str) -> str:
        """One more operation, and the name of its result."""
        self.count += 1
        self.lines.append(f"  %{self.count} = {text}")
        return f"%{self.count}"

    def zeros(self, *shape: int) -> tuple[str, str]:
        """An uninitialized tensor, and one of zeros."""
        empty = self.put(f"tensor.empty() : {tensor(*shape)}")
        kind = tensor(*shape)
        return empty, self.put(f"linalg.fill ins(%zero : f32) outs({empty} : {kind}) -> {kind}")

    def padded(self, x: str, size: int, channels: int) -> str:
        """``x`` with a border of zeros of width one."""
        return self.put(
            f"tensor.pad {x} low[0, 0, 1, 1] high[0, 0, 1, 1] {{\n"
            "    ^bb0(%i0: index, %i1: index, %i2: index, %i3: index):\n"
            f"      tensor.yield %zero : f32\n  }} : {tensor(1, channels, size, size)} to "
            f"{tensor(1, channels, size + 2, size + 2)}"
        )

    def convolve(self, name: str, x: str, kind: str, shape: tuple[int, ...], stride: int,
                 out: tuple[int, int], relu: bool) -> str:  # fmt: skip
        """A convolution with bias, and perhaps ReLU6; ``out`` is its size and channels."""
        size, channels = out
        empty, init = self.zeros(1, channels, size, size)
        result = tensor(1, channels, size, size)
        filters, bias = self.weight(*shape), self.weight(channels)
        y = self.put(
            f"linalg.{name} {{dilations = dense<1> : tensor<2xi64>, "
            f"strides = dense<{stride}> : tensor<2xi64>}}\n"
            f"      ins({x}, {filters} : {kind}, {tensor(*shape)}) outs({init} : {result}) "
            f"-> {result}"
        )
        body = "      %s = arith.addf %a, %b : f32\n"
        if relu:
            body += "      %p = arith.maximumf %s, %zero : f32\n"
            body += "      %q = arith.minimumf %p, %six : f32\n"
        return self.put(
            "linalg.generic {indexing_maps = [#all, #channel, #all], iterator_types = "
            '["parallel", "parallel", "parallel", "parallel"]}\n'
            f"      ins({y}, {bias} : {result}, {tensor(channels)}) outs({empty} : {result}) {{\n"
            f"    ^bb0(%a: f32, %b: f32, %o: f32):\n{body}"
            f"      linalg.yield {'%q' if relu else '%s'} : f32\n  }} -> {result}"
        )

    def dense(self, x: str, size: int, ins: int, outs: int, relu: bool) -> str:
        """A convolution of one point."""
        return self.convolve(
            "conv_2d_nchw_fchw", x, tensor(1, ins, size, size), (outs, ins, 1, 1), 1,
            (size, outs), relu,
        )  # fmt: skip

    def block(self, x: str, size: int, ins: int, outs: int, expansion: int, stride: int) -> str:
        """An inverted residual block."""
        inner, y = ins * expansion, x
        if expansion > 1:
            y = self.dense(y, size, ins, inner, True)
        y = self.padded(y, size, inner)
        small = size // stride
        y = self.convolve(
            "depthwise_conv_2d_nchw_chw", y, tensor(1, inner, size + 2, size + 2),
            (inner, 3, 3), stride, (small, inner), True,
        )  # fmt: skip
        y = self.dense(y, small, inner, outs, False)
        if stride > 1 or ins != outs:
            return y
        kind = tensor(1, outs, size, size)
        empty = self.put(f"tensor.empty() : {kind}")
        return self.put(
            "linalg.generic {indexing_maps = [#all, #all, #all], iterator_types = "
            '["parallel", "parallel", "parallel", "parallel"]}\n'
            f"      ins({x}, {y} : {kind}, {kind}) outs({empty} : {kind}) {{\n"
            "    ^bb0(%a: f32, %b: f32, %o: f32):\n      %s = arith.addf %a, %b : f32\n"
            f"      linalg.yield %s : f32\n  }} -> {kind}"
        )

    def classify(self, x: str, size: int) -> str:
        """Mean over the image, then a matrix product."""
        _, init = self.zeros(1, HEAD)
        total = self.put(
            "linalg.generic {indexing_maps = [#all, #kept], iterator_types = "
            '["parallel", "parallel", "reduction", "reduction"]}\n'
            f"      ins({x} : {tensor(1, HEAD, size, size)}) outs({init} : {tensor(1, HEAD)}) {{\n"
            "    ^bb0(%a: f32, %o: f32):\n      %s = arith.addf %a, %o : f32\n"
            f"      linalg.yield %s : f32\n  }} -> {tensor(1, HEAD)}"
        )
        _, zeros = self.zeros(1, CLASSES)
        weights = self.weight(HEAD, CLASSES)
        return self.put(
            f"linalg.matmul ins({total}, {weights} : {tensor(1, HEAD)}, {tensor(HEAD, CLASSES)}) "
            f"outs({zeros} : {tensor(1, CLASSES)}) -> {tensor(1, CLASSES)}"
        )


def mobilenet_like(size: int, stages: tuple[tuple[int, int, int, int], ...] = STAGES) -> str:
    """MLIR of the network for one image of ``size`` by ``size``."""
    builder = Builder()
    x = builder.padded("%image", size, 3)
    side, channels = size // 2, STEM
    x = builder.convolve(
        "conv_2d_nchw_fchw", x, tensor(1, 3, size + 2, size + 2), (STEM, 3, 3, 3), 2,
        (side, STEM), True,
    )  # fmt: skip
    for expansion, outs, repetitions, stride in stages:
        for step in (stride, *[1] * (repetitions - 1)):
            x = builder.block(x, side, channels, outs, expansion, step)
            side, channels = side // step, outs
    x = builder.dense(x, side, channels, HEAD, True)
    x = builder.classify(x, side)
    arguments = ",\n    ".join([f"%image: {tensor(1, 3, size, size)}", *builder.arguments])
    body = "\n".join(builder.lines)
    return f"""\
// A MobileNet-v2-like network for {size}x{size} images, NCHW; written by
// datasets/make_mobilenet_like.py. Weights are arguments.
#all = affine_map<(b, c, h, w) -> (b, c, h, w)>
#channel = affine_map<(b, c, h, w) -> (c)>
#kept = affine_map<(b, c, h, w) -> (b, c)>
func.func @mobilenet_like(
    {arguments}) -> {tensor(1, CLASSES)} {{
  %zero = arith.constant 0.0 : f32
  %six = arith.constant 6.0 : f32
{body}
  return {x} : {tensor(1, CLASSES)}
}}
"""


def main() -> None:
    """Write the model to the path that is given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--size", type=int, default=96, help="pixels a side, a multiple of 16")
    arguments = parser.parse_args()
    arguments.path.write_text(mobilenet_like(arguments.size), encoding="utf-8")


if __name__ == "__main__":
    main()
