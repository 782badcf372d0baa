"""Files that cannot be read, and the checks of text that come before MLIR."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager

import pytest

from costmodel.errors import ParseError, UnsupportedError, UsageError
from costmodel.ir import read_text, read_workload
from costmodel.ir.source import LIMIT_BYTES, LIMIT_DEPTH, blank_locations, character_column, load

KERNEL = """func.func @f(%a: tensor<4xf32>) -> tensor<4xf32> {
  %0 = math.exp %a : tensor<4xf32>
  return %0 : tensor<4xf32>
}
"""


@contextmanager
def unprivileged():
    """Without the super-user's right to read everything, where the tests have it."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if user == 0:
            os.seteuid(0)


def place(error):
    location = error.value.location
    return location.file, location.line, location.column


def test_path_and_text_give_the_same_workload(tmp_path):
    path = tmp_path / "kernel.mlir"
    path.write_text(KERNEL)
    assert read_workload(path) == read_workload(str(path)) == read_workload(KERNEL)
    assert read_text(KERNEL, file_name="x.mlir").function == "f"


def test_byte_order_mark_and_carriage_returns_do_not_matter(tmp_path):
    path = tmp_path / "windows.mlir"
    path.write_bytes(b"\xef\xbb\xbf" + KERNEL.replace("\n", "\r\n").encode())
    assert read_workload(path) == read_workload(KERNEL)


def test_missing_file(tmp_path):
    path = tmp_path / "absent.mlir"
    with pytest.raises(UsageError, match="no such file") as error:
        read_workload(path)
    assert place(error) == (str(path), 0, 0)
    assert str(error.value).startswith(f"{path}: ")


@pytest.mark.parametrize("name", ["absent\0.mlir", "x" * 4000])
def test_impossible_names(name):
    with pytest.raises(UsageError, match="cannot be read"):
        read_workload(name)


def test_directory(tmp_path):
    with pytest.raises(UsageError, match="directory") as error:
        read_workload(tmp_path)
    assert place(error) == (str(tmp_path), 0, 0)


def test_no_permission(tmp_path):
    path = tmp_path / "secret.mlir"
    path.write_text(KERNEL)
    path.chmod(0)
    with unprivileged(), pytest.raises(UsageError, match="permission") as error:
        read_workload(path)
    assert place(error) == (str(path), 0, 0)
    path.chmod(stat.S_IRUSR)
    assert read_workload(path).function == "f"


@pytest.mark.parametrize(
    ("data", "line", "column"),
    [
        (b"\xff", 1, 1),
        (b"// fine\n// caf\xe9\n", 2, 7),
        ("// größer ".encode() + b"\xf0\x28", 1, 11),
        (b"\xef\xbb\xbf// \x80", 1, 5),
    ],
)
def test_not_utf8(tmp_path, data, line, column):
    path = tmp_path / "latin.mlir"
    path.write_bytes(data)
    with pytest.raises(ParseError, match="not UTF-8") as error:
        read_workload(path)
    assert place(error) == (str(path), line, column)


def test_bytecode_is_named(tmp_path):
    path = tmp_path / "kernel.mlirbc"
    path.write_bytes(b"ML\xefR\x0dMLIR21\x00")
    with pytest.raises(ParseError, match="bytecode"):
        read_workload(path)


def test_large_file_is_refused_by_its_size(tmp_path):
    path = tmp_path / "large.mlir"
    with path.open("wb") as file:
        file.truncate(50 << 20)
    with pytest.raises(UnsupportedError, match=r"50\.0 MiB large; the limit is 16 MiB") as error:
        read_workload(path)
    assert place(error) == (str(path), 0, 0)


@pytest.mark.parametrize("source", [b"abc", None, 5])
def test_what_is_neither_a_path_nor_text_is_refused(source):
    with pytest.raises(UsageError, match=f"a {type(source).__name__} is no kernel") as error:
        read_workload(source)
    assert "give a path" in str(error.value)


def test_what_is_longer_than_a_path_is_text():
    with pytest.raises(UnsupportedError, match="MiB large") as error:
        read_workload("x" * (17 << 20))
    assert place(error) == ("<text>", 0, 0)
    with pytest.raises(UsageError) as short:
        read_workload("begins " + "x y " * 1000 + " ends")
    assert len(str(short.value)) < 300
    assert place(short)[0].startswith("begins x y ")
    with pytest.raises(ParseError, match="custom op") as word:
        read_workload("x" * 5000)
    assert len(str(word.value)) < 300


def test_endless_file_is_refused():
    with pytest.raises(UnsupportedError, match="too large"):
        read_workload("/dev/zero")


def test_large_text_is_refused():
    with pytest.raises(UnsupportedError, match="MiB large"):
        read_workload("//" + " " * LIMIT_BYTES + "\n")


def test_a_pipe_is_read_to_its_end():
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as file:
        file.write(KERNEL)
    try:
        assert read_workload(f"/dev/fd/{reader}") == read_workload(KERNEL)
    finally:
        os.close(reader)


@pytest.mark.parametrize(
    ("opening", "closing", "column"), [("scf.if %c {\n", "}\n", 11), ("(\n", ")\n", 1)]
)
def test_deep_nesting_is_refused_where_it_gets_too_deep(tmp_path, opening, closing, column):
    path = tmp_path / "deep.mlir"
    path.write_text("func.func @f(%c: i1) {\n" + opening * 5000 + closing * 5000 + "return }\n")
    with pytest.raises(ParseError, match="nested too deeply") as error:
        read_workload(path)
    assert place(error) == (str(path), LIMIT_DEPTH + 1, column)


def test_brackets_in_strings_and_comments_do_not_nest():
    text = KERNEL + "// " + "{" * 1000 + '\nmodule attributes {my.note = "' + "[" * 1000 + '"} {}\n'
    assert read_text(text) == read_text(KERNEL)


def test_allowed_depth_can_be_parsed():
    depth = LIMIT_DEPTH - 20
    text = KERNEL + "module {\n" * depth + "}\n" * depth
    assert read_text(text) == read_text(KERNEL)


def test_text_that_is_no_unicode():
    with pytest.raises(ParseError, match=r"U\+D800") as error:
        read_text("// a\n// \ud800", file_name="x")
    assert place(error) == ("x", 2, 4)


@pytest.mark.parametrize(
    ("text", "blanked"),
    [
        ('a loc("x":1:2) b', "a              b"),
        ('a loc(fused["(", "b"]) c', "a                      c"),
        ("#l = loc(unknown)\nb", "                 \nb"),
        ("a loc(#l)", "a        "),
        ('"loc(1)" // loc(2)', '"loc(1)" // loc(2)'),
        ("@loc(%x) %loc (x) block(y)", "@loc(%x) %loc (x) block(y)"),
        ("loc(never closed\n", "                \n"),
    ],
)
def test_blank_locations(text, blanked):
    assert blank_locations(text) == blanked


def test_character_column():
    assert character_column("abc\näöü x", 2, 8) == 5
    assert character_column("abc", 7, 3) == 3


def test_load_returns_the_text(tmp_path):
    path = tmp_path / "a.mlir"
    path.write_text("// ∞\n")
    assert load(path) == "// ∞\n"
