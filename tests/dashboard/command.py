"""The command as an operator starts it: another process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.commands import HEARS_CTRL_C

WAIT_S = 120.0


@dataclass
class Running:
    """A dashboard that answers at ``address``."""

    process: subprocess.Popen[str]
    address: str

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str, str]:
        """End it; exit status, and what it said on stdout and stderr since it began."""
        self.process.send_signal(number)
        out, errors = self.process.communicate(timeout=WAIT_S)
        return self.process.returncode, out, errors


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    """Start it; Ctrl-C is not ignored, as it would be beside a shell."""
    return subprocess.Popen(
        [*HEARS_CTRL_C, sys.executable, "-m", "costmodel.cli", "dashboard", *map(str, arguments)],
        env={**os.environ, "COSTMODEL_WEIGHTS": "none"}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@contextmanager
def running(*arguments: str | Path) -> Iterator[Running]:
    """A dashboard on a free port."""
    process = start("--listen", "127.0.0.1:0", "--json", *arguments)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate(timeout=WAIT_S)[1]
        yield Running(process, json.loads(line)["address"])
    finally:
        process.kill()
        process.communicate()
