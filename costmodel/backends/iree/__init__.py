"""MLIR compiled by IREE: the reference of every check, and a backend of its own."""
