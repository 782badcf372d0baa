"""Write ``kernels/models/bert_like.mlir``: a small BERT-like encoder as JAX exports it, StableHLO.

Two layers of width 256 with four heads over 77 tokens, the length of CLIP's text encoder: real
inputs are seldom as long as a power of two. The weights are arguments. JAX is no
dependency of this project, and its pins are others: run this in an environment of its own.

    python -m venv /tmp/jax && /tmp/jax/bin/pip install "jax[cpu]"
    /tmp/jax/bin/python datasets/make_bert_like.py kernels/models/bert_like.mlir
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

VOCABULARY, WIDTH, HEADS, INNER = 1000, 256, 4, 1024

Weights = dict[str, Any]


def normalize(x: Any, scale: Any, shift: Any) -> Any:
    """Layer normalization over the last axis."""
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-12) * scale + shift


def attend(x: Any, weights: Weights) -> Any:
    """Multi-head self-attention of ``x``, tokens by width."""

    def heads(name: str) -> Any:
        projected = x @ weights[name] + weights[name + "_bias"]
        return projected.reshape(-1, HEADS, WIDTH // HEADS).transpose(1, 0, 2)

    query, key, value = heads("query"), heads("key"), heads("value")
    scores = jnp.einsum("hqd,hkd->hqk", query, key) * (WIDTH // HEADS) ** -0.5
    mixed = jnp.einsum("hqk,hkd->hqd", jax.nn.softmax(scores, -1), value)
    joined = mixed.transpose(1, 0, 2).reshape(-1, WIDTH)
    return joined @ weights["out"] + weights["out_bias"]


def layer(x: Any, weights: Weights) -> Any:
    """One encoder layer, normalized after each half."""
    x = normalize(x + attend(x, weights), weights["scale0"], weights["shift0"])
    inner = jax.nn.gelu(x @ weights["up"] + weights["up_bias"], approximate=True)
    x = x + inner @ weights["down"] + weights["down_bias"]
    return normalize(x, weights["scale1"], weights["shift1"])


def bert_like(tokens: Any, embedding: Any, positions: Any, layers: list[Weights]) -> Any:
    """Hidden states, tokens by width."""
    x = embedding[tokens] + positions
    for weights in layers:
        x = layer(x, weights)
    return x


def layer_shapes() -> Weights:
    """Shapes of one layer's weights."""
    square, vector = (WIDTH, WIDTH), (WIDTH,)
    shapes: dict[str, tuple[int, ...]] = {}
    for name in ("query", "key", "value", "out"):
        shapes |= {name: square, name + "_bias": vector}
    shapes |= {"up": (WIDTH, INNER), "up_bias": (INNER,), "down": (INNER, WIDTH)}
    shapes |= dict.fromkeys(("down_bias", "scale0", "shift0", "scale1", "shift1"), vector)
    return {name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, shape in shapes.items()}


def main() -> None:
    """Export the model to the path that is given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=77)
    arguments = parser.parse_args()
    lowered = jax.jit(bert_like).lower(
        jax.ShapeDtypeStruct((arguments.tokens,), jnp.int32),
        jax.ShapeDtypeStruct((VOCABULARY, WIDTH), jnp.float32),
        jax.ShapeDtypeStruct((arguments.tokens, WIDTH), jnp.float32),
        [layer_shapes() for _ in range(arguments.layers)],
    )
    head = (
        f"// A BERT-like encoder: {arguments.layers} layers, width {WIDTH}, {HEADS} heads, "
        f"{arguments.tokens} tokens; exported by\n// JAX {jax.__version__} "
        "(datasets/make_bert_like.py). Weights are arguments.\n"
    )
    arguments.path.write_text(head + lowered.as_text("stablehlo"), encoding="utf-8")


if __name__ == "__main__":
    main()
