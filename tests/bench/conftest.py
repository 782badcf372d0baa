import importlib.util
import sys
from pathlib import Path

import pytest


def load_script(name):
    """A script beside this file as a module; the directory is no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def baselines():
    return load_script("baselines")


@pytest.fixture(scope="session")
def quality_table():
    return load_script("quality_table")


@pytest.fixture(scope="session")
def quality_key():
    return load_script("quality_key")
