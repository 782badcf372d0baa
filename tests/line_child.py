"""What ``tests/test_lines.py`` has a child do."""

import os
import sys


def main(*_arguments: str) -> None:
    """Answer a number with that number, after so many bytes on standard error; "die" ends it."""
    for line in sys.stdin:
        if line.strip() == "die":
            os.write(2, b"farewell")
            os._exit(3)
        os.write(2, b"x" * int(line))
        os.write(1, line.encode())
