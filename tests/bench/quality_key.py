"""What a stored row of ``quality.py`` must have in common with a run to be taken over."""

from __future__ import annotations

import argparse
import os
from importlib import metadata
from pathlib import Path
from typing import Any

import costmodel
from costmodel.backends import registry
from costmodel.ir import read_workload

__all__ = ["compared_versions", "row_key"]

_DISTRIBUTIONS = ("iree-base-compiler", "iree-base-runtime", "torch", "apache-tvm")


def row_key(path: Path, args: argparse.Namespace) -> dict[str, Any]:
    """The kernel, the settings that change what is tuned or timed, and all versions."""
    tuned = not args.baselines_only
    return {
        "text": read_workload(path).hash,
        "threads": args.threads,
        "trials": args.trials if tuned else None,
        "seed": args.seed,
        "rounds": args.rounds,
        "openmp": os.environ.get("OMP_WAIT_POLICY", ""),
        "versions": compared_versions(),
        "tuner": _tuner(args.backend) if tuned else None,
    }


def compared_versions() -> dict[str, str]:
    """Of the compilers and libraries that are compared."""
    return {name: metadata.version(name) for name in _DISTRIBUTIONS}


def _tuner(backend: str) -> dict[str, str]:
    """A search space's version changes with the programs that its schedules stand for."""
    versions = registry.load(backend).versions()
    return {"backend": backend, "costmodel": costmodel.__version__, **versions}
