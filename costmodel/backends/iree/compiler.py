"""IREE's compiler, run as its users run it, in a process group of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from costmodel.errors import BackendError
from costmodel.records import Workload

__all__ = [
    "COMPILE_FLAGS",
    "SPEC_FLAG",
    "binary",
    "compile_text",
    "compile_workload",
    "configured_text",
    "run_tool",
    "staged_text",
]

#: What a user of IREE would pass for this machine. Doubles stay doubles: by default IREE
#: computes f64 in f32, which would make it a reference for something else.
COMPILE_FLAGS: tuple[str, ...] = (
    "--iree-hal-target-device=local",
    "--iree-hal-local-target-device-backends=llvm-cpu",
    "--iree-llvmcpu-target-cpu=host",
    "--iree-input-demote-f64-to-f32=false",
)

#: Names the file with tilings for operations that the compiler rewrites first.
SPEC_FLAG = "--iree-codegen-tuning-spec-path"

#: Up to a phase it takes moments, but now and then it does not end; nobody knows why.
_ATTEMPTS = 2


class _TimedOutError(BackendError):
    """The compiler did not end in time."""


def compile_workload(
    workload: Workload, vmfb: Path, *, timeout_s: float = 60.0, flags: Sequence[str] = ()
) -> None:
    """Compile the workload's text for this CPU by IREE's defaults; see ``compile_text``."""
    compile_text(workload.text, vmfb, flags=flags, timeout_s=timeout_s)


def compile_text(
    text: str,
    output: Path,
    *,
    flags: Sequence[str] = (),
    spec: str = "",
    timeout_s: float | None = None,
) -> None:
    """Compile MLIR for this CPU; ``output`` appears only when it is complete.

    With a time-out the compiler runs as a process group of its own, which is then killed as a
    whole: it crashes or runs for minutes on some inputs. Without one it stays in the caller's
    group and ends with that. ``flags`` are added to COMPILE_FLAGS, and so is the one that names
    the tuning ``spec``, given as text. Raises BackendError with the compiler's message.
    """
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as scratch:
        source, result = Path(scratch, "input.mlir"), Path(scratch, "output")
        source.write_text(text, encoding="utf-8")
        arguments = [*COMPILE_FLAGS, *flags]
        if spec:
            Path(scratch, "spec.mlir").write_text(spec, encoding="utf-8")
            arguments.append(f"{SPEC_FLAG}={scratch}/spec.mlir")
        arguments += [str(source), "-o", str(result)]
        run_tool(_compiler(), arguments, timeout_s=timeout_s)
        result.replace(output)


def configured_text(
    text: str, *, flags: Sequence[str] = (), spec: str = "", timeout_s: float = 60.0
) -> str:
    """The program as dispatches with the configuration that each is compiled by, with locations.

    Raises BackendError with the compiler's message.
    """
    phase = "executable-configurations"
    return staged_text(text, phase, flags, spec=spec, timeout_s=timeout_s)


def staged_text(
    text: str,
    phase: str,
    flags: Sequence[str] = (),
    *,
    spec: str = "",
    locations: bool = True,
    timeout_s: float = 60.0,
) -> str:
    """The program as it is after a phase of the compiler; each attempt has ``timeout_s``.

    Raises BackendError with the compiler's message.
    """
    stop = [f"--compile-to={phase}"] + ["--mlir-print-debuginfo"] * locations
    with tempfile.TemporaryDirectory(prefix="costmodel-iree-") as scratch:
        output = Path(scratch, "staged.mlir")
        for attempt in range(_ATTEMPTS):
            try:
                compile_text(text, output, flags=[*flags, *stop], spec=spec, timeout_s=timeout_s)
                break
            except _TimedOutError:
                if attempt == _ATTEMPTS - 1:
                    raise
        return output.read_text(encoding="utf-8")


def run_tool(
    binary: str,
    arguments: Sequence[str],
    *,
    timeout_s: float | None,
    failure: str = "IREE did not compile the function",
) -> None:
    """Run one of IREE's programs; see ``compile_text`` for the time-out.

    Raises BackendError with what the program said, after the words ``failure``.
    """
    process = subprocess.Popen(
        [binary, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=timeout_s is not None,
    )
    try:
        _, diagnostics = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise _TimedOutError(f"{failure} in {timeout_s:g} s") from None
    finally:
        _end(process, group=timeout_s is not None)
    if process.returncode == 0:
        return
    if process.returncode < 0:
        name = signal.Signals(-process.returncode).name
        what = f"{failure}: IREE's compiler crashed ({name})"
        raise BackendError(f"{what}\n{_shortened(diagnostics)}".rstrip())
    raise BackendError(f"{failure}:\n{_shortened(diagnostics)}")


def _end(process: subprocess.Popen[str], *, group: bool) -> None:
    """Kill what is left of the compiler (with its linker, a child, in a ``group``) and reap it."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL) if group else process.kill()
        process.wait()
    if process.stderr is not None:
        process.stderr.close()


def _shortened(diagnostics: str, lines: int = 12) -> str:
    kept = diagnostics.strip().splitlines()
    return "\n".join(kept[:lines] + (["..."] if len(kept) > lines else []))


def _compiler() -> str:
    return binary("iree-compile")


@cache
def binary(name: str) -> str:
    """One of IREE's programs itself: its console script would outlive a killed parent."""
    spec = importlib.util.find_spec("iree.compiler")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder, "_mlir_libs", name)
        if path.is_file():
            return str(path)
    raise BackendError("IREE's compiler was not found", hint="pip install iree-base-compiler")
