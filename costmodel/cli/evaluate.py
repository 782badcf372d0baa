"""``costmodel eval``: how well weights predict what they have never seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from costmodel.cli.options import data_option, json_option, quiet_option, seed_option
from costmodel.cli.output import number, print_json, print_wide

if TYPE_CHECKING:
    from costmodel.learning.evaluate import Evaluation, Row

__all__ = ["evaluate"]

#: Columns of the two tables: the score, its heading, and what it is multiplied by.
_FUNCTION = (
    ("functions", "functions", 1), ("spearman", "Spearman", 1), ("median_error", "error %", 100),
    ("registers", "registers %", 100), ("utilization_rmse", "utilization", 1),
    ("spills_mae", "spills", 1), ("covered", "covered %", 100),
)  # fmt: skip
_SCHEDULE = (
    ("tasks", "tasks", 1), ("grouped", "of 64", 1), ("first", "first", 1), ("five", "best of 5", 1),
    ("spearman", "Spearman", 1), ("covered", "covered %", 100),
)  # fmt: skip


@click.command("eval", short_help="Judge the cost model on data it never saw.")
@data_option
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="What `costmodel train` wrote; by default the weights of this package.",
)
@click.option(
    "--baselines",
    type=click.Choice(["none", "fast", "all"]),
    default="fast",
    show_default=True,
    help="What to train and judge beside: trees and lines in seconds, or the networks of "
    "arXiv 2302.11405 and XGBoost on MetaSchedule's features too, which takes long.",
)
@click.option("--families", is_flag=True, help="Show each family; --json always does.")
@seed_option
@quiet_option
@json_option
def evaluate(
    data: Path,
    weights: Path | None,
    baselines: str,
    families: bool,
    seed: int,
    quiet: bool,
    as_json: bool,
) -> None:
    """Judge weights on the functions of --data that training never saw.

    Functions are held out whole: by family, by shape, and the kernels of kernels/. Latency is
    judged by rank correlation (Spearman) and median relative error, vector registers by the share
    within 1, utilization by its root mean square error in percentage points; schedules by what the
    first choice among 64, and the best of the first five, take over the best of the 64.
    """
    from costmodel.learning.evaluate import evaluate as judge
    from costmodel.models.shipped import shipped_weights

    def show(what: str) -> None:
        if not quiet:
            click.echo(f"{what} ...", err=True)

    found = judge(data, weights or shipped_weights(), baselines=baselines, seed=seed, listener=show)
    if as_json:
        print_json(found.to_json())
        return
    _print(found, families)


def _print(found: Evaluation, families: bool) -> None:
    rows = [row for row in found.rows if families or row.family == "all"]
    _print_table([row for row in rows if row.level == "function"], "functions", _FUNCTION)
    _print_table([row for row in rows if row.level == "schedule"], "schedules", _SCHEDULE)
    click.echo(
        f"{found.leaked} functions are left out, since the weights learned from them; "
        f"{found.unread} measurements could not be read"
    )


def _print_table(
    rows: Sequence[Row], title: str, columns: Sequence[tuple[str, str, float]]
) -> None:
    from rich.table import Table

    if not rows:
        return
    table = Table(title=title, title_justify="left")
    for heading in ("held out", "family", "of", "model"):
        table.add_column(heading)
    for _, heading, _ in columns:
        table.add_column(heading, justify="right")
    for row in rows:
        cells = [number(row.scores[name] * factor) for name, _, factor in columns]
        table.add_row(row.part, row.family, row.of, row.model, *cells)
    print_wide(table)
