"""Bad input: a message with its place on stderr, exit status 2, no traceback, nothing written."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from costmodel.store import open_store

FUNCTION = "func.func @f(%a: tensor<{shape}>) -> tensor<{shape}> {{\n  {body}\n}}\n"
ADD = "%s = arith.addf %a, %a : tensor<{shape}>\n  return %s : tensor<{shape}>"


def same(shape: str, body: str = ADD) -> str:
    return FUNCTION.format(shape=shape, body=body.format(shape=shape))


#: Name: text, and the line that the message names.
TEXTS: dict[str, tuple[str, int]] = {
    "syntax error": ("func.func @f(%a: tensor<4xf32>) {\n  return )\n}\n", 2),
    "unknown op": (same("4xf32", "%s = linalg.frobnicate %a\n  return %s : tensor<{shape}>"), 2),
    "unknown dialect": (same("4xf32", '"no.such"() : () -> ()\n  return %a : tensor<{shape}>'), 2),
    "type error": (same("4xf32", "return %a : tensor<5xf32>"), 2),
    "dynamic shape": (same("?xf32"), 1),
    "zero size": (same("0x4xf32"), 1),
    "2^40 elements": (same("1048576x1048576xf32"), 1),
    "element type": (same("4xf8E4M3FN", "return %a : tensor<{shape}>"), 1),
    "empty file": ("", 1),
    "empty module": ("module {}\n", 1),
    "no function": ("memref.global @g : memref<4xf32>\n", 1),
    "declaration alone": ("func.func private @f(tensor<4xf32>) -> tensor<4xf32>\n", 1),
    "several functions": (same("4xf32") + same("8xf32").replace("@f", "@g"), 5),
    "loop nest": (
        "func.func @f(%a: memref<4xf32>) {\n  affine.for %i = 0 to 4 {\n"
        "    %v = affine.load %a[%i] : memref<4xf32>\n    affine.store %v, %a[%i] : memref<4xf32>\n"
        "  }\n  return\n}\n",
        1,
    ),
    "5,000 nested regions": (
        "func.func @f(%a: tensor<4xf32>, %c: i1) -> tensor<4xf32> {\n"
        + "scf.if %c {\n" * 5000 + "}\n" * 5000 + "  return %a : tensor<4xf32>\n}\n",
        201,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_text_that_cannot_be_tuned(place, name: str) -> None:
    text, line = TEXTS[name]
    bad = place.path / "bad.mlir"
    bad.write_text(text)
    error = place.refused(bad, process=name == "syntax error")
    assert Path(error["file"]).name == "bad.mlir"
    assert error["line"] == line
    assert error["column"] >= 1


def test_the_function_can_be_chosen_and_must_exist(place) -> None:
    several = place.path / "several.mlir"
    several.write_text(TEXTS["several functions"][0])
    assert "h" in place.refused(several, "--function", "h")["message"]
    assert place.json("predict", several, "--function", "g")["function"] == "g"


def test_not_utf8(place) -> None:
    bad = place.path / "bad.mlir"
    bad.write_bytes(b"func.func @f() {\n  return } // \xff\xfe\n")
    error = place.refused(bad)
    assert (error["line"], error["column"]) == (2, 15)


def test_a_directory_and_a_missing_file(place) -> None:
    (place.path / "folder.mlir").mkdir()
    place.refused(place.path / "folder.mlir")
    place.refused(place.path / "missing.mlir")


def test_a_file_of_50_megabytes(place) -> None:
    big = place.path / "big.mlir"
    with big.open("w") as file:
        file.write(same("4xf32"))
        file.write("// weights, weights and more weights\n" * 1_400_000)
    assert big.stat().st_size > 50e6
    assert "large" in place.refused(big)["message"]


def test_a_file_that_may_not_be_read(restricted) -> None:
    restricted.kernel.chmod(0)
    error = restricted.refused(restricted.kernel)
    assert "ermission" in error["message"]
    assert Path(error["file"]) == restricted.kernel


@pytest.mark.parametrize(
    ("option", "value"), [("--target", "abacus"), ("--backend", "abacus"), ("--threads", "99999")]
)
def test_options_that_name_what_is_not_there(place, option: str, value: str) -> None:
    assert value in place.refused(place.kernel, option, value)["message"]


def test_an_output_directory_that_is_a_file(place) -> None:
    (place.path / "out").write_text("precious")
    error = place.refused(place.kernel)
    assert "out" in error["message"]
    assert place.out.read_text() == "precious"


def test_a_store_that_is_none(place) -> None:
    garbage = b"certainly not a database" * 500
    place.store.write_bytes(garbage)
    assert place.refused(place.kernel)["kind"] == "StoreCorruptError"
    assert place.store.read_bytes() == garbage


def test_a_store_of_a_newer_version(place) -> None:
    open_store(place.store).close()
    other = sqlite3.connect(place.store)
    other.execute("PRAGMA user_version = 999")
    other.close()
    content = place.store.read_bytes()
    error = place.refused(place.kernel)
    assert error["kind"] == "StoreVersionError"
    assert "update costmodel" in error["hint"]
    assert place.store.read_bytes() == content


def test_an_output_directory_that_may_not_be_written(restricted) -> None:
    restricted.out.mkdir(0o555)
    assert "out" in restricted.refused(restricted.kernel)["message"]
