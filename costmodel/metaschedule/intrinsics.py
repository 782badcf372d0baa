"""MetaSchedule without the half minute in which TVM parses the intrinsics of all other devices.

``TuneContext`` imports ``tvm.s_tir.tensor_intrin``, which registers the tensor intrinsics of every
device. Importing this module puts a package in its place that has the same submodules and has
registered those of this machine's CPUs alone, which TVM's rules for ``llvm`` look up by name. Those
of another device are registered by importing its submodule (``tvm.s_tir.tensor_intrin.cuda``).
"""

from __future__ import annotations

import platform
import sys
import types
from importlib import import_module
from importlib.machinery import PathFinder

import costmodel.backends.tvm.without_torch  # noqa: F401

__all__ = ["PACKAGE", "import_intrinsics"]

PACKAGE = "tvm.s_tir.tensor_intrin"
#: The submodule of each kind of CPU.
_SUBMODULES = {"x86_64": "x86", "aarch64": "arm_cpu"}


def import_intrinsics() -> None:
    """Have the intrinsics of this machine's CPUs; does nothing where all have been imported."""
    if not hasattr(sys.modules.get(PACKAGE), "__path__"):
        sys.modules[PACKAGE] = _without_devices()
    name = _SUBMODULES.get(platform.machine())
    if name is not None:
        import_module(f"{PACKAGE}.{name}")


def _without_devices() -> types.ModuleType:
    """The package without what its ``__init__`` would import."""
    import tvm.s_tir

    spec = PathFinder.find_spec(PACKAGE, tvm.s_tir.__path__)
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError(f"this TVM has no {PACKAGE}")
    package = types.ModuleType(PACKAGE)
    package.__path__ = list(spec.submodule_search_locations)
    return package


import_intrinsics()
