"""What each operation costs: one TOML table a dialect, read through importlib.resources."""
