"""``report.json`` holds the contract and the history; a full disk loses only the file."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

import pytest

from costmodel.report import ranking_quality, report_json, write_report


def test_report_says_what_is_printed_and_more(make_result, tmp_path: Path) -> None:
    result = write_report(make_result(), tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["format"] == 1
    for key, value in result.to_json().items():
        assert report[key] == value, key
    assert report["artifacts"]["report"] == str(tmp_path / "report.json")
    assert len(report["history"]) == len(result.history)
    assert report["outcomes"] == {"ok": 44, "run_timeout": 4}
    assert report["sources"]["default"] == 1
    assert report["reference_us"] == 980.0
    assert 0 < report["ranking_spearman"] <= 1


def test_numbers_that_are_not_known_are_null(make_result, tmp_path: Path) -> None:
    unknown = make_result(best_us=float("inf"), baseline_us=None, speedup=float("nan"), history=())
    write_report(unknown, tmp_path)
    report = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
    assert report["best_us"] is report["baseline_us"] is report["speedup"] is None
    assert report["ranking_spearman"] is None


def test_a_directory_that_vanished_is_a_problem_of_the_result(make_result, tmp_path: Path) -> None:
    result = write_report(make_result(artifacts={"library": "/x/kernel.so"}), tmp_path / "gone")
    assert len(result.problems) == 2
    assert all("No such file or directory" in problem for problem in result.problems)
    assert result.artifacts == {"library": "/x/kernel.so"}
    assert result.best_us == 412.5


def test_files_are_told_by_name_to_who_has_them_elsewhere(make_result, tmp_path: Path) -> None:
    lost = f"{tmp_path}/kernel.mlir could not be written: no room"
    made = make_result(artifacts={"library": str(tmp_path / "kernel.so")}, problems=(lost,))
    result = write_report(made, tmp_path, plain=True)
    assert result.artifacts["library"] == "kernel.so"
    assert result.problems == ("kernel.mlir could not be written: no room",)
    text = (tmp_path / "report.json").read_text()
    assert json.loads(text)["files"] == result.artifacts
    assert str(tmp_path) not in text


def test_no_room_for_the_plot_leaves_no_half_of_it(make_result, tmp_path: Path) -> None:
    """The limit on a file's size ends a write as a full disk does, with an OSError."""
    (tmp_path / "search.png").write_bytes(b"the plot of an earlier run")
    made, (soft, hard) = make_result(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        result = write_report(made, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [p for p in result.problems if "search.png" in p and "large" in p]
    assert "plot" not in result.artifacts
    assert (tmp_path / "search.png").read_bytes() == b"the plot of an earlier run"
    assert sorted(os.listdir(tmp_path)) == ["report.json", "search.png"]


def test_spearman_needs_pairs_and_two_values(make_result) -> None:
    history = make_result().history
    assert ranking_quality(history[:6]) is None  # four without a prediction, two with
    assert ranking_quality(history) == pytest.approx(report_json(make_result())["ranking_spearman"])
