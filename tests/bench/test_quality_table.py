import pytest


def row(kernel, iree, torch, untuned=None, tuned=None, interval=(0.9, 1.1), noisy=False):
    latencies = {"iree": iree, "torch": torch}
    if tuned is not None:
        latencies |= {"untuned": untuned, "tuned": tuned}
    intervals = dict.fromkeys(latencies, interval)
    return {"kernel": kernel, "latency_us": latencies, "intervals": intervals, "noisy": noisy}


ROWS = [row("b", 300.0, 100.0, 200.0, 50.0), row("a", 80.0, 400.0, 100.0, 20.0, noisy=True)]


def test_the_table_of_tuned_kernels(quality_table):
    assert quality_table.table(ROWS).splitlines() == [
        "kernel          IREE us  PyTorch us  untuned us  tuned us  IREE/tuned"
        "  best of two/tuned  untuned/tuned",
        "a~                 80.0       400.0       100.0      20.0        4.00"
        "               4.00           5.00",
        "b                 300.0       100.0       200.0      50.0        6.00"
        "               2.00           4.00",
        "geometric mean                                                   4.90"
        "               2.83           4.47",
        "minimum                                                          4.00"
        "               2.00           4.00",
    ]


def test_the_table_of_baselines_in_markdown(quality_table):
    rows = [row("a", 50.0, 100.0), row("b", 200.0, 100.0)]
    assert quality_table.table(rows, markdown=True).splitlines() == [
        "| kernel | IREE us | PyTorch us | IREE/PyTorch |",
        "| --- | ---: | ---: | ---: |",
        "| a | 50.0 | 100.0 | 0.50 |",
        "| b | 200.0 | 100.0 | 2.00 |",
        "| geometric mean |  |  | 1.00 |",
        "| minimum |  |  | 0.50 |",
    ]


def test_goals_that_are_met_are_not_mentioned(quality_table):
    assert quality_table.missed_goals(ROWS) == []
    assert quality_table.missed_goals([row("a", 50.0, 100.0)]) == []


def test_every_missed_goal_is_named(quality_table):
    rows = [
        row("slow", 100.0, 40.0, 100.0, 50.0),
        row("worse", 100.0, 200.0, 50.0, 100.0, interval=(0.45, 0.55)),
    ]
    mean, rival, untuned = quality_table.missed_goals(rows)
    assert "1.41" in mean
    assert rival.startswith("slow: best of two/tuned 0.80")
    assert untuned.startswith("worse: slower than untuned")


def test_a_loss_that_noise_explains_is_not_held_against_the_tuner(quality_table):
    rows = [row("even", 300.0, 300.0, 99.0, 100.0, interval=(0.95, 1.02))]
    assert quality_table.missed_goals(rows) == []


def test_the_summary_reduces_what_is_known(quality_table):
    numbers = quality_table.summary([*ROWS, row("c", 50.0, 100.0)])
    assert numbers["geomean_iree_over_tuned"] == pytest.approx((4 * 6) ** 0.5)
    assert numbers["min_best_of_two_over_tuned"] == 2.0
    assert numbers["min_iree_over_torch"] == pytest.approx(0.2)
    assert quality_table.summary([])["min_iree_over_tuned"] is None


def test_backends_that_share_a_budget_have_a_column_each(quality_table):
    joint = row("a", 100.0, 80.0, tuned=40.0)
    del joint["latency_us"]["untuned"]
    joint["latency_us"] |= {"iree tuned": 50.0, "tvm tuned": 40.0}
    head, line, *_ = quality_table.table([joint], markdown=True).splitlines()[::2]
    assert head == (
        "| kernel | IREE us | PyTorch us | iree tuned us | tvm tuned us | tuned us"
        " | IREE/tuned | best of two/tuned | IREE/iree tuned |"
    )
    assert line == "| a | 100.0 | 80.0 | 50.0 | 40.0 | 40.0 | 2.50 | 2.00 | 2.00 |"


def test_the_joint_run_is_held_to_goals_of_its_own(quality_table):
    goals = quality_table.GOALS["auto"]
    good = row("good", 200.0, 200.0, tuned=100.0)
    bad = row("bad", 190.0, 95.0, tuned=200.0)
    assert quality_table.missed_goals([good], goals) == []
    over_iree, rivals = quality_table.missed_goals([good] * 9 + [bad], goals)[-2:]
    assert over_iree.startswith("bad: IREE/tuned 0.95")
    assert rivals.startswith("bad: best of two/tuned 0.47")
