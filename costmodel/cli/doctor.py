"""``costmodel doctor``: what is here, what it can do, what is missing and how to get it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from costmodel.cli.failures import COULD_NOT
from costmodel.cli.options import json_option, store_option, threads_option
from costmodel.cli.output import print_json, quantity

if TYPE_CHECKING:
    from costmodel.doctor import Diagnosis
    from costmodel.records import Target

__all__ = ["doctor"]

MARKS = {"ok": ("ok", "green"), "warning": ("warning", "yellow"), "failed": ("FAILED", "red")}


@click.command(short_help="Examine this machine and this installation.")
@threads_option
@store_option
@click.option(
    "--measure/--no-measure",
    default=True,
    show_default=True,
    help="Measure the CPU's peak FLOP/s and bandwidth, which takes some seconds.",
)
@json_option
def doctor(threads: int | None, store: Path | None, measure: bool, as_json: bool) -> int:
    """Examine this machine and this installation; exit status 0 if both are fit to tune.

    Shows versions, CPU features, caches, measured peak FLOP/s and bandwidth, the state of the
    store, and for everything that is missing how to get it.
    """
    from costmodel.doctor import examine

    diagnosis = examine(store=store, threads=threads, measure=measure)
    if as_json:
        print_json(diagnosis.to_json())
    else:
        _print(diagnosis)
    return 0 if diagnosis.usable else COULD_NOT


def _print(diagnosis: Diagnosis) -> None:
    for check in diagnosis.checks:
        word, colour = MARKS[check.status]
        click.echo(f"{click.style(f'{word:>8}', fg=colour)}  {check.name}: {check.value}")
        if check.hint is not None:
            click.echo(f"{'':>8}  hint: {check.hint}")
    _print_target(diagnosis.target)
    click.echo("\nversions")
    for name, version in diagnosis.versions.items():
        click.echo(f"  {name:<20} {version or '-'}")
    click.echo("\nfit to tune" if diagnosis.usable else "\nnot fit to tune: see what FAILED above")


def _print_target(target: Target) -> None:
    sizes = (quantity(size, "B", 1024.0) for size in target.cache_bytes)
    caches = ", ".join(f"L{level} {size}" for level, size in enumerate(sizes, 1))
    click.echo(f"\n{target.arch} {target.kind}")
    click.echo(f"  {'caches':<20} {caches or '-'}")
    click.echo(f"  {'features':<20} {' '.join(target.features) or '-'}")
    for dtype, rate in target.peak_flops.items():
        click.echo(f"  {f'peak {dtype}':<20} {quantity(rate, 'FLOP/s')}")
    if target.bandwidth:
        click.echo(f"  {'bandwidth':<20} {quantity(target.bandwidth, 'B/s')}")
