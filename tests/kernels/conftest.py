import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def torch_kernels():
    """The benchmark's PyTorch functions; scripts in tests/bench are no package."""
    pytest.importorskip("torch")
    name = "torch_kernels"
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests/bench/torch_kernels.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
