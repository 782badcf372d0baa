"""A model that is small enough to be tuned in seconds."""

from __future__ import annotations

import pytest

ROWS, WIDTH = 64, 96


def model_text(layers: int = 3) -> str:
    """Dense layers with bias and ReLU: all alike but the last, whose weights are a constant."""
    x, w, b = f"tensor<{ROWS}x{WIDTH}xf32>", f"tensor<{WIDTH}x{WIDTH}xf32>", f"tensor<{WIDTH}xf32>"
    lines, value = [], "%x"
    for n in range(layers):
        weights = f"%w{n}" if n < layers - 1 else "%constant"
        lines.append(f"""
  %init{n} = linalg.fill ins(%zero : f32) outs(%empty : {x}) -> {x}
  %product{n} = linalg.matmul ins({value}, {weights} : {x}, {w}) outs(%init{n} : {x}) -> {x}
  %layer{n} = linalg.generic {{indexing_maps = [#all, #columns, #all],
      iterator_types = ["parallel", "parallel"]}}
      ins(%product{n}, %b : {x}, {b}) outs(%empty : {x}) {{
    ^bb0(%p: f32, %q: f32, %unused: f32):
      %sum = arith.addf %p, %q : f32
      %positive = arith.maximumf %sum, %zero : f32
      linalg.yield %positive : f32
  }} -> {x}""")
        value = f"%layer{n}"
    arguments = ", ".join([f"%x: {x}", f"%b: {b}", *(f"%w{n}: {w}" for n in range(layers - 1))])
    values = [[round(0.01 * ((i * 7 + j * 3) % 11 - 5), 2) for j in range(WIDTH)]
              for i in range(WIDTH)]  # fmt: skip
    return f"""#all = affine_map<(i, j) -> (i, j)>
#columns = affine_map<(i, j) -> (j)>
module @layers {{
  func.func @forward({arguments}) -> {x} attributes {{my.note}} {{
  %zero = arith.constant 0.0 : f32
  %constant = arith.constant dense<{values}> : {w}
  %empty = tensor.empty() : {x}{"".join(lines)}
  return {value} : {x}
  }}
}}
"""


@pytest.fixture(scope="session")
def layers() -> str:
    return model_text()
