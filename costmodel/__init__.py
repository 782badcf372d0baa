"""A cost oracle and kernel autotuner for compilers."""
