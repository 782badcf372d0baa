"""The command line in this process: what a command prints and returns, without its imports.

For tests of what a command says. That it is a process, which ends with a status and leaves none
behind, is tested by processes.
"""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from costmodel.cli.main import main

#: Before a command that is started as a process: Ctrl-C is not ignored by it, as it is by what a
#: shell runs in the background, these tests perhaps. (Not ``preexec_fn``: that forks, and a fork
#: takes along the threads of gRPC, which then end the process.)
HEARS_CTRL_C = ("env", "--default-signal=INT")


def compiled(*command: object, **options: Any) -> CompletedProcess[str]:
    """A command of IREE's compiler that ends well, with what it said.

    It hangs once in some thousand times, and is then run once more, as costmodel does it.
    """
    given = [str(part) for part in command]
    run = partial(subprocess.run, given, capture_output=True, text=True, timeout=60, **options)
    try:
        done = run()
    except subprocess.TimeoutExpired:
        done = run()
    assert done.returncode == 0, done.stderr
    return done


def call(
    *arguments: object, cwd: Path | None = None, environment: Mapping[str, str | None] | None = None
) -> CompletedProcess[str]:
    """Run ``costmodel`` with the arguments; variables that are None are not there for it."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (environment or {}).items():
            if value is None:
                patch.delenv(name, raising=False)
            else:
                patch.setenv(name, value)
        with (
            chdir(cwd or os.getcwd()),
            redirect_stdout(out),
            redirect_stderr(err),
            pytest.raises(SystemExit) as end,
        ):
            main([str(argument) for argument in arguments])
    status = end.value.code
    assert isinstance(status, int)
    return CompletedProcess(arguments, status, out.getvalue(), err.getvalue())
