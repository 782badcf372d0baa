"""``__all__`` is what a module defines in public: nothing missing, nothing made up."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import costmodel

ROOT = Path(costmodel.__file__).parent
#: Generated code exports what its generator thinks fit.
MODULES = sorted(path for path in ROOT.rglob("*.py") if "_pb2" not in path.name)
#: Commands are exported by their registry and run, never imported from.
WITHOUT = {"__main__.py"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def exported(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return None


def defined(tree: ast.Module) -> set[str]:
    """Public functions and classes that a module defines at its top."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {n.name for n in tree.body if isinstance(n, kinds) and not n.name.startswith("_")}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_all_names_exist_once_and_are_public(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = exported(tree)
    if names is None:
        assert not defined(tree) or path.name in WITHOUT, f"{path} has no __all__"
        return
    module = importlib.import_module(module_name(path))
    assert len(names) == len(set(names))
    assert not [name for name in names if not hasattr(module, name)]
    assert not [name for name in names if name.startswith("_") and name != "__version__"]


def test_the_package_exports_what_it_imports() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("costmodel")
        for alias in node.names
    }
    assert set(costmodel.__all__) == imported | {"__version__"}


@pytest.mark.parametrize("first", ["import costmodel", "import costmodel.tuning"])
def test_the_functions_are_not_hidden_by_modules(first: str) -> None:
    program = f"{first}; import costmodel as c; assert callable(c.tune) and callable(c.rank)"
    subprocess.run([sys.executable, "-c", program], check=True)
