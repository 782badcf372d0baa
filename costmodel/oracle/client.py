"""The client of the oracle, with the interface of the local functions."""
