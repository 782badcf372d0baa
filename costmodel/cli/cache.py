"""``costmodel cache``: look at the measurement store, move it between machines, check it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from costmodel.cli.failures import COULD_NOT
from costmodel.cli.options import json_option, store_option
from costmodel.cli.output import latency, print_json, quantity, table_console

if TYPE_CHECKING:
    from costmodel.store.sqlite import SQLiteStore

__all__ = ["cache"]


@click.group()
def cache() -> None:
    """Look at the measurement store, move it between machines, check it.

    Everything that was ever measured is kept in it, failures included. Stores and exported files
    can be merged in any order and as often as wanted: nothing is doubled and nothing is lost.
    """


@cache.command()
@store_option
@json_option
def stats(store: Path | None, as_json: bool) -> None:
    """Count what the store holds, by workload, target, backend and outcome."""
    with _open_to_read(store) as opened:
        found = dict(opened.stats())
        names = _names(opened)
    if as_json:
        print_json(found)
        return
    click.echo(
        f"{found['path']}: {found['measurements']} measurements, "
        f"{quantity(found['size_bytes'], 'B', 1024.0)}, schema {found['schema_version']}"
    )
    for title in ("workload", "target", "backend", "outcome"):
        counts: Mapping[str, int] = found[f"by_{title}"]
        rows = [[_short(key), names.get(key, ""), str(count)] for key, count in counts.items()]
        _table([title, "", "measurements"], rows)


@cache.command()
@click.argument("workload", required=False)
@store_option
@json_option
def show(workload: str | None, store: Path | None, as_json: bool) -> None:
    """Show the best measurement of each workload, or all about one WORKLOAD.

    WORKLOAD is a workload's hash, or as much of its beginning as is unambiguous.
    """
    from costmodel.cli.cache_view import describe, overview

    with _open_to_read(store) as opened:
        found = overview(opened) if workload is None else describe(opened, workload)
    if as_json:
        print_json(found)
        return
    if workload is None:
        _print_best([each for one in found["workloads"] for each in one["best"]])
        return
    click.echo(f"workload {found['workload']}\nfunction {found['function']}\n\n{found['text']}")
    _print_best(found["best"])
    for each in found["best"]:
        if each["schedule"] is not None:
            click.echo(
                f"\nbest schedule on {each['target_name']} (measurement {each['id']}):\n"
                f"{each['schedule']}"
            )


def _print_best(best: list[dict[str, Any]]) -> None:
    titles = ["workload", "function", "target", "backend", "best", "measured", "failed"]
    rows = [
        [
            _short(each["workload"]), each["function"], each["target_name"],
            each["backend"] or "-", latency(each["latency_us"]), str(each["measured"]),
            str(each["failed"]),
        ]
        for each in best
    ]  # fmt: skip
    _table(titles, rows)


@cache.command()
@click.option(
    "--format",
    "layout",
    type=click.Choice(["jsonl", "t4"]),
    default="jsonl",
    show_default=True,
    help="JSON lines with everything, or T4 auto-tuning results (schema 1.0.0).",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The file to write, packed if it ends in .gz; for several T4 documents a directory. "
    "By default stdout.",
)
@click.option(
    "--workload", metavar="HASH", help="T4 only: this workload, by the start of its hash."
)
@click.option(
    "--on", "target", metavar="HASH", help="T4 only: this target, by the start of its hash."
)
@store_option
@json_option
def export(
    layout: str,
    output: Path | None,
    workload: str | None,
    target: str | None,
    store: Path | None,
    as_json: bool,
) -> None:
    """Write the store as JSON lines, or as T4 auto-tuning results.

    T4 has one document for each imported file, as it was, and one for each workload and target
    measured here.
    """
    from costmodel.cli.cache_view import export_jsonl, export_t4
    from costmodel.errors import UsageError

    if as_json and output is None:
        raise UsageError(
            "--json and an export cannot both be on stdout", hint="name a file with --output"
        )
    if layout == "jsonl" and (workload or target):
        raise UsageError("--workload and --on select T4 documents", hint="add --format t4")
    with _open_to_read(store) as opened:
        if layout == "jsonl":
            written = export_jsonl(opened, output)
        else:
            written = export_t4(opened, output, workload, target)
    if as_json:
        print_json({"format": layout, **written})
    elif output is not None:
        click.echo(f"{written['records']} records in {' '.join(written['files'])}")


@cache.command("import")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@click.option("--kernel", metavar="NAME", help="The kernel of T4 results that do not name it.")
@click.option("--device", metavar="NAME", help="The device of T4 results that do not name it.")
@store_option
@json_option
def import_(
    files: tuple[Path, ...],
    kernel: str | None,
    device: str | None,
    store: Path | None,
    as_json: bool,
) -> None:
    """Add each FILE of JSON lines or T4 results, plain or gzip, to the store.

    A T4 file named KERNEL_DEVICE.json gives its kernel and device by its name. A malformed FILE
    is refused as a whole.
    """
    from costmodel.store import open_store
    from costmodel.store.transfer import import_file

    with open_store(store) as opened:
        added = [(file, import_file(opened, file, kernel=kernel, device=device)) for file in files]
    _print_added(added, as_json)


@cache.command()
@click.argument(
    "stores", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="STORE..."
)
@store_option
@json_option
def merge(stores: tuple[Path, ...], store: Path | None, as_json: bool) -> None:
    """Add everything that each STORE holds to the store; each STORE stays as it is."""
    from costmodel.store import open_store
    from costmodel.store.transfer import merge as merge_store

    with open_store(store) as opened:
        added = [(source, merge_store(opened, source)) for source in stores]
    _print_added(added, as_json)


@cache.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept as the error.")
@store_option
@json_option
def reject(ids: tuple[str, ...], reason: str, store: Path | None, as_json: bool) -> None:
    """Have measurements that are wrong count no more.

    ID is a measurement's id, or 8 characters and more of its beginning; `costmodel cache show
    WORKLOAD` has that of the best. Nothing is deleted: to each a measurement of the same
    schedule, versions and way of timing is added that says wrong_result, and TEXT. That schedule
    is never the best of them again.
    """
    from costmodel.cli.cache_reject import reject as reject_all

    found = reject_all(store, ids, reason)
    if as_json:
        print_json(found)
        return
    for one in found["rejected"]:
        click.echo(f"rejected {one['id']}: {_where(one)}, {_speed(one)}")
    for one in found["best"]:
        now = "nothing" if one["id"] is None else f"{_speed(one)}, measurement {one['id']}"
        click.echo(f"the best of {_where(one)} is now {now}")


def _where(one: Mapping[str, Any]) -> str:
    return f"{one['function'] or _short(one['workload'])} on {one['target_name']}"


def _speed(one: Mapping[str, Any]) -> str:
    """A latency, or how it failed."""
    how = one["outcome"] if one["latency_us"] is None else latency(one["latency_us"])
    return f"{how} by {one['backend']}"


@cache.command()
@store_option
@json_option
def verify(store: Path | None, as_json: bool) -> int:
    """Look for damage; exit status 0 for a sound store, 1 for a damaged one.

    `costmodel cache export` saves what can still be read of a damaged store.
    """
    from costmodel.errors import StoreCorruptError
    from costmodel.store import default_path

    path = default_path() if store is None else store
    try:
        with _open_to_read(store) as opened:
            damage = opened.verify()
    except StoreCorruptError as error:
        damage = [f"{error.message}."]
    if as_json:
        print_json({"path": str(path), "sound": not damage, "damage": damage})
    elif damage:
        click.echo("\n".join(damage))
    else:
        click.echo(f"{path} is sound")
    return COULD_NOT if damage else 0


def _open_to_read(path: Path | None) -> SQLiteStore:
    from costmodel.store import open_store

    return open_store(path, read_only=True)


def _names(store: SQLiteStore) -> dict[str, str]:
    """What a person calls each workload and target, by hash."""
    names = {workload.hash: workload.function for workload in store.workloads()}
    return names | {target.hash: f"{target.kind} {target.cpu}" for target in store.targets()}


def _short(key: str) -> str:
    return key[:12] if len(key) == 64 else key


def _table(titles: list[str], rows: list[list[str]]) -> None:
    """A table without markup, since names come from files; nothing for no rows."""
    if not rows:
        return
    from rich import box
    from rich.table import Column, Table
    from rich.text import Text

    first, *others = titles  # the first is there to be copied, so it is never cut
    table = Table(Column(first, no_wrap=True), *others, box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*map(Text, row))
    table_console().print(table)


def _print_added(sources: list[tuple[Path, dict[str, int]]], as_json: bool) -> None:
    if as_json:
        total: Counter[str] = Counter()
        for _, counts in sources:
            total.update(counts)
        each = [{"path": str(path), "added": counts} for path, counts in sources]
        print_json({"added": dict(total), "sources": each})
        return
    for path, counts in sources:
        what = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
        click.echo(f"{path}: added {what or 'nothing, all of it was there'}")
