"""The ``costmodel`` command."""


def main() -> None:
    """Placeholder entry until the command group stands."""
