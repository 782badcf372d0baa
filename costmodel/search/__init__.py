"""Ask/tell search strategies; no I/O."""
