"""Numbers as people read them, and JSON as scripts do."""

from __future__ import annotations

import math

import pytest

from costmodel.cli.output import duration, latency, number, print_json, quantity


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (None, "-"), (math.inf, "-"), (0.0, "0 ns"), (0.0421, "42.1 ns"), (1.0, "1.00 us"),
        (12.345, "12.3 us"), (999.4, "999 us"), (1880.0, "1.88 ms"), (3.2e6, "3.20 s"),
    ],
)  # fmt: skip
def test_latency(us: float | None, text: str) -> None:
    assert latency(us) == text


@pytest.mark.parametrize(
    ("value", "unit", "base", "text"),
    [
        (2 * 512**3, "FLOP", 1000.0, "268 MFLOP"), (0, "FLOP", 1000.0, "0 FLOP"),
        (3 << 20, "B", 1024.0, "3.00 MiB"), (48 << 10, "B", 1024.0, "48.0 KiB"),
        (1.47e11, "FLOP/s", 1000.0, "147 GFLOP/s"), (5e15, "B", 1000.0, "5000 TB"),
    ],
)  # fmt: skip
def test_quantity(value: float, unit: str, base: float, text: str) -> None:
    assert quantity(value, unit, base) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (185, "3 min 05 s"), (7830, "2 h 10 min"), (-1, "0 s")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(5.818, "5.82"), (98.7, "98.7"), (0.00123, "0.00123"), (None, "-")]
)
def test_number(value: float | None, text: str) -> None:
    assert number(value) == text


def test_json_refuses_what_json_has_not() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        print_json({"latency_us": math.nan})
