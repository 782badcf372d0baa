"""Whole models: split into their dispatches, each distinct one tuned once, put together again."""
