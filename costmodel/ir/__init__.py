"""Reading MLIR: parse, canonical form, hash, analysis."""
