"""Compiler backends, by name."""
