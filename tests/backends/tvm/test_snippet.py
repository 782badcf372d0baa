"""The snippet really loads and calls a library, for every element type."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from costmodel.backends.drawing import NUMPY_NAMES
from costmodel.backends.tvm.snippet import tvm_snippet
from costmodel.records import DTYPE_BYTES, TensorType

ROWS, COLUMNS = 3, 5


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library whose ``main`` copies two inputs of different element types to two outputs."""
    import tvm
    from tvm import te

    def copy(tensor: te.Tensor, name: str) -> te.Tensor:
        return te.compute(tensor.shape, lambda *index: tensor(*index), name=name)

    whole = te.placeholder((ROWS,), "int64", name="whole")
    real = te.placeholder((ROWS, COLUMNS), "float32", name="real")
    outputs = [copy(whole, "first"), copy(real, "second")]
    program = te.create_prim_func([whole, real, *outputs]).with_attr("global_symbol", "main")
    path = tmp_path_factory.mktemp("library") / "kernel.so"
    executable = tvm.compile(tvm.IRModule({"main": program}), tvm.target.Target({"kind": "llvm"}))
    executable.export_library(str(path), cc="cc")
    return path


def test_runs_and_prints_every_output(library: Path) -> None:
    tensors = (TensorType((ROWS,), "i64", index_limit=4), TensorType((ROWS, COLUMNS), "f32"))
    script = library.with_name("run_kernel.py")
    script.write_text(tvm_snippet("copy", library.name, tensors, tensors, 2))
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, cwd="/", check=False
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith("int64 (3,) [")
    assert set(map(int, first.split("[")[1].strip("]").split())) <= {0, 1, 2, 3}
    assert second.startswith("float32 (3, 5) [")
    assert "[0. 0. 0. 0.]" not in second


@pytest.mark.parametrize("dtype", sorted(DTYPE_BYTES))
def test_inputs_have_the_element_type_and_shape(dtype: str) -> None:
    tensor = TensorType((2, 3), dtype)
    lines = tvm_snippet("f", "kernel.so", (tensor,), (tensor,), 1).split("\n# One core")
    names: dict[str, object] = {}
    program = lines[0] + "\nrng" + lines[1].split("\nrng")[1].split("\n# The kernel")[0]
    exec(compile(program.replace("import tvm\n", ""), "snippet", "exec"), names)
    (given,), (filled,) = names["inputs"], names["outputs"]
    assert given.dtype == filled.dtype == NUMPY_NAMES[dtype]
    assert given.shape == filled.shape == (2, 3)


@pytest.mark.parametrize("name", ['"""', "a\nb", "back\\slash", "µ"])
def test_any_symbol_name_gives_a_valid_program(name: str) -> None:
    ast.parse(tvm_snippet(name, "kernel.so", (), (), 1))


def test_stays_short() -> None:
    tensor = TensorType((2,), "f32")
    text = tvm_snippet("f", "kernel.so", (tensor, tensor), (tensor,), 1)
    assert len([line for line in text.splitlines() if line.strip()]) <= 22
