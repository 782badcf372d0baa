"""Canonical MLIR as the tokens that learned models read."""
