"""What is read from machine code: compared with what a C compiler was told to make."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from costmodel.measure.machine_code import read_machine_code
from costmodel.toolchain import find_compiler


def library(tmp_path: Path, assembly: str) -> Path:
    """A shared library of exactly these instructions (Intel syntax), with no start-up code."""
    source, built = tmp_path / "code.S", tmp_path / "code.so"
    source.write_text(f".intel_syntax noprefix\n.globl f\nf:\n{assembly}\n", encoding="utf-8")
    compiler = find_compiler()
    assert compiler is not None
    command = [compiler, "-shared", "-nostdlib", "-o", str(built), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return built


def test_counts_registers_spills_and_reloads(tmp_path: Path) -> None:
    code = read_machine_code(
        library(
            tmp_path,
            """
            vmovups zmm0, [rdi]
            vmovups zmm17, [rdi + 64]
            vfmadd231ps zmm0, zmm17, zmm17
            vmovups [rsp + 64], zmm0
            vaddps ymm3, ymm3, [rsp]
            vmovups [rdi + rax*4], zmm0
            vmovups [rbp - 32], xmm3
            add rax, 16
            ret
            """,
        )
    )
    assert code is not None
    assert code.instructions == 9
    assert code.vector_instructions == 7
    assert code.vector_registers == 3
    assert code.spills == 2
    assert code.reloads == 1
    assert code.code_bytes > 9


def test_code_without_vectors_has_none(tmp_path: Path) -> None:
    code = read_machine_code(library(tmp_path, "mov rax, rdi\nadd rax, 1\nret"))
    assert code is not None
    assert (code.instructions, code.vector_instructions, code.vector_registers) == (3, 0, 0)


def test_what_is_embedded_in_other_bytes_is_found(tmp_path: Path) -> None:
    inner = library(tmp_path, "vaddps ymm1, ymm2, ymm3\nret").read_bytes()
    outer = tmp_path / "module.vmfb"
    outer.write_bytes(b"\x7fELF is no file" + b"x" * 100 + inner + inner)
    code = read_machine_code(outer)
    assert code is not None
    assert (code.instructions, code.vector_registers) == (4, 3)


@pytest.mark.parametrize("content", [b"", b"text", b"\x7fELF", b"\x7fELF" + bytes(200)])
def test_what_is_no_library_has_no_code(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "library"
    path.write_bytes(content)
    assert read_machine_code(path) is None
