"""Files appear whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from costmodel.errors import UsageError
from costmodel.report import prepare_out, write_text


def test_replaces_the_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    for text in ("first", "second µ"):
        write_text(path, text)
        assert path.read_text(encoding="utf-8") == text
    assert os.listdir(tmp_path) == ["report.json"]


def test_the_usual_permissions_apply(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "file", "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_a_failed_write_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.mkdir()  # renaming a file onto a directory fails
    with pytest.raises(OSError, match="directory"):
        write_text(path, "text")
    assert os.listdir(tmp_path) == ["kept"]


def test_prepare_out_makes_an_empty_directory(tmp_path: Path) -> None:
    out = prepare_out(tmp_path / "a" / "b")
    assert out.is_absolute()
    assert list(out.iterdir()) == []


def test_prepare_out_refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="not a directory"):
            prepare_out(out)
    assert (tmp_path / "file").read_text() == "x"
