"""What a client asks with: a kernel that is known keeps its name."""

import os

import pytest

from costmodel.errors import UsageError
from costmodel.ir import read_text, read_workload
from costmodel.oracle.requests import kernel
from tests.oracle.texts import KERNEL, SCRIPTED


@pytest.mark.parametrize("name", ["product", "main", "a.b$c", '"a b"'])
def test_a_workload_is_sent_with_its_name(name):
    workload = read_text(KERNEL.replace("@product", f"@{name}"))
    read = read_text(kernel(workload).message.mlir)
    assert read.hash == workload.hash
    assert read.function == (workload.function if '"' not in name else "main")


def test_a_name_that_no_message_holds_is_sent_without_its_odd_bytes(tmp_path):
    path = tmp_path / os.fsdecode(b"\xffkernel.mlir")
    path.write_text(KERNEL)
    found = kernel(path)
    assert (found.message.file_name, found.name) == ("?kernel.mlir", str(path))


@pytest.mark.parametrize("source", [b"abc", None])
def test_what_is_no_kernel_is_refused(source):
    with pytest.raises(UsageError, match=f"a {type(source).__name__} is no kernel") as caught:
        kernel(source)
    assert "a Workload" in str(caught.value)


@pytest.mark.parametrize(("digits", "said"), [(12, True), (63, True), (5, False), (65, False)])
def test_a_part_of_a_hash_is_said_to_be_one(digits, said):
    with pytest.raises(UsageError, match="no such file") as caught:
        kernel("a" * digits)
    assert ("it has 64 digits" in str(caught.value)) is said


def test_a_workload_is_sent_with_its_script():
    workload = read_workload(SCRIPTED)
    message = kernel(workload).message
    read = read_text(message.mlir, function=message.function)
    assert workload.script is not None
    assert (read, read.function, read.script) == (workload, workload.function, workload.script)
