"""The picture of a search is drawn for every kind of history, without a display."""

from __future__ import annotations

import io

import matplotlib.image
import numpy as np
import pytest

from costmodel.records import Outcome
from costmodel.report.plot import COLOURS, FAILED, search_plot
from costmodel.results import TrialRecord


def pixels(png: bytes) -> np.ndarray:
    return matplotlib.image.imread(io.BytesIO(png))[:, :, :3]


def drawn(png: bytes, colour: str) -> int:
    """Pixels of exactly this colour."""
    wanted = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return int((np.abs(pixels(png) - wanted) < 0.5 / 255).all(axis=2).sum())


def failure(index: int) -> TrialRecord:
    return TrialRecord(index, "0" * 64, Outcome.CRASH, None, None, None, None, 1.0, "random")


def test_shows_every_source_and_the_failures(make_result) -> None:
    png = search_plot(make_result())
    assert pixels(png).shape == (600, 1500, 3)
    for colour in (COLOURS["default"], COLOURS["random"], COLOURS["model"], FAILED):
        assert drawn(png, colour) > 20, colour


def test_without_failures_there_is_no_cross(make_result) -> None:
    png = search_plot(make_result(history=make_result().history[:5]))
    assert drawn(png, FAILED) == 0
    assert drawn(png, COLOURS["model"]) > 20


def test_failures_alone_are_drawn_without_points(make_result) -> None:
    png = search_plot(make_result(history=(failure(0), failure(1)), baseline_us=None))
    assert drawn(png, FAILED) > 5
    assert drawn(png, COLOURS["model"]) == 0


@pytest.mark.parametrize("name", ["matmul", "$\\undefined{$", "name with \u00b5 and\nline"])
def test_any_symbol_name_can_be_the_title(make_result, name: str) -> None:
    assert search_plot(make_result(function=name, history=())).startswith(b"\x89PNG")
