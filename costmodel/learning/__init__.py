"""Training on a data set and judging what came of it."""
