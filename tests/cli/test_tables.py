"""The tables on stdout."""

from __future__ import annotations

import dataclasses

import pytest

from costmodel.amounts import counted
from costmodel.cli.tables import print_predict, print_rank, print_tune
from costmodel.results import PredictResult, RankedSchedule, RankResult, TuneResult, Untuned

LONG = "/a/directory/that/is/longer/than/any/terminal/" + "x" * 200

TUNED = TuneResult(
    workload="a" * 64, function="[bold]matmul", target="this CPU", backend="tvm",
    baseline_us=2400.0, best_us=412.5, noise_us=3.25, speedup=5.818, gflops=98.7,
    roofline_fraction=0.61, trials=64, measured=60, failed={"crash": 2, "run_timeout": 0},
    cached=4, seconds=21.25, schedule={}, artifacts={"library": f"{LONG}/kernel.so"},
    reference="IREE", reference_us=980.0, notes=("the [model] was switched off",),
)  # fmt: skip


def test_tune_says_what_was_won_and_where_it_is(capsys) -> None:
    print_tune(TUNED)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "[bold]matmul on this CPU through tvm",
        "untuned    2.40 ms",
        "tuned      412 us",
        "noise      ± 3.25 us",
        "IREE       980 us",
        "speed-up   5.82 x",
        "rate       98.7 GFLOP/s, 61% of the roofline",
        "trials     60 measured in 21 s; 4 from the store; failed: 2 crash",
        f"library    {LONG}/kernel.so",
        "note: the [model] was switched off",
    ]


def test_tune_without_a_winner(capsys) -> None:
    nothing = dict.fromkeys(("baseline_us", "best_us", "noise_us", "speedup", "gflops"))
    print_tune(dataclasses.replace(TUNED, **nothing, roofline_fraction=None, interrupted=True))
    printed = capsys.readouterr().out
    assert "tuned      -\n" in printed
    assert "roofline not known" in printed
    assert "; interrupted\n" in printed


def test_predict(capsys) -> None:
    print_predict(
        PredictResult(
            workload="a" * 64, function="matmul", target="this CPU", backend="tvm",
            model="roofline", latency_us=1500.0, low_us=900.0, high_us=2500.0, roofline_us=800.0,
            flops=268435456.0, bytes=3 << 20, intensity=85.333, measured_us=1410.0,
        )
    )  # fmt: skip
    printed = capsys.readouterr().out
    assert "1.50 ms (90%: 900 us to 2.50 ms, by the roofline)" in printed
    assert "85.3 FLOP/B" in printed
    assert "1.41 ms (best in the store)" in printed


def test_one_is_singular(capsys) -> None:
    untuned = Untuned("tvm", 2.0, 1.0, 3.0, 1, 1.2, 50.0, 300.0, 0.5, 0.1)
    print_predict(
        PredictResult(
            workload="a" * 64, function="f", target="this CPU", backend="tvm",
            model="transformer", latency_us=1.0, low_us=0.9, high_us=2.0, roofline_us=0.8,
            flops=2.0, bytes=3, intensity=0.6, measured_us=None, untuned=untuned,
        )
    )  # fmt: skip
    assert "1 vector register, 1 spill\n" in capsys.readouterr().out
    assert [counted(n, "thread") for n in (0, 1, 2)] == ["0 threads", "1 thread", "2 threads"]


@pytest.mark.parametrize("top", [1, 2, 9])
def test_rank_shows_the_top(capsys, top: int) -> None:
    rows = tuple(
        RankedSchedule(n, "tvm", f"{n}" * 64, 100.0 * n, 90.0 * n, 110.0 * n, None, {})
        for n in (1, 2)
    )
    print_rank(RankResult("a" * 64, "f", "this CPU", "tvm", "boosted", 0.5, rows), top)
    printed = capsys.readouterr().out
    assert "2 schedules ranked by boosted" in printed
    assert ("222222222222" in printed) == (top >= 2)
